"""Which jobs are skipped, because of jobs that failed: no record says so, it follows from the plan. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from markab.journal.lifecycle import WITHOUT_SUCCESS, State
from markab.plan.model import DIVISIBLE, Kind
from markab.plan.plan_file import JobOutline

_WAITS = (State.WAITING, State.READY, State.PAUSED)


def mark_skipped(
    states: bytearray, outline: Sequence[JobOutline], served: Mapping[int, Collection[int]]
) -> None:
    """Make SKIPPED of the waiting jobs that can do nothing without what jobs that failed make.

    A job that serves several others (`DIVISIBLE`) can, as long as one of them has not failed.

    Args:
        states: of every job, in the order of the plan, in which parents stand above their children.
        served: a job that failed → the children that have all they need of it.
    """
    if not any(state in states for state in WITHOUT_SUCCESS):
        return
    for position, job in enumerate(outline):
        if states[position] not in _WAITS:
            continue
        failed = [
            parent
            for parent in job.parents
            if states[parent] in WITHOUT_SUCCESS and position not in served.get(parent, ())
        ]
        if failed and not (_is_divisible(job) and _leaves_something(job, failed, outline)):
            states[position] = State.SKIPPED


def _is_divisible(job: JobOutline) -> bool:
    return job.kind in DIVISIBLE and not job.removes_scratch


def _leaves_something(job: JobOutline, failed: Sequence[int], outline: Sequence[JobOutline]) -> bool:
    makers = [parent for parent in job.parents if outline[parent].kind is not Kind.CREATE_DIR]
    return len(failed) < len(makers) and all(outline[parent].kind is not Kind.CREATE_DIR for parent in failed)
