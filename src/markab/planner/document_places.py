"""Where the entries of documents stand: tasks, files, transformations and sites by their names, with file and line."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from markab.errors import Problem, StorageError
from markab.spec.model import (
    ReplicaCatalog,
    SiteCatalog,
    TransformationCatalog,
    Workflow,
)
from markab.spec.reader import read_with_lines

LineOf = Callable[[object], int]
Catalog = TransformationCatalog | SiteCatalog | ReplicaCatalog

_NAMED = re.compile(r"\b(?:(task|job|transformation|site|file|input|replica|container) )'([^']+)'")
_KINDS = {"job": "task", "input": "file", "replica": "file"}
"""What messages also call a thing → what it is called here."""


class SourcePlace(NamedTuple):
    """A line of a file; 0 if it is not known."""

    file: str = ""
    line: int = 0


class DocumentPlaces:
    """The places of named entries. The first document that has an entry is its place."""

    def __init__(self, shown: Callable[[str], str] = str) -> None:
        """`shown` returns the path of a file as it is to be printed."""
        self._shown = shown
        self._places: dict[tuple[str, str], SourcePlace] = {}

    def of(self, kind: str, name: str) -> SourcePlace:
        """Return where a task, transformation, site, file or container stands."""
        return self._places.get((kind, name), SourcePlace())

    def of_problem(self, problem: Problem) -> SourcePlace:
        """Return the place that a problem has, or else that of the first entry which its message names."""
        if problem.file:
            return SourcePlace(self._shown(problem.file), problem.line)
        for kind, name in _NAMED.findall(problem.message):
            place = self.of(_KINDS.get(kind, kind), name)
            if place.file:
                return place
        return SourcePlace()

    def add_workflow(self, workflow: Workflow, path: Path, line_of: LineOf) -> None:
        """Record the tasks of a workflow, their files, and the catalogs inside it."""
        file = self._shown(str(path))
        for task in workflow.jobs:
            self._places.setdefault(("task", task.id), SourcePlace(file, line_of(task)))
            for use in task.uses:
                self._places.setdefault(("file", use.lfn), SourcePlace(file, line_of(use)))
        for catalog in (workflow.transformation_catalog, workflow.site_catalog, workflow.replica_catalog):
            if catalog is not None:
                self.add_catalog(catalog, path, line_of)

    def add_catalog(self, catalog: Catalog, path: Path, line_of: LineOf) -> None:
        """Record the entries of a catalog."""
        file = self._shown(str(path))
        for kind, name, item in _entries(catalog):
            self._places.setdefault((kind, name), SourcePlace(file, line_of(item)))


def _entries(catalog: Catalog) -> Iterator[tuple[str, str, object]]:
    if isinstance(catalog, TransformationCatalog):
        for transformation in catalog.transformations:
            yield "transformation", transformation.full_name, transformation
        for container in catalog.containers:
            yield "container", container.name, container
    elif isinstance(catalog, SiteCatalog):
        yield from (("site", site.name, site) for site in catalog.sites)
    else:
        yield from (("replica", replica.lfn, replica) for replica in catalog.replicas)


def add_catalog_files(places: DocumentPlaces, files: list[Path], environment: Mapping[str, str]) -> None:
    """Record the entries of the catalogs in YAML among `files`, whichever kind each is."""
    kinds: tuple[type[Catalog], ...] = (TransformationCatalog, SiteCatalog, ReplicaCatalog)
    for path in files:
        for kind in kinds:
            try:
                catalog, line_of = read_with_lines(path, kind, environment)
            except StorageError:
                break
            if catalog is not None and next(_entries(catalog), None) is not None:
                places.add_catalog(catalog, path, line_of)
                break


def placed_problems(problems: Iterable[Problem], workflow: Path, catalogs: list[Path]) -> list[Problem]:
    """Return problems of planning with the places of what they name: structs keep no lines, so passes report none.

    The documents are read once more for this, without what planning adds to them.
    """
    found = list(dict.fromkeys(problems))
    if all(problem.file for problem in found):
        return found
    places = DocumentPlaces()
    with suppress(StorageError):
        document, line_of = read_with_lines(workflow, Workflow)
        if document is not None:
            places.add_workflow(document, workflow, line_of)
    add_catalog_files(places, catalogs, os.environ)
    return [_placed(problem, places.of_problem(problem)) for problem in found]


def _placed(problem: Problem, place: SourcePlace) -> Problem:
    return Problem(problem.message, problem.hint, place.file, place.line, problem.kind)
