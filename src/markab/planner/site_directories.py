"""The sites of a run: those of the catalog, the two that are always there, and their directories."""

from __future__ import annotations

import os
from pathlib import Path

from markab.planner.draft import Context
from markab.planner.executables import local_path
from markab.spec.model import Directory, FileServer, Site, SiteCatalog


def all_sites(catalog: SiteCatalog, directory: Path) -> dict[str, Site]:
    """Return the sites by name; `local` and `condorpool` exist without being described.

    `local`, the submit host, then works in `wf-scratch` and delivers to
    `wf-output` below `directory`. An entry of the catalog replaces it whole.
    """
    sites = {"local": _local(directory), "condorpool": _condorpool()}
    sites.update((site.name, site) for site in catalog.sites)
    return sites


def default_sites(catalog: SiteCatalog) -> list[str]:
    """Return where jobs may run if the user names no site: the catalog's sites but `local`, else `condorpool`."""
    return [site.name for site in catalog.sites if site.name != "local"] or ["condorpool"]


def _local(directory: Path) -> Site:
    def at(kind: str, name: str) -> Directory:
        path = str(directory / name)
        return Directory(
            type="sharedScratch" if kind == "scratch" else "localStorage",
            path=path,
            file_servers=[FileServer(url=f"file://{path}", operation="all")],
        )

    return Site(name="local", directories=[at("scratch", "wf-scratch"), at("output", "wf-output")])


def _condorpool() -> Site:
    return Site(
        name="condorpool", profiles={"pegasus": {"style": "condor"}, "condor": {"universe": "vanilla"}}
    )


def scratch_place(site: Site) -> str | None:
    """Return the site's shared scratch as a path on this machine or a URL; None if it has none."""
    return next((_place(d, "put") for d in site.directories if d.type == "sharedScratch"), None)


def output_place(site: Site, context: Context) -> str | None:
    """Return where results go at an output site; None after noting that it has no place for them.

    `--output-dir` means the one output site, and `local` when there are several.
    """
    options = context.options
    if options.output_dir is not None and (site.name == "local" or options.output_sites == [site.name]):
        return os.path.abspath(options.directory / options.output_dir)
    for directory in site.directories:
        if directory.type in ("sharedStorage", "localStorage"):
            return _place(directory, "put")
    context.problem(
        "no-storage",
        f"output site {site.name!r} has no directory of type 'sharedStorage' or 'localStorage'",
        "add one to sites.yml" + (", or name a directory with --output-dir" if site.name == "local" else ""),
    )
    return None


def _place(directory: Directory, operation: str) -> str:
    for server in directory.file_servers:
        if server.operation in ("all", operation):
            return (local_path(server.url) or server.url).rstrip("/") or "/"
    return directory.path.rstrip("/") or "/"


def check_writable(place: str, what: str, context: Context) -> None:
    """Note a problem if a directory of this machine can neither be made nor written to."""
    if "://" in place:
        return
    existing = place
    while not os.path.lexists(existing) and existing != os.path.dirname(existing):
        existing = os.path.dirname(existing)
    if not os.path.isdir(existing):
        context.problem(
            "not-writable",
            f"{what} {place!r} cannot be made: {existing!r} is not a directory",
            "name another directory, or move the file out of the way",
        )
    elif not os.access(existing, os.W_OK | os.X_OK):
        context.problem(
            "not-writable",
            f"{what} {place!r} is not writable: you may not write to {existing!r}",
            "name another directory, or change its permissions",
        )
