"""Which jobs are skipped, because of jobs that failed: no record says so, it follows from the plan. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from markab.journal.lifecycle import WITHOUT_SUCCESS, State
from markab.plan.divisible_job import has_nothing_to_do, is_divisible
from markab.plan.model import Kind
from markab.plan.plan_file import JobOutline

_WAITS = (State.WAITING, State.READY, State.PAUSED)


def mark_skipped(
    states: bytearray, outline: Sequence[JobOutline], served: Mapping[int, Collection[int]]
) -> None:
    """Make SKIPPED of the waiting jobs that can do nothing without what jobs that failed make.

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
        if failed:
            makers = _count_makers(outline, job.parents) if is_divisible(job.kind, job.removes_scratch) else 0
            lacks_directory = _count_makers(outline, failed) < len(failed)
            if has_nothing_to_do(makers, len(failed), lacks_directory=lacks_directory):
                states[position] = State.SKIPPED


def _count_makers(outline: Sequence[JobOutline], jobs: Collection[int]) -> int:
    return sum(outline[job].kind is not Kind.CREATE_DIR for job in jobs)
