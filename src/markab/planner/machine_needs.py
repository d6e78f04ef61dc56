"""What the jobs of a plan need of the submit host, and which of it a machine lacks."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from markab.errors import Problem
from markab.formatting import size
from markab.plan.machine_texts import MORE_GPUS_HINT, RUNS_ALONE, cores_text, gpus_text, memory_text
from markab.plan.model import LOCAL
from markab.planner.draft import Context, Draft
from markab.planner.site_directories import shared_scratch
from markab.planner.site_executors import executor_of
from markab.spec.units import MOST

TOO_FEW_GPUS, TOO_SMALL, TOO_LITTLE_DISK = "too-few-gpus", "machine-too-small", "too-little-disk"
"""Kinds of warnings. The engine refuses a run for the first, and warns of the second."""


class Need(NamedTuple):
    """What a job needs of the submit host."""

    cores: int
    memory_mb: int
    gpus: int
    disk_mb: int


class Needs(NamedTuple):
    """What the jobs of a plan need of the submit host."""

    jobs: Mapping[Need, int]
    """What jobs need → how many jobs need that, those of the first job first."""
    examples: Mapping[Need, str]
    """→ the name of the first of these jobs, quoted, with its label."""
    scratch: tuple[str, ...]
    """The directories of the submit host in which they work."""


NO_NEEDS = Needs({}, {}, ())


def needs_of(draft: Draft, context: Context) -> Needs:
    """Return what the jobs need that run on the submit host."""
    local = {name for name, site in context.sites.items() if executor_of(site) == LOCAL}
    alike: Counter[int] = Counter()
    first: dict[int, int] = {}
    for job, _ in draft.task_jobs():  # jobs share placements: only these are looked at
        key = id(draft.placements[job])
        alike[key] += 1
        first.setdefault(key, job)
    jobs: Counter[Need] = Counter()
    examples: dict[Need, str] = {}
    staging = set()
    for key, job in first.items():
        placement = draft.placements[job]
        if placement.site in local:
            resources = placement.resources
            need = Need(resources.cores, resources.memory_mb, resources.gpus, resources.disk_mb)
            jobs[need] += alike[key]
            examples.setdefault(need, draft.title_of(job))
            staging.add(placement.staging)
    places = [shared_scratch(context.sites[name]) for name in sorted(staging)]
    return Needs(jobs, examples, tuple(place.path for place in places if place and place.is_local))


def free_disk_mb(directories: Iterable[str]) -> int:
    """Return the least room that there is where these directories are, or will be; a very large number if that is unknown."""
    free = []
    for path in directories:
        while not os.path.isdir(path) and path != os.path.dirname(path):
            path = os.path.dirname(path)
        try:
            status = os.statvfs(path)
        except OSError:
            continue
        free.append(status.f_bavail * status.f_frsize >> 20)
    return min(free, default=MOST)


def lacks(needs: Needs, machine: Need) -> Iterator[Problem]:
    """Yield a warning for each resource of which a job needs more than the machine has, once for all such jobs.

    Args:
        machine: what jobs may use of it; what is unknown is very large.
    """
    for resource, have, kind, follows, hint in _resources(needs, machine):
        position = Need._fields.index(resource)
        over = [need for need in needs.jobs if need[position] > machine[position]]
        if over:
            largest = max(over, key=lambda need: need[position])
            jobs = sum(needs.jobs[need] for need in over)
            amount = _amount(resource, largest[position])
            which = f"job {needs.examples[largest]} needs {amount}"
            if jobs > 1:
                which = f"{jobs:,} jobs need more than there is, up to {amount} ({needs.examples[largest]})"
            yield Problem(f"{which}, and this machine has {have}: {follows}", hint, kind=kind)


def _resources(needs: Needs, machine: Need) -> tuple[tuple[str, str, str, str, str], ...]:
    """Return of each resource: its name, what the machine has, the kind of the warning, what follows, and a hint."""
    return (
        (
            "gpus",
            gpus_text(machine.gpus),
            TOO_FEW_GPUS,
            "a run here is refused",
            MORE_GPUS_HINT,
        ),
        (
            "cores",
            cores_text(machine.cores),
            TOO_SMALL,
            RUNS_ALONE,
            "if jobs may use more, plan with `--cores N`; else request less (profile pegasus.cores or condor.request_cpus)",
        ),
        (
            "memory_mb",
            memory_text(machine.memory_mb),
            TOO_SMALL,
            RUNS_ALONE,
            "if jobs may use more, plan with `--memory SIZE`; "
            "else request less (profile pegasus.memory or condor.request_memory)",
        ),
        (
            "disk_mb",
            f"{size(machine.disk_mb << 20)} of free disk below {', '.join(needs.scratch)}",
            TOO_LITTLE_DISK,
            "the disk may become full",
            "make room, or give the site a sharedScratch on another disk in sites.yml",
        ),
    )


def _amount(resource: str, number: int) -> str:
    if resource == "disk_mb":
        return f"{size(number << 20)} of disk"
    return {"memory_mb": memory_text, "gpus": gpus_text, "cores": cores_text}[resource](number)
