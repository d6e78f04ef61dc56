"""The sites of a run: those of the catalog, the two that always exist, and their directories."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

from markab.plan.model import DirectoryPlace, local_directory
from markab.planner.draft import Context
from markab.planner.output_map import FIXED_URL, fixed_place
from markab.planner.places import FILE_SERVER, check_reachable, check_writable, directory_place
from markab.spec.model import Directory, FileServer, Site, SiteCatalog


def all_sites(catalog: SiteCatalog, directory: Path) -> dict[str, Site]:
    """Return the sites by name; `local` and `condorpool` exist also without an entry.

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
    return Site(name="condorpool")  # without a style: what is there by convention was not requested


def shared_scratch(site: Site) -> DirectoryPlace | None:
    """Return where the site's shared scratch is; None if it has none."""
    return next((directory_place(site.name, d) for d in site.directories if d.type == "sharedScratch"), None)


def output_place(site: Site, context: Context) -> DirectoryPlace | None:
    """Return where results go at an output site; None after noting that it has no directory for them.

    `--output-dir` means the one output site, and `local` when there are several. Otherwise a mapper
    that gives one place for all comes before the directories of the site.
    """
    options = context.options
    if options.output_dir is not None and (site.name == "local" or options.output_sites == [site.name]):
        return local_directory(site.name, os.path.abspath(options.directory / options.output_dir))
    if (place := fixed_place(site.name, context.properties)) is not None:
        return place
    for directory in site.directories:
        if directory.type in ("sharedStorage", "localStorage"):
            return directory_place(site.name, directory)
    if context.doubts.sites or context.doubts.results:
        return None
    context.problem(
        "no-storage",
        f"output site {site.name!r} has no directory of type 'sharedStorage' or 'localStorage'",
        "add one to sites.yml" + (", or name a directory with --output-dir" if site.name == "local" else ""),
    )
    return None


def check_directories(staging: Iterable[str], context: Context) -> None:
    """Note what is wrong with the directories that the run needs at output sites and staging sites."""
    for name in context.options.output_sites:
        if name not in context.sites:
            unknown_site(name, "named by --output-sites", context)
        elif context.output_map is None and (place := output_place(context.sites[name], context)) is not None:
            is_fixed = place == fixed_place(name, context.properties)
            remedy = f"set {FIXED_URL} to a URL of another scheme" if is_fixed else FILE_SERVER
            check_reachable(place, "output directory", ("put",), context, remedy)
            check_writable(place, "output directory", context)
    for name in staging:
        if (place := shared_scratch(context.sites[name])) is not None:
            check_reachable(place, "scratch directory", ("put", "mkdir"), context)
            check_writable(place, "scratch directory", context)


def unknown_site(name: str, needed_by: str, context: Context) -> None:
    """Note that a site is in no catalog, with the likely name."""
    if context.doubts.sites:
        return
    near = difflib.get_close_matches(name, context.sites, 1)
    known = ", ".join(context.sites)
    context.problem(
        "unknown-site",
        f"site {name!r} is not in the site catalog ({needed_by})",
        f"did you mean {near[0]!r}?" if near else f"known sites: {known}; add it to sites.yml",
    )
