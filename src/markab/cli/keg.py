"""`markab keg`; the program is `keg_program.py`, which is also `pegasus-keg` and does not import click."""

from __future__ import annotations

import click

from markab.cli.command import command


@command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def keg(words: tuple[str, ...]) -> int:
    """Simulate a program of a job: copy files, use time and memory.

    Without WORDS it prints its options.
    """
    from markab.cli.keg_program import main

    return main("keg", list(words))
