"""Which jobs use given files, and what depends on them. Pure.

A job is affected if it reads, moves or registers one of the files or a file that an affected
job makes, or if the workflow says that it follows a job with tasks that is affected. Jobs that only
share a stage-in job with an affected one are not. A cleanup job is affected if it removes
files of an affected job, so that what is made again is removed again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from markab.plan.model import Input, Kind, PlannedJob, Transfer

WITH_TASKS = frozenset({Kind.COMPUTE, Kind.SUBWORKFLOW})


def affected_jobs(jobs: Iterable[PlannedJob], lfns: Collection[str]) -> list[int]:
    """Return the positions of affected jobs, ascending; `jobs` are those of a plan, parents before children."""
    changed = set(lfns)
    affected: set[int] = set()
    with_tasks: set[int] = set()
    for position, job in enumerate(jobs):
        if job.kind in WITH_TASKS:
            if not (with_tasks.isdisjoint(job.parents) and changed.isdisjoint(_used(job))):
                changed.update(made.lfn for made in job.outputs)
                affected.add(position)
                with_tasks.add(position)
        elif job.kind is Kind.CLEANUP:
            if not affected.isdisjoint(job.parents):
                affected.add(position)
        elif not changed.isdisjoint(_used(job)):
            affected.add(position)
    return sorted(affected)


def readers_of(jobs: Iterable[PlannedJob], lfns: Collection[str]) -> list[str]:
    """Return the ids of the jobs with tasks that read any of the files."""
    wanted = set(lfns)
    return [job.id for job in jobs if job.kind in WITH_TASKS and not wanted.isdisjoint(_used(job))]


def checkpoints_of(jobs: Iterable[PlannedJob]) -> list[str]:
    """Return the checkpoints that jobs write."""
    return [made.lfn for job in jobs for made in job.outputs if made.checkpoint]


def checksums_of_catalog(jobs: Iterable[PlannedJob]) -> Iterator[tuple[str, str]]:
    """Yield the lfn and sha256 of files from outside of which the replica catalog had a checksum when planning."""
    for job in jobs:
        files: tuple[Input | Transfer, ...] = (*job.inputs, *job.transfers)
        for file in files:
            if file.sha256:
                yield file.lfn, file.sha256


def _used(job: PlannedJob) -> Iterator[str]:
    yield from (file.lfn for file in job.inputs)
    yield from (file.lfn for file in job.transfers)
    yield from (file.lfn for file in job.registrations)
