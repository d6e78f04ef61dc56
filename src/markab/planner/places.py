"""Where the directories of the site catalog are, and whether the submit host can use them."""

from __future__ import annotations

import os

from markab.errors import TransferRefused
from markab.plan.model import DirectoryPlace, local_directory
from markab.planner.draft import Context
from markab.spec.model import Directory
from markab.transfers.base import Scheme, handler_for, path_of, redact, scheme_of, schemes


def directory_place(site: str, directory: Directory) -> DirectoryPlace:
    """Return where a directory of the site catalog is, as its file server for writing says.

    One on the submit host is at the path of the file server's URL, also if `path`
    says otherwise: jobs that run here find it there. Of several file servers for
    writing, the first whose scheme is supported counts. Without one, `path` is a path
    of the submit host.
    """
    urls = [server.url for server in directory.file_servers if server.operation in ("all", "put")]
    if not urls:
        return local_directory(site, directory.path)
    url = next((url for url in urls if is_supported(url)), urls[0])
    path = local_path(url)
    if path is not None:
        return local_directory(site, path)
    return DirectoryPlace(site, directory.path.rstrip("/") or "/", url.rstrip("/"), is_local=False)


FILE_SERVER = "in the site catalog, give this directory a file server of another scheme"
_NO_PLACE = ("moveto", "symlink")
"""Schemes that say how one file gets to its place, and name no directory."""


def check_reachable(
    place: DirectoryPlace, what: str, needed: tuple[str, ...], context: Context, remedy: str = FILE_SERVER
) -> None:
    """Note a problem if the submit host cannot use a directory that is elsewhere.

    Args:
        needed: what it must do there: names of methods of a transfer scheme.
        remedy: where the user names a URL of another scheme; the schemes follow.
    """
    if place.is_local:
        return
    scheme = scheme_of(place.url)
    if scheme == "file":
        why = "the URL names another machine"
    elif scheme not in schemes():
        why = f"unsupported URL scheme {scheme!r}"
    elif missing := [method for method in needed if not _supports(scheme, method)]:
        why = f"URL scheme {scheme!r} cannot {' and '.join(_VERBS[method] for method in missing)}"
    else:
        return
    able = ", ".join(
        name
        for name in schemes()
        if name not in _NO_PLACE and all(_supports(name, method) for method in needed)
    )
    context.problem(
        "unreachable-directory",
        f"{why}: the {what} {place.path!r} of site {place.site!r} is reached by {redact(place.url)!r}",
        f"{remedy} (these work: {able})",
    )


_VERBS = {"put": "write files", "mkdir": "make directories"}


def _supports(scheme: str, method: str) -> bool:
    """Return whether a scheme implements a method, instead of inheriting the one that refuses."""
    return getattr(type(handler_for(f"{scheme}://")), method) is not getattr(Scheme, method)


def check_writable(place: DirectoryPlace, what: str, context: Context) -> None:
    """Note a problem if a directory of this machine can neither be made nor written to."""
    if not place.is_local:
        return
    existing = place.path
    while not os.path.lexists(existing) and existing != os.path.dirname(existing):
        existing = os.path.dirname(existing)
    if not os.path.isdir(existing):
        context.problem(
            "not-writable",
            f"{what} {place.path!r} cannot be made: {existing!r} is not a directory",
            "name another directory, or move the file out of the way",
        )
    elif not os.access(existing, os.W_OK | os.X_OK):
        context.problem(
            "not-writable",
            f"{what} {place.path!r} is not writable: you may not write to {existing!r}",
            "name another directory, or change its permissions",
        )


def local_path(pfn: str) -> str | None:
    """Return the path that a pfn means on this machine; None for other schemes and other hosts.

    Users write `file://` before a path without quoting it: an existing file of that name wins
    over the unquoted one.
    """
    if pfn.startswith("/"):
        return pfn
    if "://" not in pfn:
        return pfn.removeprefix("file:") if pfn.startswith("file:/") else pfn
    scheme, _, rest = pfn.partition("://")
    _, slash, path = rest.partition("/")
    if scheme not in ("file", "symlink"):
        return None
    path = slash + path
    try:
        unquoted = path_of(pfn)
    except TransferRefused:
        return None
    return path if "%" not in path or os.path.exists(path) else unquoted


def is_supported(pfn: str) -> bool:
    """Return whether the scheme of a URL is supported."""
    return scheme_of(pfn) in schemes()
