"""Running a submit directory in the foreground or in the background, and what is said at its end."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from markab.cli.plan_output import echo_json, is_terminal, shown_path
from markab.errors import RUN_EXIT_CODES

if TYPE_CHECKING:
    from markab.cli.run_display import Display
    from markab.engine.run import RunOptions

FAILURES_SHOWN = 10


def run_here(
    submit_dir: Path, *, options: RunOptions | None = None, as_json: bool = False, quiet: int = 0
) -> int:
    """Run a submit directory until it ends; return the exit code."""
    from markab.engine.run import RunOptions, run
    from markab.plan.submit_dir import find_submit_dir
    from markab.provenance.follower import following

    submit_dir = find_submit_dir(submit_dir).path
    display = _make_display(submit_dir, quiet)
    try:
        with following(submit_dir) as follower:
            outcome = run(submit_dir, options or RunOptions(), display, recorder=follower)
    finally:
        display.close()
    _warn([*outcome.warnings, *follower.warnings], display)
    if outcome.was_complete and not as_json and not quiet:
        click.echo("nothing to do: every job has succeeded already")
    tell_end(submit_dir, outcome.state, as_json=as_json, quiet=quiet)
    follower.finish()
    _warn(follower.warnings, display)
    if follower.trouble:
        _warn([f"{follower.trouble}; what is missing is in the journal, and added when that works"], display)
    return RUN_EXIT_CODES[outcome.state]


def _warn(warnings: list[str], display: Display) -> None:
    for warning in warnings:
        if warning not in display.warned:
            display.warned.add(warning)
            print(f"warning: {warning}", file=sys.stderr)


def start_in_background(submit_dir: Path, arguments: tuple[str, ...] = ()) -> int:
    """Start an engine of its own for a run; return its pid."""
    from markab.engine.background import start

    return start(submit_dir, arguments)


def tell_end(submit_dir: Path, state: str, *, as_json: bool, quiet: int = 0) -> None:
    """Say how a run ended: what failed and why, where the results are, how to go on."""
    from markab.diagnosis.failed_attempts import Failures
    from markab.reports.status import read_status

    failures = Failures(submit_dir, from_start=True).final()
    if as_json:
        status = read_status(submit_dir)
        known: dict[str, Any] = {
            "submit_dir": str(submit_dir),
            "state": state,
            **status.to_json(queue=False)["totals"],
        }
        known |= {
            "outputs": output_places(submit_dir),
            "failures": [failure.to_json() for failure in failures],
        }
        echo_json(known)
        return
    if failures:
        shown = [failure.text(submit_dir) for failure in failures[:FAILURES_SHOWN]]
        if len(failures) > FAILURES_SHOWN:
            shown.append(f"… and {len(failures) - FAILURES_SHOWN:,} more failed jobs")
        click.echo("\n" + "\n\n".join(shown) + "\n", err=True)
    if not quiet or state != "success":
        click.echo(end_text(submit_dir, state, failures[0].job if failures else ""))


def end_text(submit_dir: Path, state: str, failed_job: str = "") -> str:
    """Return the last lines of a run."""
    from markab.formatting import count, duration
    from markab.reports.status import read_status

    status = read_status(submit_dir)
    run = shown_path(submit_dir)
    took = duration(status.ended - status.started) if status.ended else "?"
    done = f"{status.succeeded:,} of {count(status.total, 'job')} succeeded"
    if state == "success":
        lines = [f"{status.workflow}: all {count(status.total, 'job')} succeeded in {took}"]
        lines += [f"  results: {place}" for place in output_places(submit_dir)]
        lines.append(f"  more:    markab show {run}")
        return "\n".join(lines)
    if state == "failed":
        never = status.total - status.succeeded - status.failed
        lines = [f"{status.workflow}: {count(status.failed, 'job')} failed, {done}, {never:,} never started"]
        if failed_job:
            lines.append(f"  look:     markab show {run} {failed_job}")
        return "\n".join([*lines, f"  continue: markab run {run}    (what succeeded is kept)"])
    verb = {"halted": "halted", "removed": "removed", "interrupted": "interrupted"}[state]
    return f"{status.workflow}: {verb}, {done}\n  continue: markab run {run}    (what succeeded is kept)"


def output_places(submit_dir: Path) -> list[str]:
    """Return the directories to which a run delivers its results; without any, the scratch that keeps them."""
    from markab.plan.plan_file import PlanFile
    from markab.plan.submit_dir import SubmitDir

    plan = PlanFile(SubmitDir(submit_dir).plan)
    try:
        kept = [site.scratch for site in plan.header.sites.values() if site.scratch]
        return list(plan.header.outputs.values()) or [place for place in kept if os.path.isdir(place)]
    finally:
        plan.close()


def _make_display(submit_dir: Path, quiet: int) -> Display:
    from markab.cli.run_display import Lines, Picture, Silent

    if quiet:
        return Silent(sys.stderr)
    if is_terminal(sys.stderr):
        return Picture(sys.stderr, submit_dir)
    return Lines(sys.stderr, submit_dir)
