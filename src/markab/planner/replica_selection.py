"""Which replicas of a file can be used from a staging site, and in which order.

Pegasus' default order: replicas that need no transfer service (plain paths and
`file:` URLs) first, then those at the preferred site, then the rest. All that
can be used are kept, so that a transfer goes on to the next when one fails.
"""

from __future__ import annotations

import os
import stat

from markab.planner.draft import Context, RawInput
from markab.planner.placement import Executable
from markab.planner.places import is_supported, local_path
from markab.spec.model import Pfn, Replica
from markab.transfers.base import redact, scheme_of, schemes

UNSUPPORTED_SCHEME = "unsupported-scheme"
"""Kind of the problem that no replica of a file has a scheme that is supported."""


def select_replicas(replica: Replica, site: str, needed_by: str, context: Context) -> RawInput | None:
    """Return the usable replicas of a file for jobs with staging site `site`; None after noting why there is none.

    A path means this machine: it counts for site `local`, for the staging site,
    and for every site that the catalog does not describe as being elsewhere
    (with a gateway). A path of this machine that does not exist is not a
    replica, which is found while planning, not when the transfer fails. Nor is a URL whose
    scheme is not supported.
    """
    usable: list[tuple[tuple[bool, bool, int], Pfn, int | None]] = []
    refused: list[str] = []
    for order, pfn in enumerate(replica.pfns):
        path = local_path(pfn.pfn)
        if path is None and not is_supported(pfn.pfn):
            refused.append(f"{redact(pfn.pfn)} (unsupported URL scheme {scheme_of(pfn.pfn)!r})")
        elif path is None:
            usable.append(((True, pfn.site != site, order), pfn, None))
        elif pfn.site not in ("local", site) and (known := context.sites.get(pfn.site)) and known.grids:
            refused.append(f"{pfn.pfn} (a path on site {pfn.site})")
        else:
            size_or_fault = _size_or_fault(path)
            if isinstance(size_or_fault, str):
                refused.append(f"{pfn.pfn} ({size_or_fault})")
            else:
                usable.append(((False, pfn.site != site, order), Pfn(pfn.site, path), size_or_fault))
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
    usable.sort(key=lambda ranked: ranked[0])
    checksum = replica.checksum.sha256 if replica.checksum else None
    return RawInput([pfn for _, pfn, _ in usable], checksum, usable[0][2])


def stageable_places(executable: Executable, needed_by: str, context: Context) -> list[Pfn]:
    """Return the places of an executable to stage; empty after noting that no entry can be used.

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
    return usable


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
