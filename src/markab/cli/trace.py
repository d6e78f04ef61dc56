"""`markab trace`."""

from __future__ import annotations

import click

from markab.cli.command import command
from markab.errors import ChecksumMismatch


@command()
@click.argument("submit_dir", default="", metavar="[SUBMIT_DIR]")
@click.argument("file", default="", metavar="FILE")
@click.option("-J", "--json", "as_json", is_flag=True, help="Print an object.")
@click.option("--dot", is_flag=True, help="Print a graph in the language of Graphviz.")
@click.option("-v", "--verbose", count=True, help="Say more, when something goes wrong.")
def trace(submit_dir: str, file: str, as_json: bool, dot: bool, verbose: int) -> int:
    """Tell how one FILE was made: every job, command line, input and checksum that led to it.

    FILE is a logical name, or the path of a delivered file; then it is compared
    with the checksum on record. In a submit directory `markab trace FILE` will do.
    """
    from markab.cli.plan_output import echo_json
    from markab.reports.trace import read_trace

    if not file:
        if not submit_dir:
            raise click.UsageError("name a file: markab trace SUBMIT_DIR FILE")
        submit_dir, file = "", submit_dir
    found = read_trace(submit_dir or None, file)
    if as_json:
        echo_json(found.to_json())
    else:
        click.echo(found.dot() if dot else found.text(), nl=False)
    return ChecksumMismatch.exit_code if found.agrees is False else 0
