"""`markab list`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import json_option, verbose_option
from markab.cli.output import echo, echo_json
from markab.formatting import printable_line, shown_path


@command()
@click.argument(
    "directory",
    required=False,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="[DIRECTORY]",
)
@json_option("Print a list of objects.")
@verbose_option
def list(directory: Path | None, as_json: bool, verbose: int) -> None:
    """List your runs, the newest first: state, progress, time of planning, workflow and directory.

    Those in your database of runs, `~/.pegasus/workflow.db`, and those below
    DIRECTORY, by default the current one.
    """
    runs, warning = operations.list_runs(directory)
    if warning:
        echo(f"warning: {warning}", err=True)
    if as_json:
        echo_json([run._asdict() for run in runs])
    else:
        echo("".join(f"{_line(run)}\n" for run in runs), nl=False)


def _line(run: operations.ListedRun) -> str:
    planned = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.planned)) if run.planned else "-"
    done = f"{run.succeeded:,}/{run.total:,}" if run.total else "-"
    return printable_line(
        f"{run.state:<11}  {done:>11}  {planned:<16}  {run.workflow}  {shown_path(run.submit_dir)}"
    )
