"""Directories among the files of tasks: from here on they have the names under which they are packed."""

from __future__ import annotations

from collections.abc import Iterable

from markab.planner.draft import Context
from markab.planner.site_directories import output_place
from markab.spec.model import Workflow
from markab.transfers.base import is_local, redact
from markab.transfers.tree_names import declared_name, is_tree, stored_name


def name_directories(workflow: Workflow) -> None:
    """Give each use of a directory (`results/`) the name of the packed file (`results.markab-tree`).

    So the passes, the engine and the worker move and remove one file; replica catalogs, output maps and output sites
    have the directory itself.
    """
    for task in workflow.jobs:
        for use in task.uses:
            if use.lfn.endswith("/"):
                use.lfn = stored_name(use.lfn)


def check_delivered_directories(results: Iterable[str], context: Context) -> None:
    """Note directories that would have to be unpacked on another machine."""
    trees = sorted(filter(is_tree, results))
    for lfn in trees if context.options.output_sites else ():
        for url in _places(lfn, context):
            if not is_local(url):
                context.problem(
                    "directory-elsewhere",
                    f"directory {declared_name(lfn)!r} cannot be delivered to {redact(url)!r}: it is not on this machine",
                    "deliver it to a directory of this machine, or let the task pack it into one file",
                )


def _places(lfn: str, context: Context) -> Iterable[str]:
    if context.output_map is not None:
        return [place.url for place in context.output_map.places(lfn)]
    sites = [context.sites[name] for name in context.options.output_sites if name in context.sites]
    return [place.url for site in sites if (place := output_place(site, context)) is not None]
