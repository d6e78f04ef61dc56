"""Counting the jobs, transfers and bytes of a plan."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from markab.plan.model import BoundedScratch
from markab.planner.draft import Draft


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """A plan in numbers."""

    jobs: dict[str, int]
    """Kind → how many jobs."""
    tasks: int
    left_out: int
    """Tasks that are not planned: no target needs them, or their results exist."""
    transfers: int
    bytes_known: int
    """Bytes of the inputs whose size is known."""
    files_unknown_size: int
    """Files to move whose size is not known yet."""
    deletions: int
    """Files that cleanup removes."""
    reused: int = 0
    """Tasks that are left out, because an earlier run made their outputs of the same."""
    scratch: dict[str, BoundedScratch] = field(default_factory=dict)
    """Staging site → its bound, with the cleanup `constraint`."""

    @property
    def total(self) -> int:
        """All jobs."""
        return sum(self.jobs.values())


def summarise(draft: Draft) -> PlanSummary:
    """Return the numbers of a draft."""
    clusters = [tasks for _, tasks in draft.task_jobs()]
    added = [planned for _, planned in draft.auxiliary_jobs()]
    kinds = Counter("compute" if draft.tasks[tasks[0]].type == "job" else "subworkflow" for tasks in clusters)
    kinds.update(planned.kind.value for planned in added)
    moved = [transfer for planned in added for transfer in planned.transfers]
    return PlanSummary(
        jobs=dict(kinds),
        tasks=(planned := sum(map(len, clusters))),
        left_out=len(draft.tasks) - planned,
        transfers=len(moved),
        bytes_known=sum(transfer.size_bytes or 0 for transfer in moved),
        files_unknown_size=sum(transfer.size_bytes is None for transfer in moved),
        deletions=sum(len(planned.removes) for planned in added),
        reused=len(draft.reused_tasks),
        scratch=draft.bounded,
    )
