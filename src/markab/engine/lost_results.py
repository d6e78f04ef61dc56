"""Which jobs must run again, although they succeeded, because files that they made are missing.

A power loss can undo recent writes to scratch, and users remove files. The journal
has every file that a job made, and its size; so when an engine continues a run, it
checks that every file that the remaining jobs read is still there. If one is not,
the job that made it runs again, and so do the jobs that made what that one reads,
if cleanup has removed it since.

Contents are not checked here: that is done before every use, by checksum. A file
whose existence the site cannot determine counts as there, for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from markab.engine.needless_files import Needless
from markab.engine.recovery import Recovery
from markab.errors import MarkabError
from markab.plan.model import Kind, PlannedJob
from markab.plan.plan_file import PlanFile
from markab.transfers.base import handler_for
from markab.transfers.reserved_names import MARKER
from markab.transfers.run_passwords import with_password

IsThere = Callable[[str, str, int | None], bool]
"""(site, path or URL, size in bytes or None for any) → whether such a file exists, as far as the site can determine."""

_NONE: Mapping[int, str] = {}
_NOTHING: Needless = {}

_File = tuple[str, str]
"""Staging site and lfn."""


def is_there(site: str, place: str, size_bytes: int | None) -> bool:
    """Check with the transfer scheme of a place; see `IsThere`."""
    try:
        return handler_for(place).exists(place, size_bytes, site=site) is not False
    except MarkabError:
        return True  # unknown: the job that reads it will report it


def lost_results(
    plan: PlanFile,
    history: Recovery,
    passwords: Mapping[str, str],
    look: IsThere = is_there,
    restored: Mapping[int, str] = _NONE,
    needless: Needless = _NOTHING,
) -> dict[int, str]:
    """Return the jobs that succeeded and must run again: position → why.

    Cleanup runs again after them. Costs a check of the disk, or a request to a server, for every file that an unfinished job reads and a
    finished one made; a plan whose jobs all succeeded costs nothing.

    Args:
        passwords: those of the run's URLs.
        restored: jobs that are to run again because their results are missing: position → path of one.
        needless: what transfer jobs need not move.
    """
    again = {position: _gone(place) for position, place in restored.items()}
    makers: dict[_File, int] = {}
    unfinished = [
        position for position, done in enumerate(history.succeeded) if not done or position in again
    ]
    looked_at: set[_File] = set()
    while unfinished:
        missing: dict[_File, str] = {}
        for position in unfinished:
            for file, place, size_bytes in _needed(
                plan, plan.job(position), history, needless.get(position, ())
            ):
                if file not in looked_at:
                    looked_at.add(file)
                    if not look(file[0], with_password(place, passwords), size_bytes):
                        missing[file] = place
        if not missing:
            break
        makers = makers or dict(_makers(plan, history))
        unfinished = []
        for file, place in missing.items():
            maker = makers.get(file)
            if maker is not None and maker not in again:
                again[maker] = _gone(place)
                unfinished.append(maker)
    again.update(_cleanups_after(again, plan, history))
    return again


def _gone(place: str) -> str:
    return f"{place!r}, which it made, is gone or has another size"


def _cleanups_after(again: Mapping[int, str], plan: PlanFile, history: Recovery) -> Iterator[tuple[int, str]]:
    """Yield the cleanup jobs that succeeded and must remove again what jobs bring back that run again."""
    done = history.succeeded
    for position, job in enumerate(plan.outline) if again else ():
        if job.kind is Kind.CLEANUP and done[position] and not again.keys().isdisjoint(job.parents):
            yield position, "it removes what is made again"


def _needed(
    plan: PlanFile, job: PlannedJob, history: Recovery, needless: Collection[str]
) -> Iterator[tuple[_File, str, int | None]]:
    """Yield the files that a job reads from scratch, of those that succeeded jobs put there.

    The job that removes a scratch directory needs none: made again, it could be left behind.
    """
    if job.removes_scratch:
        return
    name = job.staging or job.site
    site = plan.header.sites.get(name)
    if site is None or site.scratch is None:
        return
    place = site.scratch.file
    if job.kind is not Kind.CREATE_DIR:
        yield (name, MARKER), place(MARKER).url, None
    sizes = history.sizes
    for read in job.inputs:
        if not read.sources and not read.optional and read.lfn in sizes:
            yield (name, read.lfn), place(read.lfn).url, sizes[read.lfn]
    if job.kind in (Kind.STAGE_OUT, Kind.STAGE_INTER):
        for transfer in job.transfers:
            for source in transfer.sources:
                if not transfer.optional and transfer.lfn in sizes and transfer.lfn not in needless:
                    yield (source.site, transfer.lfn), source.url, sizes[transfer.lfn]


def _makers(plan: PlanFile, history: Recovery) -> Iterator[tuple[_File, int]]:
    """Yield each file in a scratch directory with the job that put it there, of those that succeeded."""
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
