"""Check of what jobs request against the largest that the sites say they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from markab.formatting import size
from markab.lint.argument_checks import job_title
from markab.lint.finding import Found
from markab.lint.subject import Subject
from markab.planner.site_directories import default_sites
from markab.spec import units
from markab.spec.model import Site, Task
from markab.spec.profiles import Resources, canonical, merge_profiles, resources

_UNITS = {"cores": "cores", "gpus": "GPUs"}


def too_large_requests(subject: Subject) -> Iterator[Found]:
    """Find jobs that request more of something than every site where they may run says it has."""
    sites = {site.name: site for site in subject.catalogs.sites.sites}
    limits = {name: limits_of(site) for name, site in sites.items()}
    if not any(limits.values()):
        return
    usual = subject.sites or default_sites(subject.catalogs.sites)
    for task in subject.workflow.jobs:
        chosen = canonical(task.profiles).get("selector", {}).get("execution.site")
        names = [name for name in ([chosen] if chosen else usual) if name in sites]
        if names:
            yield from _too_large(subject, task, {name: sites[name] for name in names}, limits)


def _too_large(
    subject: Subject, task: Task, sites: Mapping[str, Site], limits: Mapping[str, Mapping[str, int]]
) -> Iterator[Found]:
    transformation = subject.transformation_of(task)
    own = transformation.profiles if transformation else {}
    requested = {
        name: resources(
            merge_profiles(own, site.profiles, task.profiles, subject.workflow.profiles), task.id, []
        )
        for name, site in sites.items()
    }
    for resource in ("cores", "memory_mb", "disk_mb", "gpus"):
        offered = {name: limits[name].get(resource) for name in sites}
        if all(
            limit is not None and _amount(requested[name], resource) > limit
            for name, limit in offered.items()
        ):
            largest = max(offered, key=lambda name: offered[name] or 0)
            yield Found(
                "request-too-large",
                subject.place(task),
                f"{job_title(task)} requests {_text(resource, _amount(requested[largest], resource))}, and the largest "
                f"site where it may run, {largest!r}, has {_text(resource, offered[largest] or 0)}",
                "request less, or correct what the site catalog says of the site",
            )


def _amount(requested: Resources, resource: str) -> float:
    return float(getattr(requested, resource))


def _text(resource: str, amount: float) -> str:
    if resource.endswith("_mb"):
        what = "memory" if resource == "memory_mb" else "disk"
        return f"{size(int(amount) << 20)} of {what}"
    return f"{amount:,.0f} {_UNITS[resource]}"


def limits_of(site: Site) -> dict[str, int]:
    """Return what a site says it has at most, by field of `Resources`; what it does not say, or not as a number, is left out."""
    profiles = canonical(site.profiles).get("pegasus", {})
    given = [
        ("cores", profiles.get("slots.cores"), ""),
        ("memory_mb", profiles.get("slots.memory"), "MB"),
        ("gpus", profiles.get("slots.gpus"), ""),
        *(("memory_mb", grid.total_mem, "MB") for grid in site.grids),
        *(
            ("disk_mb", directory.total_size, "MB")
            for directory in site.directories
            if directory.type == "sharedScratch"
        ),
    ]
    found: dict[str, int] = {}
    for resource, text, unit in given:
        try:
            number = units.amount_mb(text or "", unit) if unit else units.whole(text or "")
        except ValueError:
            continue
        if number > 0:
            found[resource] = max(number, found.get(resource, 0))
    return found
