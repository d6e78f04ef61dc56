"""Which replicas of a file can be used from a staging site, and in which order.

Paths (plain, and `file:` URLs) come first: those of the staging site, then those of the
submit host, else those of the job's own site; then URLs, those of the staging site first. Paths
of other sites count only if there is nothing else. All the others are kept, so
that a transfer goes on to the next when one fails.
"""

from __future__ import annotations

import os
import stat
from enum import IntEnum
from typing import NamedTuple

from markab.planner.draft import Context, RawInput
from markab.planner.placement import Executable
from markab.planner.places import is_supported, local_path
from markab.spec.model import Pfn, Replica
from markab.transfers.base import redact, scheme_of, schemes

UNSUPPORTED_SCHEME = "unsupported-scheme"
"""Kind of the problem that no replica of a file has a scheme that is supported."""


class _Rank(IntEnum):
    """How near a replica is; the nearest is the best."""

    STAGING = 0
    SUBMIT_HOST = 1
    JOB = 2
    URL = 3
    ELSEWHERE = 4


class _Usable(NamedTuple):
    rank: _Rank
    is_elsewhere: bool
    """It is not at the staging site."""
    order: int
    """In the catalog."""
    pfn: Pfn
    size_bytes: int | None


def select_replicas(
    replica: Replica, site: str, staging: str, needed_by: str, context: Context
) -> RawInput | None:
    """Return the usable replicas of a file for jobs at a site; None after noting why there is none.

    A path means this machine: it counts for site `local`, for the staging site,
    and for every site that the catalog does not describe as being elsewhere
    (with a gateway). A path of this machine that does not exist is not a
    replica, which is found while planning, not when the transfer fails. Nor is a URL whose
    scheme is not supported.
    """
    usable, refused = _usable_places(replica, site, staging, context)
    if not usable:
        many = "are" if len(refused) > 1 else "is"
        has_scheme = [local_path(pfn.pfn) is not None or is_supported(pfn.pfn) for pfn in replica.pfns]
        context.problem(
            "missing-input" if any(has_scheme) or not has_scheme else UNSUPPORTED_SCHEME,
            f"file {replica.lfn!r} has no replica that can be used: "
            f"{'; '.join(refused) or 'its entry names no place'} (needed by {needed_by})",
            f"register a copy on this machine, or at a URL of another scheme (these work: {', '.join(schemes())})"
            if any("unsupported" in reason for reason in refused)
            else f"put the file where it {many} registered, or correct the replica catalog",
        )
        return None
    usable.sort(key=lambda each: each[:3])
    checksum = replica.checksum.sha256 if replica.checksum else None
    nearest = _without_far_paths(usable)
    direct = [each.pfn for each in usable if _is_direct(each, site)]
    return RawInput([each.pfn for each in nearest], direct, checksum, nearest[0].size_bytes)


def why_unusable(replica: Replica, context: Context) -> str:
    """Return why the submit host can use no replica of a file; "" if it can use one."""
    usable, refused = _usable_places(replica, "local", "local", context)
    return "" if usable else "; ".join(refused) or "its entry names no place"


def _usable_places(
    replica: Replica, site: str, staging: str, context: Context
) -> tuple[list[_Usable], list[str]]:
    """Return the replicas that can be used, and why the others cannot."""
    usable: list[_Usable] = []
    refused: list[str] = []
    for order, pfn in enumerate(replica.pfns):
        path = local_path(pfn.pfn)
        if path is None and not is_supported(pfn.pfn):
            refused.append(f"{redact(pfn.pfn)} (unsupported URL scheme {scheme_of(pfn.pfn)!r})")
        elif path is None:
            usable.append(_Usable(_Rank.URL, pfn.site != staging, order, pfn, None))
        elif pfn.site not in ("local", staging) and (known := context.sites.get(pfn.site)) and known.grids:
            refused.append(f"{pfn.pfn} (a path on site {pfn.site})")
        else:
            size_or_fault = _size_or_fault(path)
            if isinstance(size_or_fault, str):
                context.trace.saw_nothing(path)
                refused.append(f"{pfn.pfn} ({size_or_fault})")
            else:
                rank = _rank_of_path(pfn.site, site, staging)
                usable.append(_Usable(rank, pfn.site != staging, order, Pfn(pfn.site, path), size_or_fault))
    return usable, refused


def _rank_of_path(at: str, site: str, staging: str) -> _Rank:
    if at == staging:
        return _Rank.STAGING
    if at == "local":
        return _Rank.SUBMIT_HOST
    return _Rank.JOB if at == site else _Rank.ELSEWHERE


def _without_far_paths(usable: list[_Usable]) -> list[_Usable]:
    """Leave out paths that the submit host may not see, where it has nearer replicas; the first is the best."""
    best = usable[0].rank
    if best is _Rank.ELSEWHERE:
        return usable
    far = _Rank.JOB if best < _Rank.JOB else _Rank.ELSEWHERE
    return [each for each in usable if each.rank is _Rank.URL or each.rank < far]


def _is_direct(replica: _Usable, site: str) -> bool:
    """Return whether a job at a site can read a replica itself."""
    return replica.rank is _Rank.URL or replica.pfn.site == site


def select_executables(executable: Executable, site: str, needed_by: str, context: Context) -> RawInput:
    """Return where an executable is had from for jobs at a site; nowhere after noting that no entry can be used.

    The entry that was chosen for the site comes first, then the others of the catalog.
    """
    first = executable.at
    others = [at for at in executable.transformation.sites if at.type == "stageable" and at is not first]
    usable = [Pfn(at.name, local_path(at.pfn) or at.pfn) for at in (first, *others) if is_supported(at.pfn)]
    if not usable:
        context.problem(
            "missing-executable",
            f"unsupported URL scheme {scheme_of(first.pfn)!r}: executable {executable.staged_as!r} "
            f"is registered at {redact(first.pfn)!r} (needed by {needed_by})",
            "register a copy that is on this machine, or at a URL of another scheme",
        )
    direct = [pfn for pfn in usable if pfn.site == site or local_path(pfn.pfn) is None]
    checksum = executable.transformation.checksum
    return RawInput(usable, direct, checksum.sha256 if checksum else None)


def _size_or_fault(path: str) -> int | str:
    """Return the size of a file in bytes, or why it cannot be read."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return "a link to nothing" if os.path.islink(path) else "no such file"
    except OSError as error:
        return str(error.strerror).lower()
    if stat.S_ISDIR(status.st_mode):
        return "a directory"
    if not stat.S_ISREG(status.st_mode):
        return "a device, pipe or socket"
    return status.st_size if os.access(path, os.R_OK) else "not readable"
