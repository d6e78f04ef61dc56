"""Grouping transfers into jobs: by staging site and level, one job for at most ten of the jobs they serve.

So a fan-out of 10,000 neither waits for one transfer job nor starts 10,000. The profiles
`stagein.clusters` and `stageout.clusters` say how many there are instead. The jobs are dealt
evenly among them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Literal

from markab.plan.model import Kind
from markab.planner.draft import Draft
from markab.planner.placement import Placement

JOBS_PER_TRANSFER_JOB = 10

PRIORITY = {Kind.STAGE_IN: 700, Kind.STAGE_INTER: 700, Kind.STAGE_OUT: 900}
CATEGORY = {
    Kind.STAGE_IN: "stage-in",
    Kind.STAGE_INTER: "stage-inter",
    Kind.STAGE_OUT: "stage-out",
    Kind.REGISTER: "registration",
}


def transfer_groups(draft: Draft, direction: Literal["stagein", "stageout"]) -> list[int]:
    """Return, by job, the number of the transfer job that serves it, of those of its staging site and level."""
    groups = [0] * len(draft.placements)
    levels = draft.levels
    served: dict[tuple[str, int], list[int]] = defaultdict(list)
    for job, _ in draft.task_jobs():
        served[draft.placements[job].staging, levels[job]].append(job)
    for jobs in served.values():
        asked = max(_requested(draft.placements[job], direction) for job in jobs)
        number = asked or math.ceil(len(jobs) / JOBS_PER_TRANSFER_JOB)
        for place, job in enumerate(jobs):
            groups[job] = place % number
    return groups


def _requested(placement: Placement, direction: str) -> int:
    """Return how many transfer jobs the profiles of a job ask for; 0 if they do not."""
    requested = placement.resources.transfer_jobs
    if not requested:
        return 0
    where = "local" if placement.staging == "local" else "remote"
    return requested.get(f"{direction}.{where}.clusters") or requested.get(f"{direction}.clusters", 0)


def first_names(draft: Draft, jobs: list[int]) -> str:
    """Return the names of the first three jobs, and the number of the others."""
    shown = ", ".join(draft.name_of(job) for job in jobs[:3])
    return f"{shown} and {len(jobs) - 3} more" if len(jobs) > 3 else shown
