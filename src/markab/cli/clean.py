"""`markab clean`."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Sequence
from typing import Any

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import json_option, verbose_option
from markab.cli.completion_values import runs
from markab.cli.errors import report
from markab.cli.output import echo, echo_json
from markab.cli.run_filters import age, state_option, workflow_option
from markab.cli.runs import lines_of
from markab.errors import MarkabError
from markab.formatting import count, printable_line, shown_path, size


@command()
@click.argument("names", nargs=-1, metavar="[RUN]...", shell_complete=runs)
@click.option(
    "--older",
    callback=age,
    metavar="AGE",
    help="Only runs to which nothing has happened for so long: 30d, 12h.",
)
@state_option("Only runs in these states, such as success,failed.")
@workflow_option
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    metavar="N",
    help="Leave the N newest runs of each workflow alone (with --state: of those in these states).",
)
@click.option("--scratch-only", is_flag=True, help="Delete the scratch directories, and leave the records.")
@click.option(
    "--with-results", is_flag=True, help="Also scratch directories with the only copies of results."
)
@click.option("-f", "--yes", is_flag=True, help="Delete them. Without it, nothing is deleted.")
@json_option("Print a list of objects.")
@verbose_option
def clean(
    names: tuple[str, ...],
    older: float | None,
    states: frozenset[str],
    workflow: str,
    keep: int | None,
    scratch_only: bool,
    with_results: bool,
    yes: bool,
    as_json: bool,
    verbose: int,
) -> int:
    """Delete runs: their scratch directories on this machine, submit directories, and rows in databases.

    Without --yes it prints what would go, and how much, and deletes nothing. Name
    runs, or choose with options among those that `markab runs` lists; what passes
    all options goes.

    A symbolic link by which a run is named goes with it. Results at output sites
    stay. A run is left alone if an engine runs it, if it is Pegasus' or another
    user's, or if other things are in its submit directory. What is in its scratch
    directory and no job of the run declares is named before it goes.
    """
    if not names and older is None and not states and not workflow and keep is None:
        raise click.UsageError("name runs, or choose some with --older, --state, --workflow or --keep")
    filters = operations.Filters(states, workflow, older, keep)
    found, warning = operations.find_old_runs(
        names, filters, now=time.time(), scratch_only=scratch_only, with_results=with_results
    )
    if warning:
        echo(f"warning: {warning}", err=True)
    errors = dict(_deleted(found, scratch_only)) if yes else {}
    if as_json:
        echo_json([_as_json(one, yes, errors.get(id(one))) for one in found])
    else:
        _print(found, yes, errors, scratch_only)
        if not yes and any(not one.why_kept for one in found):
            echo(f"nothing was deleted; this deletes it: {_with_yes()}")
    return 1 if errors or (names and any(one.why_kept for one in found)) else 0


def _deleted(found: Sequence[operations.OldRun], scratch_only: bool) -> Iterable[tuple[int, MarkabError]]:
    """Delete the runs; yield those with errors, after printing them."""
    for one, error in operations.delete_old_runs(found, scratch_only=scratch_only):
        if error is not None:
            report(error)
            yield id(one), error


def _with_yes() -> str:
    """Return the command line with `--yes`."""
    import sys

    return shlex.join(["markab", *sys.argv[1:], "--yes"])


def _print(
    found: Sequence[operations.OldRun], is_done: bool, errors: dict[int, MarkabError], scratch_only: bool
) -> None:
    going = [one for one in found if not one.why_kept and id(one) not in errors]
    rows = [_columns(one) for one in going]
    for one, line in zip(going, lines_of(rows), strict=True):
        echo(line)
        for link in one.links if not scratch_only else ():
            echo(f"  link    {printable_line(shown_path(link))}, by which it is named")
        for place in one.scratch:
            kept = f", left alone: {place.why_kept}" if place.why_kept else f", {size(place.bytes)}"
            echo(f"  scratch {printable_line(place.place)}{kept}")
            _print_foreign(place.foreign, place.foreign_count)
        for warning in one.warnings:
            echo(f"  warning: {printable_line(warning)}")
    for one in found:
        if one.why_kept:
            echo(f"left alone: {shown_path(one.run.submit_dir)}: {printable_line(one.why_kept)}")
    freed = size(sum(one.bytes for one in going))
    echo(f"{count(len(going), 'run')}, {freed}{' deleted' if is_done else ' would be deleted'}")


def _print_foreign(names: Sequence[str], number: int) -> None:
    for name in names:
        echo(f"  warning: in it, and declared by no job of the run: {printable_line(name)}")
    if number > len(names):
        echo(f"  warning: … and {number - len(names):,} more")


def _columns(one: operations.OldRun) -> list[str]:
    planned = time.strftime("%Y-%m-%d", time.localtime(one.run.planned)) if one.run.planned else "-"
    place = shown_path(one.run.submit_dir)
    return [f"{size(one.bytes):>7}", one.run.state, planned, printable_line(one.run.workflow), place]


def _as_json(one: operations.OldRun, is_done: bool, error: MarkabError | None) -> dict[str, Any]:
    return {
        "submit_dir": str(one.run.submit_dir),
        "links": [str(link) for link in one.links],
        "workflow": one.run.workflow,
        "state": one.run.state,
        "bytes": one.bytes,
        "scratch": [place._asdict() for place in one.scratch],
        "deleted": is_done and not one.why_kept and error is None,
        "why_kept": one.why_kept,
        "warnings": [*one.warnings],
        "error": str(error or ""),
    }
