"""What the checks of the linter read: a workflow, its catalogs, where their entries stand, and who makes and reads a file."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from markab.catalogs.loader import Catalogs
from markab.catalogs.replica_index import ReplicaIndex
from markab.errors import DocumentError, StorageError
from markab.lint.finding import shown_file
from markab.lint.task_arguments import words_of
from markab.planner.document_places import DocumentPlaces, SourcePlace, add_catalog_files
from markab.planner.input_documents import read_catalogs, read_properties
from markab.planner.options import PlanOptions
from markab.planner.parent_run import ParentRun
from markab.planner.task_files import inputs_of, outputs_of
from markab.spec.model import (
    Container,
    SiteCatalog,
    Task,
    Transformation,
    TransformationCatalog,
    Use,
    Workflow,
)
from markab.spec.reader import read_with_lines


@dataclass
class Subject:
    """A workflow with all that is known of it before planning."""

    workflow: Workflow
    file: str
    """Its document, as it is shown."""
    line_of: Callable[[object], int]
    places: DocumentPlaces
    directory: Path
    """Where relative paths start."""
    catalogs: Catalogs
    sites: list[str]
    """Where jobs may run, as typed; empty: at the usual sites."""
    parent: ParentRun | None = None
    """Set if it is a sub-workflow: what its parent brings and wants."""
    makers: dict[str, Task] = field(default_factory=dict)
    """Lfn → the task that makes it; checkpoints are left out."""
    readers: dict[str, list[Task]] = field(default_factory=lambda: defaultdict(list))
    uses: dict[str, Use] = field(default_factory=dict)
    """Lfn → its first use."""

    _words: dict[int, list[str] | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for task in self.workflow.jobs:
            for use in outputs_of(task):
                self.uses.setdefault(use.lfn, use)
                if use.type != "checkpoint":
                    self.makers.setdefault(use.lfn, task)
            for use in inputs_of(task):
                self.uses.setdefault(use.lfn, use)
                self.readers[use.lfn].append(task)

    def place(self, item: object) -> SourcePlace:
        """Return where a struct of the workflow stands."""
        return SourcePlace(self.file, self.line_of(item))

    @cached_property
    def transformations(self) -> dict[tuple[str | None, str, str | None], Transformation]:
        """Every entry of the transformation catalogs, by namespace, name and version."""
        return {(t.namespace, t.name, t.version): t for t in self.catalogs.transformations.transformations}

    @property
    def containers(self) -> list[Container]:
        """Every container of the catalogs."""
        return self.catalogs.transformations.containers

    @property
    def replicas(self) -> ReplicaIndex:
        """The replicas of all catalogs."""
        return self.catalogs.replicas

    def transformation_of(self, task: Task) -> Transformation | None:
        """Return the entry of the catalogs that a task runs."""
        return self.transformations.get((task.namespace, task.name or "", task.version))

    def words(self, task: Task) -> list[str] | None:
        """Return the words of a task's arguments; None if they cannot be split, which planning tells."""
        if id(task) not in self._words:
            self._words[id(task)] = words_of(task)
        return self._words[id(task)]

    def use_place(self, task: Task, use: Use) -> SourcePlace:
        """Return where a use stands; that of its task if it is none of the document's own."""
        place = self.place(use)
        return place if place.line else self.place(task)


def read_subject(options: PlanOptions) -> Subject | None:
    """Read the documents; None if the workflow does not have the structure of one.

    Of catalogs that cannot be read there are those inside the workflow only. What is wrong, planning tells.

    Raises:
        StorageError: the workflow cannot be read.
    """
    path = options.directory / options.workflow
    workflow, line_of = read_with_lines(path, Workflow)
    if workflow is None:
        return None
    places = DocumentPlaces(shown_file)
    places.add_workflow(workflow, path, line_of)
    catalogs = _catalogs(options, workflow)
    add_catalog_files(places, catalogs.files, os.environ)
    return Subject(
        workflow,
        shown_file(path),
        line_of,
        places,
        options.directory,
        catalogs,
        options.sites,
        options.parent,
    )


def _catalogs(options: PlanOptions, workflow: Workflow) -> Catalogs:
    try:
        return read_catalogs(options, read_properties(options, []), workflow)
    except (DocumentError, StorageError):
        inline = [workflow.replica_catalog] if workflow.replica_catalog else []
        return Catalogs(
            workflow.site_catalog or SiteCatalog(),
            ReplicaIndex(inline),
            workflow.transformation_catalog or TransformationCatalog(),
            [],
            {},
        )
