"""Reading site catalogs in XML, as Pegasus 4 wrote them (version 4), into today's structs.

The root `<sitecatalog version="4.0">` holds `site`, each with `directory` (and in it `file-server`), `grid`
and `profile`. `replica-catalog` and `metadata` of a site have no counterpart, and are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markab.errors import Problem
from markab.spec.careful_reader import Lines
from markab.spec.dax3_elements import ElementReader, element_shape
from markab.spec.model import Directory, FileServer, Grid, Site, SiteCatalog
from markab.spec.xml_elements import Element, NotXmlError, read_elements

_SHAPES = {
    "sitecatalog": element_shape("version", "schemaLocation"),
    "site": element_shape(
        "handle", "arch os osrelease osversion glibc", "directory grid profile metadata replica-catalog"
    ),
    "directory": element_shape("type path", "free-size total-size", "file-server"),
    "file-server": element_shape("operation url", "protocol mount-point", "profile"),
    "grid": element_shape(
        "type contact scheduler",
        "jobtype idle-nodes total-nodes jobs-in-queue running-jobs free-mem total-mem max-count max-cpu-time "
        "free-cpus total-cpus",
    ),
    "profile": element_shape("namespace key", text=True),
}
_DIRECTORIES: dict[str, Any] = {
    "shared-scratch": "sharedScratch",
    "shared-storage": "sharedStorage",
    "local-scratch": "localScratch",
    "local-storage": "localStorage",
}
_GRID_NUMBERS = (
    ("jobtype", "jobtype"),
    ("free_mem", "free-mem"),
    ("total_mem", "total-mem"),
    ("max_count", "max-count"),
    ("max_cpu_time", "max-cpu-time"),
    ("running_jobs", "running-jobs"),
    ("jobs_in_queue", "jobs-in-queue"),
    ("idle_nodes", "idle-nodes"),
    ("total_nodes", "total-nodes"),
)
"""Key of a grid, and its attribute."""


def read_site_xml(
    data: bytes, name: str, environment: Mapping[str, str]
) -> tuple[SiteCatalog | None, list[Problem], Lines]:
    """Return a site catalog, its problems, and the lines of its structs; without a catalog there is a problem."""
    reader = _SiteReader(name, environment)
    try:
        read_elements(data, name, reader.root, reader.part)
    except NotXmlError as error:
        return None, [*reader.problems, *error.args], reader.lines
    return SiteCatalog(reader.sites), reader.problems, reader.lines


class _SiteReader(ElementReader):
    """Collects the sites of one catalog."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        super().__init__(name, environment, _SHAPES)
        self.sites: list[Site] = []

    def root(self, element: Element) -> None:
        """Read the root; a document of another kind is not read further."""
        version = element.attributes.get("version", "")
        if element.name != "sitecatalog":
            message = f"the document is a <{element.name}>; a site catalog in XML is a <sitecatalog>"
            hint = "check which file is passed as which document"
            raise NotXmlError(Problem(message, hint, self.name, element.line, "other"))
        if version.partition(".")[0] != "4":
            message = f"unsupported site catalog version {version!r}: only version 4 can be read"
            hint = "write it as YAML, for example with the Python API"
            raise NotXmlError(Problem(message, hint, self.name, element.line, "wrong-version"))
        self.is_known(element)

    def part(self, element: Element) -> None:
        """Read a site."""
        if element.name != "site":
            self.unknown(element, Element("sitecatalog", {}, 0), ("site",))
        elif self.is_known(element):
            self.sites.append(self.site(element))

    def site(self, element: Element) -> Site:
        """Return a site."""
        system = self.find(element, "os")
        found = Site(
            self.get(element, "handle"),
            self.find(element, "arch"),
            system.lower() if system else None,
            self.find(element, "osrelease"),
            self.find(element, "osversion"),
            [one for part in self.each(element, "directory") if (one := self.directory(part))],
            [self.grid(part) for part in self.each(element, "grid")],
            self.profiles(element),
        )
        return self.at(element, found)

    def directory(self, element: Element) -> Directory | None:
        """Return a directory; None if its type is wrong."""
        kind = self.choice(element, "type", list(_DIRECTORIES))
        if kind is None:
            return None
        servers = [one for part in self.each(element, "file-server") if (one := self.server(part))]
        found = Directory(
            _DIRECTORIES[kind],
            self.get(element, "path"),
            kind.startswith("shared"),
            self.find(element, "free-size"),
            self.find(element, "total-size"),
            servers,
        )
        return self.at(element, found)

    def server(self, element: Element) -> FileServer | None:
        """Return a file server; None if its operation is wrong."""
        operation: Any = self.choice(element, "operation", ("all", "get", "put"))
        if operation is None:
            return None
        url = self.get(element, "url") + (self.find(element, "mount-point") or "")
        found = FileServer(url, operation, self.profiles(element))
        return self.at(element, found)

    def grid(self, element: Element) -> Grid:
        """Return a gateway."""
        more = {key: value for key, name in _GRID_NUMBERS if (value := self.find(element, name)) is not None}
        scheduler = self.get(element, "scheduler").lower()
        return Grid(self.get(element, "type"), self.get(element, "contact"), scheduler, **more)
