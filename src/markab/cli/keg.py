"""`markab keg`: see `keg_program.py`, which is also `pegasus-keg` and needs no click."""

from __future__ import annotations

import click

from markab.cli.command import command


@command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def keg(words: tuple[str, ...]) -> int:
    """Stand in for a real program: copy files, burn time and memory.

    Without WORDS it explains its options.
    """
    from markab.cli.keg_program import main

    return main("keg", list(words))
