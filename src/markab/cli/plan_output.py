"""Planning with a progress line, and the text about the plan; for the commands that plan."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TextIO

from markab import operations
from markab.cli.errors import problem_object, warning_text
from markab.cli.other_pegasus import other_pegasus
from markab.cli.output import echo, is_terminal
from markab.cli.pass_times import PassTimes
from markab.plan.run_command import dag_of, run_command

if TYPE_CHECKING:
    from markab.planner.options import PlanOptions

QUIET_S = 1.0
"""Planning that takes less time shows no progress."""
REDRAW_S = 0.1

KIND_NAMES = {
    "compute": "compute",
    "subworkflow": "sub-workflow",
    "stage_in": "stage-in",
    "stage_inter": "inter-site",
    "stage_out": "stage-out",
    "register": "registration",
    "create_dir": "create-dir",
    "cleanup": "cleanup",
    "noop": "no-op",
}


class PlanningProgress:
    """One line on stderr with the progress of the planner, after the first second."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._next = clock() + QUIET_S
        self._drawn = 0

    def __call__(self, step: str, done: int, total: int | None) -> None:
        """Show the present step of the planner."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + REDRAW_S
        text = f"planning: {step}" + (f", {done:,} of {total:,}" if total and done else "")
        self._stream.write("\r" + text.ljust(self._drawn))
        self._stream.flush()
        self._drawn = len(text)

    def clear(self) -> None:
        """Erase the line."""
        if self._drawn:
            self._stream.write("\r" + " " * self._drawn + "\r")
            self._stream.flush()
            self._drawn = 0


def make_plan(
    options: PlanOptions,
    *,
    dry: bool = False,
    quiet: int = 0,
    then: operations.Then = "nothing",
    explain: bool = False,
    verbose: int = 0,
) -> operations.Planned:
    """Plan, and print warnings to stderr; `quiet` of 2 or more leaves them out.

    With `verbose`, also print how long each step took.
    """
    line = PlanningProgress(sys.stderr) if is_terminal(sys.stderr) else None
    times = PassTimes(line)
    try:
        if dry:
            planned = operations.dry_run(options, times, explain=explain)
        else:
            planned = operations.plan(options, times, then=then, explain=explain)
    finally:
        if line:
            line.clear()
    if verbose:
        echo("\n".join(times.lines()), err=True)
    if quiet < 2:
        other = other_pegasus()
        for warning in (*((other,) if other else ()), *planned.warnings):
            echo(warning_text(warning), err=True)
    return planned


def plan_text(workflow: str, summary: operations.PlanSummary) -> str:
    """Return the numbers of a plan as text."""
    from markab.formatting import count, size

    kinds = [f"{summary.jobs[kind]:,} {name}" for kind, name in KIND_NAMES.items() if summary.jobs.get(kind)]
    lines = [
        f"{workflow}: {count(summary.total, 'job')} ({', '.join(kinds)})" if kinds else f"{workflow}: no jobs"
    ]
    if summary.reused:
        lines.append(
            f"  reused: what {count(summary.reused, 'task')} of {summary.tasks + summary.reused:,} made before"
        )
    if left_out := summary.left_out - summary.reused:
        is_or_are = "is" if left_out == 1 else "are"
        lines.append(f"  {count(left_out, 'task')} {is_or_are} left out: --explain says why")
    moves = [f"{count(summary.transfers, 'transfer')}"]
    if summary.bytes_known:
        moves.append(f"{size(summary.bytes_known)} known")
    if summary.files_unknown_size:
        moves.append(f"{count(summary.files_unknown_size, 'file')} of unknown size")
    if summary.deletions:
        moves.append(f"{count(summary.deletions, 'file')} cleaned up on the way")
    if summary.transfers or summary.deletions:
        lines.append("  " + ", ".join(moves))
    lines += [
        f"  scratch at {site}: at most {size(one.predicted_bytes)} of {size(one.most_bytes)}, one job after the other"
        for site, one in summary.scratch.items()
    ]
    return "\n".join(lines)


def explanation(reasons: Iterable[operations.Reason]) -> str:
    """Return why each job is in the plan or not, one job a line."""
    return "\n".join(f"{r.job}: {r.what} by {r.by}: {r.why}" for r in reasons)


def plan_object(planned: operations.Planned, explain: bool) -> dict[str, Any]:
    """Return the object of `plan --json`: the braindump, and the next command."""
    known: dict[str, Any] = dict(planned.braindump)
    if planned.submit_dir is not None:
        known["submit_dir"] = str(planned.submit_dir)
        known["message"] = f"Planned workflow {planned.workflow}; nothing runs yet."
        is_for_dagman = dag_of(planned.submit_dir) is not None
        known["pegasus-run"] = (
            run_command(planned.submit_dir) if is_for_dagman else f"pegasus-run {planned.submit_dir}"
        )
    else:
        known |= {"workflow": planned.workflow, "message": "Nothing was written."}
    summary = planned.summary
    known["summary"] = {
        "jobs": summary.jobs,
        "tasks": summary.tasks,
        "left_out": summary.left_out,
        "transfers": summary.transfers,
        "bytes_known": summary.bytes_known,
        "files_unknown_size": summary.files_unknown_size,
        "deletions": summary.deletions,
        **({"reused": summary.reused} if summary.reused else {}),
        **({"scratch": _scratch_objects(summary)} if summary.scratch else {}),
    }
    if planned.warnings:
        known["warnings"] = [problem_object(problem) for problem in planned.warnings]
    if explain:
        known["reasons"] = [
            {"job": r.job, "pass": r.by, "what": r.what, "why": r.why} for r in planned.reasons
        ]
    return known


def _scratch_objects(summary: operations.PlanSummary) -> dict[str, dict[str, int]]:
    return {
        site: {"bound": one.most_bytes, "predicted": one.predicted_bytes}
        for site, one in summary.scratch.items()
    }
