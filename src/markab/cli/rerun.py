"""`markab rerun`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from markab import operations
from markab.cli import plan_output, run_output
from markab.cli.command import command
from markab.cli.common_options import json_option, run_argument, verbosity
from markab.cli.completion_values import directories, runs
from markab.cli.output import echo, echo_json
from markab.errors import ChecksumMismatch
from markab.formatting import count, shown_path

ROWS_SHOWN = 50
"""Rows of the table for results that are the same; all others are always shown."""
CHECKSUM_CHARACTERS = 16
DIFFERS = ("different", "missing")
"""Verdicts on a result with which the command does not succeed."""


@command()
@run_argument
@click.option(
    "-O",
    "--output-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    shell_complete=directories,
    help="Directory for the results of the new run; rerun-of-NAME where RUN was planned by default.",
)
@click.option("--accept-changes", is_flag=True, help="Go on with files and settings that have changed since.")
@click.option("--dry-run", is_flag=True, help="Say what has changed since; plan and run nothing.")
@click.option(
    "--compare-with",
    metavar="RUN",
    shell_complete=runs,
    help="Run nothing: compare the results with those of this run.",
)
@json_option("Print the changes and the comparison as an object.")
@verbosity
def rerun(
    run: str | None,
    output_dir: Path | None,
    accept_changes: bool,
    dry_run: bool,
    compare_with: str | None,
    as_json: bool,
    verbose: int,
    quiet: int,
) -> int:
    """Run a past RUN again from its own record, and compare the results.

    It is planned from the copies of its documents, with its options and properties, into a submit directory of
    its own. Inputs and programs are compared with what RUN used; if some have changed, they are named and nothing
    is started. Results go to a directory of their own. At the end each is compared with that of RUN by checksum:
    the exit code is 42 if one is different or missing.
    """
    if compare_with is not None:
        return _compare(operations.find_run(run), operations.find_run(compare_with), {}, as_json, quiet)
    repetition = operations.prepare_rerun(run, output_dir)
    facts = {"rerun_of": str(repetition.of), "changes": repetition.to_json()}
    if dry_run:
        return _say_changes(repetition, facts, as_json)
    if not accept_changes:
        operations.refuse_changes(repetition)
    elif quiet < 2:
        for text in repetition.differences:
            echo(f"warning: {text}", err=True)
    planned = plan_output.make_plan(repetition.options, quiet=2 if as_json else quiet, then="run")
    assert planned.submit_dir is not None
    operations.keep_passwords(repetition, planned.submit_dir)
    if not quiet and not as_json:
        echo(plan_output.plan_text(planned.workflow, planned.summary))
        echo(f"  planned into {shown_path(planned.submit_dir)}")
    if code := run_output.run_here(planned.submit_dir, as_json=False, quiet=2 if as_json else quiet):
        words = f"markab rerun --compare-with {shown_path(planned.submit_dir)} {shown_path(repetition.of)}"
        echo(f"  compare:  {words}    (when it has succeeded)", err=as_json)
        return code
    return _compare(repetition.of, planned.submit_dir, facts, as_json, quiet)


def _say_changes(repetition: operations.Repetition, facts: dict[str, Any], as_json: bool) -> int:
    if as_json:
        echo_json(facts)
    elif not repetition.differences:
        echo("nothing has changed: the run can be repeated")
    for text in () if as_json else repetition.differences:
        echo(text)
    return ChecksumMismatch.exit_code if repetition.differences else 0


def _compare(old: Path, new: Path, facts: dict[str, Any], as_json: bool, quiet: int) -> int:
    results = operations.compare_runs(old, new)
    if as_json:
        rows = [result._asdict() for result in results]
        echo_json({"rerun_of": str(old), **facts, "submit_dir": str(new), "results": rows})
    elif not quiet or _differ(results):
        echo("\n".join(table(results, old)))
    return ChecksumMismatch.exit_code if _differ(results) else 0


def _differ(results: Sequence[operations.ComparedResult]) -> bool:
    return any(result.verdict in DIFFERS for result in results)


def table(results: Sequence[operations.ComparedResult], old: Path) -> list[str]:
    """Return the comparison as lines: what is not the same first."""
    numbers = Counter(result.verdict for result in results)
    summary = (
        ", ".join(f"{number:,} {verdict}" for verdict, number in numbers.items()) or "nothing to compare"
    )
    lines = [f"compared with {shown_path(old)}: {count(len(results), 'result')}: {summary}"]
    same = [result for result in results if result.verdict == "same"]
    for result in [*(one for one in results if one.verdict != "same"), *same[:ROWS_SHOWN]]:
        lines.append(f"  {result.verdict:<9}  {result.lfn}{_checksums(result)}")
    hidden = len(same) - ROWS_SHOWN
    return lines + ([f"  … and {count(hidden, 'more result')} that are the same"] if hidden > 0 else [])


def _checksums(result: operations.ComparedResult) -> str:
    if result.verdict != "different" or not (result.old and result.new):
        return ""
    return f"  (sha256 was {result.old[:CHECKSUM_CHARACTERS]}…, is {result.new[:CHECKSUM_CHARACTERS]}…)"
