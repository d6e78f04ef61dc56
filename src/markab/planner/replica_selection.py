"""Which replicas of a file can be used from a staging site, and in which order.

Paths (plain, and `file:` URLs) come first: those of the staging site, then those of the
submit host, else those of the job's own site; then URLs, those of the staging site first. Paths
of other sites count only if there is nothing else. All the others are kept, so
that a transfer goes on to the next when one fails. The property `pegasus.selector.replica` can
change the order (`replica_order.py`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from markab.planner.draft import Context, RawInput
from markab.planner.placement import ContainerImage, Executable
from markab.planner.places import is_supported, local_path
from markab.planner.replica_order import SELECTOR, Nearness, UsableReplica
from markab.spec.model import Pfn, Replica
from markab.transfers.base import redact, scheme_of, schemes
from markab.transfers.tree_names import is_tree

UNSUPPORTED_SCHEME = "unsupported-scheme"
"""Kind of the problem that no replica of a file has a scheme that is supported."""


def select_replicas(
    replica: Replica, site: str, staging: str, needed_by: Callable[[], str], context: Context
) -> RawInput | None:
    """Return the usable replicas of a file for jobs at a site; None after noting why there is none.

    A path means this machine: it counts for site `local`, for the staging site,
    and for every site that the catalog does not describe as being elsewhere
    (with a gateway). A path of this machine that does not exist is not a
    replica, which is found while planning, not when the transfer fails. Nor is a URL whose
    scheme is not supported.
    """
    usable, refused = _usable_places(replica, site, staging, context)
    if not usable and context.doubts.files:
        return None
    if not usable:
        has_scheme = [local_path(pfn.pfn) is not None or is_supported(pfn.pfn) for pfn in replica.pfns]
        context.problem(
            "missing-input" if any(has_scheme) or not has_scheme else UNSUPPORTED_SCHEME,
            f"file {replica.lfn!r} has no replica that can be used: "
            f"{'; '.join(refused) or 'its entry names no place'} (needed by {needed_by()})",
            f"register a copy on this machine, or at a URL of another scheme (these work: {', '.join(schemes())})"
            if any("unsupported" in reason for reason in refused)
            else "put the file where it is registered, or correct the replica catalog",
        )
        return None
    ordered = context.replica_order(usable, site)
    if not ordered:
        sites = ", ".join(sorted({each.pfn.site for each in usable}))
        context.problem(
            "missing-input",
            f"file {replica.lfn!r} has replicas only at sites that jobs at {site!r} ignore: {sites} "
            f"(needed by {needed_by()})",
            f"correct {SELECTOR}.*.ignore.stagein.sites, or register a copy at another site",
        )
        return None
    checksum = replica.checksum.sha256 if replica.checksum else None
    nearest = _without_far_paths(ordered)
    direct = [each.pfn for each in ordered if _is_direct(each, site)]
    return RawInput([each.pfn for each in nearest], direct, checksum, nearest[0].size_bytes)


def why_unusable(replica: Replica, context: Context) -> str:
    """Return why the submit host can use no replica of a file; "" if it can use one."""
    usable, refused = _usable_places(replica, "local", "local", context)
    return "" if usable else "; ".join(refused) or "its entry names no place"


def _usable_places(
    replica: Replica, site: str, staging: str, context: Context
) -> tuple[list[UsableReplica], list[str]]:
    """Return the replicas that can be used, and why the others cannot."""
    usable: list[UsableReplica] = []
    refused: list[str] = []
    is_directory = replica.lfn.endswith("/")
    for order, pfn in enumerate(replica.pfns):
        path = local_path(pfn.pfn)
        if path is None and is_directory:
            refused.append(f"{redact(pfn.pfn)} (a directory must be on this machine)")
            continue
        if path is None and not is_supported(pfn.pfn):
            refused.append(f"{redact(pfn.pfn)} (unsupported URL scheme {scheme_of(pfn.pfn)!r})")
        elif path is None:
            usable.append(UsableReplica(Nearness.URL, pfn.site != staging, order, pfn, None))
        elif pfn.site not in ("local", staging) and (known := context.sites.get(pfn.site)) and known.grids:
            refused.append(f"{pfn.pfn} (a path on site {pfn.site})")
        else:
            if (size_or_fault := context.file_sizes.get(path)) is None:
                size_or_fault = _no_directory(path) if is_directory else _size_or_fault(path)
                if size_or_fault is not None:
                    context.file_sizes[path] = size_or_fault
            if isinstance(size_or_fault, str):
                context.trace.saw_nothing(path)
                refused.append(f"{pfn.pfn} ({size_or_fault})")
            else:
                nearness = _nearness_of_path(pfn.site, site, staging)
                found = pfn if path == pfn.pfn else Pfn(pfn.site, path)
                usable.append(UsableReplica(nearness, pfn.site != staging, order, found, size_or_fault))
    return usable, refused


def _nearness_of_path(at: str, site: str, staging: str) -> Nearness:
    if at == staging:
        return Nearness.STAGING
    if at == "local":
        return Nearness.SUBMIT_HOST
    return Nearness.JOB if at == site else Nearness.ELSEWHERE


def _without_far_paths(usable: list[UsableReplica]) -> list[UsableReplica]:
    """Leave out paths that the submit host may not see, where it has nearer replicas."""
    if len(usable) == 1:
        return usable
    best = min(each.nearness for each in usable)
    if best is Nearness.ELSEWHERE:
        return usable
    far = Nearness.JOB if best < Nearness.JOB else Nearness.ELSEWHERE
    return [each for each in usable if each.nearness is Nearness.URL or each.nearness < far]


def _is_direct(replica: UsableReplica, site: str) -> bool:
    """Return whether a job at a site can read a replica itself."""
    return replica.nearness is Nearness.URL or replica.pfn.site == site


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


def select_image(image: ContainerImage, site: str, needed_by: str, context: Context) -> RawInput:
    """Return where an image is had from for jobs at a site; nowhere after noting that it cannot be had."""
    container = image.container
    at, path = container.image_site or "local", local_path(container.image)
    sha256 = container.checksum.sha256 if container.checksum else None
    title = f"the image of container {container.name!r}"
    if path is None and not is_supported(container.image):
        context.problem(
            "bad-image",
            f"unsupported URL scheme {scheme_of(container.image)!r}: {title} is at {redact(container.image)!r} "
            f"(needed by {needed_by})",
            "put a copy on this machine, or at a URL of another scheme",
        )
        return RawInput([], [], sha256)
    if path is None:
        place = Pfn(at, container.image)
        return RawInput([place], [] if image.is_pulled else [place], sha256)
    if not os.path.isfile(path) or not os.access(path, os.R_OK):
        context.trace.saw_nothing(path)
        what = "there is no such file" if not os.path.exists(path) else "that is no file which you may read"
        context.problem(
            "missing-image",
            f"{title} is at {path!r}, and {what} (needed by {needed_by})",
            "correct `image` in the transformation catalog"
            + (f"; `docker save NAME -o {path}` writes one" if container.type == "docker" else ""),
        )
        return RawInput([], [], sha256)
    place = Pfn(at, path)
    return RawInput([place], [place] if at == site else [], sha256, os.path.getsize(path))


def _no_directory(path: str) -> str | None:
    """Return why a directory, or one that a run packed, cannot be read; nothing is known of its size."""
    if is_tree(path):
        return fault if isinstance(fault := _size_or_fault(path), str) else None
    if not os.path.isdir(path):
        return "not a directory" if os.path.lexists(path) else "no such directory"
    return None if os.access(path, os.R_OK | os.X_OK) else "not readable"


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
