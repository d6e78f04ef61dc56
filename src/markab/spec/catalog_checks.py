"""Checks of the three catalogs beyond their schema."""

from __future__ import annotations

import re
from collections.abc import Callable

from markab.errors import Problem
from markab.formatting import count
from markab.spec.container_checks import check_containers
from markab.spec.lfn import lfn_fault
from markab.spec.model import (
    Checksum,
    Replica,
    ReplicaCatalog,
    SiteCatalog,
    TransformationCatalog,
)
from markab.spec.suggestions import did_you_mean
from markab.transfers.base import redact

Lines = Callable[[object], int]

GROUP = re.compile(r"\[([0-9]{1,9})\]")
"""Stands in a place, for what a group of the regular expression matched."""
_SHA256 = re.compile(r"[0-9a-fA-F]{64}\Z")
_URL = re.compile(r"[A-Za-z][-A-Za-z0-9+.]*:/")
_SCHEME = re.compile(r"[A-Za-z][-A-Za-z0-9+.]*://")
_NAMED_GROUP = re.compile(r"\(\?<(?=[A-Za-z])")
_ARCHES = ("x86", "x86_64", "ppc", "ppc_64", "ppc64le", "ia64", "sparcv7", "sparcv9", "amd64", "aarch64")
_SYSTEMS = ("linux", "sunos", "aix", "macosx", "windows")


def is_place(pfn: str) -> bool:
    """Return whether `pfn` is a URL or an absolute path."""
    return pfn.startswith("/") or _URL.match(pfn) is not None


def java_pattern(text: str) -> re.Pattern[str]:
    """Compile a regular expression in Java's syntax, as far as Python has the same.

    Raises:
        re.error: it is not a regular expression.
    """
    return re.compile(_NAMED_GROUP.sub("(?P<", text))


def check_replicas(
    catalog: ReplicaCatalog, file: str = "", line_of: Lines = lambda item: 0, absolute_lfns: bool = False
) -> list[Problem]:
    """Return what is wrong with a replica catalog."""
    problems: list[Problem] = []

    def problem(item: object, message: str, hint: str, kind: str) -> None:
        problems.append(Problem(message, hint, file, line_of(item), kind))

    for replica in catalog.replicas:
        if replica.regex:
            try:
                groups = java_pattern(replica.lfn).groups
            except re.error as error:
                hint = "write a regular expression; a dot that means a dot is '\\.'"
                problem(replica, f"{replica.lfn!r} is not a regular expression: {error}", hint, "bad-regex")
            else:
                _check_groups(replica, groups, problem)
        elif fault := lfn_fault(replica.lfn, absolute_lfns):
            problem(replica, f"the file name {replica.lfn!r} {fault[0]}", fault[1], "bad-lfn")
        if not replica.pfns:
            hint = "add `pfns: [{site: local, pfn: /where/it/is}]`"
            problem(replica, f"replica {replica.lfn!r} has no place", hint, "no-pfn")
        for place in replica.pfns:
            if not is_place(place.pfn):
                hint = "write the absolute path, such as ${PWD}/" + place.pfn
                message = f"replica {replica.lfn!r} is at {place.pfn!r}, which is neither a URL nor an absolute path"
                problem(place, message, hint, "relative-path")
        _check_checksum(replica.checksum, f"replica {replica.lfn!r}", replica, problem)
    problems += _disagreeing_checksums(catalog.replicas, file, line_of)
    return problems


def _check_groups(replica: Replica, groups: int, problem: Callable[[object, str, str, str], None]) -> None:
    """Report places with a group that the regular expression does not have."""
    for place in replica.pfns:
        for number in GROUP.findall(place.pfn):
            if int(number) > groups:
                message = f"replica {replica.lfn!r} is at {redact(place.pfn)!r}, and has no group [{number}]"
                hint = (
                    f"the expression has {count(groups, 'group')} between parentheses; [0] is the whole name"
                )
                problem(place, message, hint, "bad-regex")


def _disagreeing_checksums(replicas: list[Replica], file: str, line_of: Lines) -> list[Problem]:
    first: dict[str, Replica] = {}
    problems = []
    for replica in replicas:
        if replica.regex or not replica.checksum or not replica.checksum.sha256:
            continue
        other = first.setdefault(replica.lfn, replica)
        assert other.checksum and other.checksum.sha256
        if other.checksum.sha256.lower() != replica.checksum.sha256.lower():
            message = f"two entries for {replica.lfn!r} have different checksums"
            hint = "all places of a file must have the same content; remove the wrong entry"
            problems.append(Problem(message, hint, file, line_of(replica), "checksums-disagree"))
    return problems


