"""Which jobs must run again, although they succeeded, because files that they made are gone.

A power loss can take back what was written to scratch a moment ago, and people
remove files. The journal remembers what every job made, and how large it was; so
when an engine goes on with a run, it looks whether all that the remaining jobs
read is still there. Where it is not, the job that made it runs again, and so do
the jobs that made what that one reads, if cleanup has removed it since.

Contents are not looked at here: that is done before every use, by checksum.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from markab.engine.recovery import Recovery
from markab.plan.model import Kind, PlannedJob
from markab.plan.plan_file import PlanFile

IsThere = Callable[[str, int | None], bool]
"""(path, size in bytes or None for any) → whether such a file is there."""

MARKER = ".markab"
"""What a create_dir job leaves in the scratch directory."""

_File = tuple[str, str]
"""Staging site and lfn."""


def is_there(path: str, size_bytes: int | None) -> bool:
    """Look at the disk; see `IsThere`."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return size_bytes is None or status.st_size == size_bytes


def lost_results(plan: PlanFile, history: Recovery, look: IsThere = is_there) -> dict[int, str]:
    """Return the jobs that succeeded and must run again: position → why.

    Costs a look at the disk for every file that an unfinished job reads and a
    finished one made; a plan whose jobs all succeeded costs nothing.
    """
    again: dict[int, str] = {}
    makers: dict[_File, int] = {}
    unfinished = [position for position, done in enumerate(history.succeeded) if not done]
    looked_at: set[_File] = set()
    while unfinished:
        missing: dict[_File, str] = {}
        for position in unfinished:
            for file, path, size_bytes in _needed(plan, plan.job(position), history):
                if file not in looked_at:
                    looked_at.add(file)
                    if not look(path, size_bytes):
                        missing[file] = path
        if not missing:
            break
        makers = makers or dict(_makers(plan, history))
        unfinished = []
        for file, path in missing.items():
            maker = makers.get(file)
            if maker is not None and maker not in again:
                again[maker] = f"{path!r}, which it made, is gone or has another size"
                unfinished.append(maker)
    return again


def _needed(plan: PlanFile, job: PlannedJob, history: Recovery) -> Iterator[tuple[_File, str, int | None]]:
    """Yield what a job finds in scratch, as far as jobs that succeeded put it there."""
    site = job.staging or job.site
    scratch = plan.header.sites[site].scratch if site in plan.header.sites else None
    if scratch is None or "://" in scratch:
        return
    if job.kind is not Kind.CREATE_DIR:
        yield (site, MARKER), f"{scratch}/{MARKER}", None
    sizes = history.sizes
    for read in job.inputs:
        if not read.sources and not read.optional and read.lfn in sizes:
            yield (site, read.lfn), f"{scratch}/{read.lfn}", sizes[read.lfn]
    if job.kind in (Kind.STAGE_OUT, Kind.STAGE_INTER):
        for transfer in job.transfers:
            for source in transfer.sources:
                if not transfer.optional and transfer.lfn in sizes and "://" not in source.url:
                    yield (source.site, transfer.lfn), source.url, sizes[transfer.lfn]


def _makers(plan: PlanFile, history: Recovery) -> Iterator[tuple[_File, int]]:
    """Yield who put what into which scratch, of the jobs that succeeded."""
    for position, done in enumerate(history.succeeded):
        if not done:
            continue
        job = plan.job(position)
        site = job.staging or job.site
        if job.kind is Kind.CREATE_DIR:
            yield (site, MARKER), position
        for made in job.outputs:
            yield (site, made.lfn), position
        if job.kind in (Kind.STAGE_IN, Kind.STAGE_INTER):
            for transfer in job.transfers:
                yield (site, transfer.lfn), position
