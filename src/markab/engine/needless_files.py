"""Which files a transfer job that runs again need not move again: it did before, and nothing that is left to do needs it.

Their sources may be gone by now, and cleanup may have removed the copies: moving them again would
mean to make them again. A job that brings files leaves out those that every remaining reader has had. A job
that delivers results leaves out those that are not made again, if it delivered all of them before files were refreshed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet

from markab.engine.recovery import Recovery
from markab.plan.model import TRANSFERS, Kind
from markab.plan.plan_file import PlanFile

Needless = Mapping[int, AbstractSet[str]]
"""Position of a transfer job → lfns that it need not move."""


def needless_files(plan: PlanFile, history: Recovery) -> Needless:
    """Return them, of the jobs that run again. Costs a look at every job of the plan, and nothing while none does."""
    done, outline = history.succeeded, plan.outline
    again = [
        position
        for position, tries in enumerate(history.attempts)
        if tries and not done[position] and _may_leave_out(outline[position].kind, position, history)
    ]
    if not again:
        return {}
    needed = _read_by_children(plan, done, set(again))
    return {
        position: {file.lfn for file in plan.job(position).transfers if file.lfn in history.sizes}
        - needed[position]
        - {
            made.lfn
            for parent in outline[position].parents
            if not done[parent]
            for made in plan.job(parent).outputs
        }
        for position in again
    }


def _may_leave_out(kind: Kind, position: int, history: Recovery) -> bool:
    return kind in TRANSFERS and (kind is not Kind.STAGE_OUT or position in history.done_before)


def _read_by_children(plan: PlanFile, done: Collection[int], jobs: set[int]) -> dict[int, set[str]]:
    """Return job → lfns that children read or move which have not succeeded."""
    read: dict[int, set[str]] = {position: set() for position in jobs}
    for (position, job), is_done in zip(enumerate(plan.outline), done, strict=True):
        if not is_done and not jobs.isdisjoint(job.parents):
            child = plan.job(position)
            for parent in jobs.intersection(job.parents):
                read[parent].update(file.lfn for file in child.inputs)
                read[parent].update(file.lfn for file in child.transfers)
    return read
