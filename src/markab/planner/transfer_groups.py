"""Grouping transfers into jobs: by staging site and level, one job for about ten of the jobs they serve.

So a fan-out of 10,000 neither waits for one transfer job nor starts 10,000.
"""

from __future__ import annotations

from collections import defaultdict

from markab.plan.model import Kind
from markab.planner.draft import Draft

JOBS_PER_TRANSFER_JOB = 10

PRIORITY = {Kind.STAGE_IN: 700, Kind.STAGE_INTER: 700, Kind.STAGE_OUT: 900, Kind.REGISTER: 900}
CATEGORY = {
    Kind.STAGE_IN: "stage-in",
    Kind.STAGE_INTER: "stage-inter",
    Kind.STAGE_OUT: "stage-out",
    Kind.REGISTER: "registration",
}


def transfer_groups(draft: Draft) -> list[int]:
    """Return, by job, the number of the transfer job that serves it, of those of its staging site and level."""
    groups = [0] * len(draft.placements)
    levels = draft.levels
    counted: dict[tuple[str, int], int] = defaultdict(int)
    for job, _ in draft.task_jobs():
        key = draft.placements[job].staging, levels[job]
        groups[job] = counted[key] // JOBS_PER_TRANSFER_JOB
        counted[key] += 1
    return groups


def first_names(draft: Draft, jobs: list[int]) -> str:
    """Return the names of the first three jobs, and the number of the others."""
    shown = ", ".join(draft.name_of(job) for job in jobs[:3])
    return f"{shown} and {len(jobs) - 3} more" if len(jobs) > 3 else shown
