"""`markab remove` and `pegasus-remove`."""

from __future__ import annotations

import click

from markab.cli.command import command


@command()
@click.argument("submit_dir", default="", metavar="[SUBMIT_DIR]")
@click.option("-v", "--verbose", count=True, help="Say more, when something goes wrong.")
def remove(submit_dir: str, verbose: int) -> None:
    """End a run now, and its running jobs with it.

    What succeeded is kept, no file is deleted, and `markab run SUBMIT_DIR` would
    continue it.
    """
    from markab.cli.stop_requests import remove_run

    click.echo(remove_run(submit_dir or None))


@command(name="pegasus-remove")
@click.argument("submit_dir", default="", metavar="[SUBMIT_DIR]")
@click.option("-d", "--dagid", metavar="ID", help="HTCondor's number of a run; there is none here.")
@click.option("-v", "--verbose", count=True, help="Say more, when something goes wrong.")
@click.option("-V", "--version", is_flag=True, help="Print the version of Pegasus that Markab speaks.")
def pegasus_remove(submit_dir: str, dagid: str | None, verbose: int, version: bool) -> None:
    """End a run now, and its running jobs with it."""
    from markab.cli.stop_requests import remove_run

    if version:
        from markab import PEGASUS_VERSION

        click.echo(PEGASUS_VERSION)
        return
    if dagid and not submit_dir:
        raise click.UsageError("runs have no HTCondor number here; name the submit directory")
    click.echo(remove_run(submit_dir or None))
