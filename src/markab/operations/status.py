"""The status, the identity and the result of a run; nothing here changes one.

Each function raises NotARun when there is no such run, and CorruptPlan,
CorruptJournal or NewerFormat when it cannot be read.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from markab.operations.readable_runs import open_run
from markab.operations.run_names import Run, find_run

if TYPE_CHECKING:
    from markab.diagnosis.failed_attempts import FailedAttempt
    from markab.diagnosis.undelivered import Undelivered
    from markab.plan.braindump import Braindump
    from markab.plan.plan_file import PlanFile
    from markab.reports.status import Status


def read_status(run: Run = None, *, why: bool = False, check_results: bool = False) -> Status:
    """Return the progress of a run; with `why`, also why jobs wait.

    With `check_results`, a run that is over also has the warning that results are missing.
    """
    read = open_run(run)
    status = read.follow_status(why=why)()
    if check_results and status.is_over:
        from dataclasses import replace

        if text := read.missing_results():
            return replace(status, warnings=(*status.warnings, text))
    return status


def follow_status(run: Run = None, *, why: bool = False) -> Callable[[], Status]:
    """Return a function that does what `read_status` does; each call reads only the records since the last."""
    return open_run(run).follow_status(why=why)


def read_braindump(run: Run = None) -> Braindump:
    """Return the identity of a run: names, user, arguments of the planner."""
    from markab.plan import braindump
    from markab.plan.submit_dir import SubmitDir

    return braindump.read_braindump(SubmitDir(open_run(run).path).braindump)


class RunResult(NamedTuple):
    """The result of a run."""

    status: Status
    failures: list[FailedAttempt]
    """The last attempt of every job that failed."""
    outputs: list[str]
    """The directories in which results are: those to which they are delivered, or scratch directories with files."""
    undelivered: list[Undelivered]
    """The results that a failed run did not deliver."""
    advice: str = ""
    """How to go on with a run for which its scratch is too small; the same command would end alike."""


def read_result(run: Run = None) -> RunResult:
    """Return the present result of a run."""
    from markab.diagnosis.failed_attempts import FailedAttempts

    submit_dir = find_run(run)
    status = read_status(submit_dir)
    succeeded = status.state == "Success"
    failures = [] if succeeded else FailedAttempts(submit_dir, from_start=True).final()
    return RunResult(
        status, failures, _output_places(submit_dir), read_undelivered(status), _scratch_advice(status)
    )


def read_undelivered(status: Status) -> list[Undelivered]:
    """Return the results that a run with this status did not deliver; none unless it has failed."""
    return open_run(status.submit_dir).undelivered() if status.state == "Failure" else []


def _scratch_advice(status: Status) -> str:
    from markab.journal.run_reader import RunReader

    if status.state != "Failure" or not status.scratch:
        return ""
    run = RunReader(status.submit_dir)
    run.read()
    return run.history.no_room.hint if run.history.no_room else ""


def _output_places(submit_dir: Path) -> list[str]:
    from markab.plan.plan_file import PlanFile
    from markab.plan.submit_dir import SubmitDir

    plan = PlanFile(SubmitDir(submit_dir).plan)
    try:
        if plan.header.outputs:
            return _places_with_results(plan)
        scratch = [site.scratch.path for site in plan.header.sites.values() if site.scratch]
        return [path for path in scratch if _has_files(path)]
    finally:
        plan.close()


def _places_with_results(plan: PlanFile) -> list[str]:
    """Return the output directories of this machine in which a result is, and those elsewhere to which one goes."""
    from markab.plan.model import Kind
    from markab.transfers.base import is_local, path_of

    places = list(plan.header.outputs.values())
    found: set[str] = set()
    for job in plan.jobs_of(Kind.STAGE_OUT):
        if len(found) == len(places):
            break
        found.update(place for place in places if not is_local(place))
        ends = (end.url for transfer in job.transfers for end in transfer.destinations)
        for path in (path_of(url) for url in ends if is_local(url)):
            above = [place for place in places if place not in found and _is_below(path, place)]
            if above and os.path.exists(path):
                found.update(above)
    return [place for place in places if place in found]


def _is_below(path: str, place: str) -> bool:
    return path.startswith(place.rstrip("/") + "/")


def _has_files(scratch: str) -> bool:
    """Return whether a scratch directory has more than what is Markab's own."""
    from markab.transfers.reserved_names import is_reserved

    try:
        with os.scandir(scratch) as entries:
            return any(not is_reserved(entry.name) for entry in entries)
    except OSError:
        return False
