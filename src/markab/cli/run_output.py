"""Running a submit directory in the foreground, and the text at its end."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from markab import operations
from markab.cli.output import echo, echo_json, is_terminal
from markab.formatting import shown_path

if TYPE_CHECKING:
    from markab.cli.run_display import Display

FAILURES_SHOWN = 10
FILES_SHOWN = 5


def run_here(
    submit_dir: Path,
    limits: operations.Limits | None = None,
    *,
    keep_failed: bool = False,
    restore: bool = False,
    refresh: bool = False,
    fail_fast: bool | None = None,
    as_json: bool = False,
    quiet: int = 0,
    report_start: int | None = None,
) -> int:
    """Run a submit directory until it ends; return the exit code."""
    display = _make_display(operations.find_run(submit_dir), quiet)

    def on_end(ended: operations.Ended) -> None:
        display.close()
        _warn(ended.warnings, display)
        if ended.was_complete and not as_json and not quiet:
            echo("nothing to run: all jobs have succeeded already")
        print_end(ended.submit_dir, ended.state, as_json=as_json, quiet=quiet)

    try:
        ended = operations.run(
            submit_dir,
            limits,
            display,
            on_end,
            keep_failed,
            restore,
            refresh,
            fail_fast,
            report_start=report_start,
        )
    finally:
        display.close()
    _warn(ended.warnings, display)
    return ended.exit_code


def print_answer(answer: operations.Answer, *, as_json: bool, quiet: int = 0) -> None:
    """Print that nothing was planned, because a run has the results already."""
    from markab.formatting import count

    if as_json:
        known = {"submit_dir": str(answer.submit_dir), "state": "success", "up_to_date": answer.tasks}
        echo_json({**known, "outputs": answer.outputs, "failures": [], "undelivered": []})
    elif not quiet:
        are = "is" if answer.tasks == 1 else "are"
        lines = [f"{answer.workflow}: nothing to do, all {count(answer.tasks, 'task')} {are} up to date"]
        lines += [f"  results: {place}" for place in answer.outputs]
        echo("\n".join([*lines, f"  more:    markab show {shown_path(answer.submit_dir)}"]))


def _warn(warnings: Iterable[str], display: Display) -> None:
    for warning in warnings:
        if warning not in display.warned:
            display.warned.add(warning)
            echo(f"warning: {warning}", err=True)


def print_end(submit_dir: Path, state: str, *, as_json: bool, quiet: int = 0) -> None:
    """Print the result of a run: failures, places of the results, the next command."""
    result = operations.read_result(submit_dir)
    if as_json:
        totals = result.status.to_json(queue=False)["totals"]
        ending = {"outputs": result.outputs, "failures": [failure.to_json() for failure in result.failures]}
        ending["undelivered"] = [one._asdict() for one in result.undelivered]
        echo_json({"submit_dir": str(submit_dir), "state": state, **totals, **ending})
        return
    if result.failures:
        shown = [failure.text(submit_dir) for failure in result.failures[:FAILURES_SHOWN]]
        if (hidden := len(result.failures) - FAILURES_SHOWN) > 0:
            shown.append(f"… and {hidden:,} more failed jobs")
        echo("\n" + "\n\n".join(shown) + "\n", err=True)
    if not quiet or state != "success":
        echo(end_text(result, state))


def end_text(result: operations.RunResult, state: str) -> str:
    """Return the last lines of a run."""
    from markab.formatting import count

    status = result.status
    run = shown_path(status.submit_dir)
    took = status.times(status.ended).text() if status.ended else "?"
    done = f"{status.succeeded:,} of {count(status.total, 'job')} succeeded"
    if state == "success":
        lines = [f"{status.workflow}: all {count(status.total, 'job')} succeeded in {took}"]
        lines += [f"  results: {place}" for place in result.outputs]
        return "\n".join([*lines, f"  more:    markab show {run}"])
    if state == "failed":
        left = status.total - status.succeeded - status.failed - status.skipped - status.incomplete
        parts = [f"{status.workflow}: {count(status.failed, 'job')} failed", done]
        parts += [f"{status.skipped:,} skipped"]
        parts += [f"{status.incomplete:,} done in part"] if status.incomplete else []
        parts += [f"{left:,} not started"] if left else []
        lines = [", ".join(parts)]
        lines += undelivered_lines(result.undelivered, status.submit_dir)
        lines += [f"  look:     markab show {run} {quote(failure.job)}" for failure in result.failures[:1]]
    else:
        lines = [f"{status.workflow}: {state}, {done}"]
    how = result.advice or f"continue: markab run {run}    (what succeeded is kept)"
    return "\n".join([*lines, f"  {how}"])


def undelivered_lines(files: Sequence[operations.Undelivered], submit_dir: Path) -> list[str]:
    """Return a line for each of the first results that were not delivered, with the reason."""
    from markab.formatting import count

    shown = [f"  not delivered: {one.lfn} ({one.why})" for one in files[:FILES_SHOWN]]
    if (hidden := len(files) - FILES_SHOWN) > 0:
        shown.append(f"  … and {count(hidden, 'more result')}: markab analyze {shown_path(submit_dir)}")
    return shown


def _make_display(submit_dir: Path, quiet: int) -> Display:
    from markab.cli.run_display import LineDisplay, LiveDisplay, QuietDisplay

    if quiet:
        return QuietDisplay(sys.stderr)
    if is_terminal(sys.stderr):
        return LiveDisplay(sys.stderr, submit_dir)
    return LineDisplay(sys.stderr, submit_dir)
