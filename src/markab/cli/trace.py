"""`markab trace`."""

from __future__ import annotations

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import json_option, run_and_name, verbose_option
from markab.cli.completion_values import lfns, runs_or_lfns
from markab.cli.output import echo, echo_json
from markab.errors import ChecksumMismatch


@command()
@click.argument("run", required=False, metavar="[RUN]", shell_complete=runs_or_lfns)
@click.argument("file", required=False, metavar="FILE", shell_complete=lfns)
@json_option()
@click.option("--dot", is_flag=True, help="Print a graph in the DOT language of Graphviz.")
@verbose_option
def trace(run: str | None, file: str | None, as_json: bool, dot: bool, verbose: int) -> int:
    """Show how one FILE was made: every job, command line, input and checksum that led to it.

    FILE is a logical name, or the path of a delivered file, which is compared with
    the recorded checksum. Inside a submit directory, `markab trace FILE` is enough.
    """
    found = operations.trace(*run_and_name(run, file, "file", "markab trace"))
    if as_json:
        echo_json(found.to_json())
    else:
        echo(found.dot() if dot else found.text(), nl=False)
    return ChecksumMismatch.exit_code if found.agrees is False else 0
