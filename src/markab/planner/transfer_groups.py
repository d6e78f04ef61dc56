"""Grouping transfers into jobs: by staging site and level, one job for at most ten of the jobs they serve.

So a fan-out of 10,000 neither waits for one transfer job nor starts 10,000. The profiles
`stagein.clusters` and `stageout.clusters` say how many there are instead. The jobs are dealt
evenly among them, each with all of its files, so that it waits for as few transfer jobs as can be. The property
`pegasus.transfer.refiner` = Basic gives each job a transfer job of its own; BalancedCluster and Cluster are as said.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

from markab.plan.model import LOCAL, Kind
from markab.planner.draft import Context, Draft
from markab.planner.placement import Placement
from markab.planner.site_executors import executor_of
from markab.spec.transfer_arguments import TransferArguments, transfer_arguments

JOBS_PER_TRANSFER_JOB = 10

REFINER = "pegasus.transfer.refiner"
REFINERS = ("BalancedCluster", "Cluster", "Basic")

PRIORITIES = {
    Kind.STAGE_IN: "pegasus.transfer.stagein.priority",
    Kind.STAGE_INTER: "pegasus.transfer.inter.priority",
    Kind.STAGE_OUT: "pegasus.transfer.stageout.priority",
}
THREADS = {
    Kind.STAGE_IN: "pegasus.transfer.stagein.threads",
    Kind.STAGE_INTER: "pegasus.transfer.inter.threads",
    Kind.STAGE_OUT: "pegasus.transfer.stageout.threads",
}
"""Kind of transfer job → the property."""
REMOTE_SITES = {
    Kind.STAGE_IN: ("pegasus.transfer.stagein.remote.sites",),
    Kind.STAGE_INTER: ("pegasus.transfer.inter.remote.sites",),
    Kind.STAGE_OUT: ("pegasus.transfer.stageout.remote.sites",),
}
ARGUMENTS = "pegasus.transfer.arguments"
LITE_ARGUMENTS = "pegasus.transfer.lite.arguments"

_PRIORITY = {Kind.STAGE_IN: 700, Kind.STAGE_INTER: 700, Kind.STAGE_OUT: 900}
CATEGORY = {
    Kind.STAGE_IN: "stage-in",
    Kind.STAGE_INTER: "stage-inter",
    Kind.STAGE_OUT: "stage-out",
    Kind.REGISTER: "registration",
}


def transfer_groups(draft: Draft, context: Context, direction: Literal["stagein", "stageout"]) -> list[int]:
    """Return, by job, the number of the transfer job that serves it, of those of its staging site and level."""
    groups = [0] * len(draft.placements)
    levels = draft.levels
    is_basic = context.properties.choice(REFINER, REFINERS, REFINERS[0]) == "Basic"
    served: dict[tuple[str, int], list[int]] = defaultdict(list)
    for job, _ in draft.task_jobs():
        served[draft.placements[job].staging, levels[job]].append(job)
    for jobs in served.values():
        asked = max(_requested(draft.placements[job], direction) for job in jobs)
        number = len(jobs) if is_basic else asked or math.ceil(len(jobs) / JOBS_PER_TRANSFER_JOB)
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


def transfer_priority(kind: Kind, context: Context) -> int:
    """Return the priority of the transfer jobs of a kind."""
    return context.properties.integer(PRIORITIES[kind], _PRIORITY[kind])


def transfer_threads(kind: Kind, served: Iterable[int], draft: Draft, context: Context) -> int:
    """Return how many files a transfer job moves at a time; 0: as many as all jobs.

    The most that profiles of the jobs which it serves ask for come before the property.
    """
    asked = max((draft.placements[job].resources.transfer_threads for job in served), default=0)
    return (
        asked or context.properties.integer(THREADS[kind], 0) or given_arguments(context, ARGUMENTS).threads
    )


def given_arguments(context: Context, key: str) -> TransferArguments:
    """Return what a property with arguments for the transfer tool asks for."""
    return transfer_arguments(context.properties.get(key, ""))


def transfer_site(kind: Kind, staging: str, context: Context) -> str:
    """Return the site where a transfer job runs: `local`, or the staging site if the properties say so and its jobs run here."""
    for key in (*REMOTE_SITES[kind], "pegasus.transfer.all.remote.sites", "pegasus.transfer.*.remote.sites"):
        if named := {name.strip() for name in context.properties.get(key, "").split(",")} - {""}:
            is_there = "*" in named or staging in named
            return staging if is_there and executor_of(context.sites[staging]) == LOCAL else "local"
    return "local"


def first_names(draft: Draft, jobs: list[int]) -> str:
    """Return the names of the first three jobs, and the number of the others."""
    shown = ", ".join(draft.name_of(job) for job in jobs[:3])
    return f"{shown} and {len(jobs) - 3} more" if len(jobs) > 3 else shown
