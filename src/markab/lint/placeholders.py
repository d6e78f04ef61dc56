"""Checks of paths, addresses and names for values that were never filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markab.lint.finding import Found
from markab.lint.subject import Subject
from markab.planner.document_places import SourcePlace

_PLACEHOLDER = re.compile(
    r"<[^<>/]*>|\b(?:TODO|FIXME|CHANGEME|CHANGE_ME|XXX+|REPLACE_ME|CONTAINER_SITE)\b"
    r"|\b(?i:your)[-_](?:path|site|user|username|name|project|account|allocation|image)\b"
)
_VARIABLE = re.compile(r"\$\{\w+\}|\$\(\w+\)|\{[A-Za-z_]\w*\}|\$[A-Z_]{2,}\b|%\(\w+\)s")


def _texts(subject: Subject) -> Iterator[tuple[str, str, SourcePlace]]:
    """Yield each path, address and name of a site in the catalogs: what it is, the text, and its place."""
    for transformation in subject.transformations.values():
        place = subject.places.of("transformation", transformation.full_name)
        for at in transformation.sites:
            yield f"the pfn of transformation {transformation.full_name!r}", at.pfn, place
            yield f"a site of transformation {transformation.full_name!r}", at.name, place
    for container in subject.containers:
        place = subject.places.of("container", container.name)
        yield f"the image of container {container.name!r}", container.image, place
        yield from ((f"a mount of container {container.name!r}", mount, place) for mount in container.mounts)
    for site in subject.catalogs.sites.sites:
        place = subject.places.of("site", site.name)
        yield "the name of a site", site.name, place
        for directory in site.directories:
            yield f"a directory of site {site.name!r}", directory.path, place
            yield from (
                (f"a file server of site {site.name!r}", server.url, place)
                for server in directory.file_servers
            )
        yield from ((f"a gateway of site {site.name!r}", grid.contact, place) for grid in site.grids)
        yield from _profile_texts(f"of site {site.name!r}", site.profiles, place)
    for lfn in subject.readers:
        if lfn not in subject.makers and (replica := subject.replicas.lookup(lfn)) is not None:
            place = subject.places.of("replica", lfn)
            for pfn in replica.pfns:
                yield f"the pfn of file {lfn!r}", pfn.pfn, place
                yield f"the site of file {lfn!r}", pfn.site, place
    for task in subject.workflow.jobs:
        site_name = task.profiles.get("selector", {}).get("execution.site", "")
        yield f"the site of job {task.id!r}", site_name, subject.place(task)


def _profile_texts(
    owner: str, profiles: dict[str, dict[str, str]], place: SourcePlace
) -> Iterator[tuple[str, str, SourcePlace]]:
    for key in ("project", "queue"):
        yield f"profile pegasus.{key} {owner}", profiles.get("pegasus", {}).get(key, ""), place


def placeholders(subject: Subject) -> Iterator[Found]:
    """Find texts that wait to be replaced, and variables that nothing has put in."""
    for what, text, place in _texts(subject):
        if match := _PLACEHOLDER.search(text):
            yield Found(
                "placeholder",
                place,
                f"{what} still has the placeholder {match[0]!r}: {text!r}",
                "put in its value",
            )
        elif match := _VARIABLE.search(text):
            yield Found(
                "unexpanded-variable",
                place,
                f"{what} has {match[0]!r}, and nothing puts in its value: {text!r}",
                "write ${NAME} in YAML, and set the variable; in Python, a string with {NAME} needs an f before it",
            )