def check_sites(catalog: SiteCatalog, file: str = "", line_of: Lines = lambda item: 0) -> list[Problem]:
    """Return what is wrong with a site catalog."""
    problems: list[Problem] = []

    def problem(item: object, message: str, hint: str, kind: str) -> None:
        problems.append(Problem(message, hint, file, line_of(item), kind))

    names: set[str] = set()
    for site in catalog.sites:
        if site.name in names:
            problem(site, f"two sites are named {site.name!r}", "join the two entries", "duplicate-site")
        names.add(site.name)
        if not site.name or "/" in site.name:
            hint = "use letters, digits, '-', '_' and '.'"
            problem(site, f"{site.name!r} cannot be the name of a site", hint, "bad-name")
        _check_platform(site.arch, site.os_type, f"site {site.name!r}", site, problem)
        for directory in site.directories:
            label = f"{directory.type} directory of site {site.name!r}"
            if not directory.path.startswith("/"):
                hint = "write the absolute path, such as ${PWD}/" + directory.path
                message = f"the path {directory.path!r} of the {label} is not absolute"
                problem(directory, message, hint, "relative-path")
            if not directory.file_servers:
                hint = f"add `fileServers: [{{url: 'file://{directory.path}', operation: all}}]`"
                problem(directory, f"the {label} has no file server", hint, "no-file-server")
            for server in directory.file_servers:
                if not _SCHEME.match(server.url):
                    hint = (
                        f"write 'file://{server.url}'"
                        if server.url.startswith("/")
                        else "write scheme://host/path"
                    )
                    message = f"the file server {server.url!r} of the {label} is not a URL"
                    problem(server, message, hint, "bad-url")
    return problems


def check_transformations(
    catalog: TransformationCatalog, file: str = "", line_of: Lines = lambda item: 0
) -> list[Problem]:
    """Return what is wrong with a transformation catalog."""
    problems: list[Problem] = []

    def problem(item: object, message: str, hint: str, kind: str) -> None:
        problems.append(Problem(message, hint, file, line_of(item), kind))

    check_containers(catalog.containers, problem)
    for container in catalog.containers:
        _check_checksum(container.checksum, f"container {container.name!r}", container, problem)

    places: set[tuple[str, str]] = set()
    for transformation in catalog.transformations:
        name = transformation.full_name
        _check_checksum(transformation.checksum, f"transformation {name!r}", transformation, problem)
        if not transformation.name:
            problem(transformation, "a transformation has an empty name", "give it a name", "bad-name")
        for site in transformation.sites:
            label = f"transformation {name!r} at site {site.name!r}"
            if (name, site.name) in places:
                problem(
                    site, f"{label} is given twice", "keep one of the two entries", "duplicate-transformation"
                )
            places.add((name, site.name))
            if not is_place(site.pfn):
                hint = "write the absolute path, such as ${PWD}/" + site.pfn
                message = f"{label} is at {site.pfn!r}, which is neither a URL nor an absolute path"
                problem(site, message, hint, "relative-path")
            _check_platform(site.arch, site.os_type, label, site, problem)
    return problems


def check_references(catalog: TransformationCatalog, file: str = "") -> list[Problem]:
    """Return the references in a complete transformation catalog to entries that it does not have."""
    problems = []
    containers = {container.name for container in catalog.containers}
    names = {t.full_name for t in catalog.transformations}
    for transformation in catalog.transformations:
        name = transformation.full_name
        for required in transformation.requires:
            if required not in names:
                hint = did_you_mean(required, names, f"add a transformation {required!r}")
                message = f"transformation {name!r} requires {required!r}, which is not in the catalog"
                problems.append(Problem(message, hint, file, kind="unknown-transformation"))
        for site in transformation.sites:
            if site.container is not None and site.container not in containers:
                hint = did_you_mean(site.container, containers, "add it to the list 'containers'")
                message = (
                    f"transformation {name!r} at site {site.name!r} names the container {site.container!r}, "
                    "which is not in the catalog"
                )
                problems.append(Problem(message, hint, file, kind="unknown-container"))
    return problems


def _check_checksum(
    checksum: Checksum | None, label: str, item: object, problem: Callable[[object, str, str, str], None]
) -> None:
    if checksum and checksum.sha256 is not None and not _SHA256.match(checksum.sha256):
        message = f"the sha256 {checksum.sha256!r} of {label} is not 64 hexadecimal digits"
        problem(item, message, "copy what `sha256sum` prints", "bad-checksum")


def _check_platform(
    arch: str | None,
    system: str | None,
    label: str,
    item: object,
    problem: Callable[[object, str, str, str], None],
) -> None:
    for key, value, known in (("arch", arch, _ARCHES), ("os.type", system, _SYSTEMS)):
        if value is not None and value not in known:
            message = f"{key} of {label} is {value!r}; it must be one of {', '.join(known)}"
            problem(item, message, did_you_mean(value, known), "wrong-value")
