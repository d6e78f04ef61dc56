"""`markab runs`."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import json_option, verbose_option
from markab.cli.output import echo, echo_json
from markab.cli.run_filters import since as since_time
from markab.cli.run_filters import state_option, workflow_option
from markab.formatting import printable_line, shown_path, size


@command()
@click.argument(
    "directory",
    required=False,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="[DIRECTORY]",
)
@state_option("List only runs in these states, such as failed.")
@workflow_option
@click.option(
    "--since", callback=since_time, metavar="TIME", help="Only runs planned since: 2026-11-30, 7d, 12h."
)
@click.option(
    "--size", "sizes", is_flag=True, help="Also the bytes in submit and scratch directories of this machine."
)
@json_option("Print a list of objects.")
@verbose_option
def runs(
    directory: Path | None,
    states: frozenset[str],
    workflow: str,
    since: float,
    sizes: bool,
    as_json: bool,
    verbose: int,
) -> None:
    """List your runs, the newest first: state, progress, time of planning, workflow and directory.

    Those in your database of runs, `~/.pegasus/workflow.db`, and those below
    DIRECTORY, by default the current one.
    """
    found, warning = operations.list_runs(directory, states=states, workflow=workflow, since=since)
    if warning:
        echo(f"warning: {warning}", err=True)
    used = [operations.bytes_of_run(run.submit_dir) for run in found] if sizes else []
    if as_json:
        more = [{"submit_dir_bytes": one.submit_dir, "scratch_bytes": one.scratch} for one in used]
        echo_json([run._asdict() | (more[at] if more else {}) for at, run in enumerate(found)])
        return
    rows = [_columns(run) for run in found]
    for row, one in zip(rows, used, strict=False):
        row.insert(3, f"{size(one.submit_dir + one.scratch):>7}")
    for line in lines_of(rows, shutil.get_terminal_size().columns if sys.stdout.isatty() else None):
        echo(line)


def _columns(run: operations.ListedRun) -> list[str]:
    planned = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.planned)) if run.planned else "-"
    done = f"{run.succeeded:,}/{run.total:,}" if run.total else "-"
    return [
        run.state,
        f"{done:>7}",
        f"{planned:<16}",
        printable_line(run.workflow),
        shown_path(run.submit_dir),
    ]


def lines_of(rows: Sequence[Sequence[str]], width: int | None = None) -> list[str]:
    """Return rows as lines of columns; the last column begins a line of its own if the longest does not fit into `width`."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    heads = [
        "  ".join(f"{text:<{width}}" for text, width in zip(row[:-1], widths, strict=False)) for row in rows
    ]
    lines = [f"{head}  {printable_line(row[-1])}" for head, row in zip(heads, rows, strict=True)]
    if width is None or max(map(len, lines), default=0) <= width:
        return lines
    return [
        line
        for head, row in zip(heads, rows, strict=True)
        for line in (head.rstrip(), f"  {printable_line(row[-1])}")
    ]
