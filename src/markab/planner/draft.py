"""The plan while it is being made: one graph that the passes add to.

Nodes 0 … n-1 are the user's tasks, in the order of the document. Nodes from n on
are chores: jobs that passes add (transfers, directories, cleanup). Everything
about a node is a list entry at its number; edges are lists of parent numbers.
Compute jobs are made of their task, last of all (`assemble.py`), so that a
million of them never exist twice.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from markab.catalogs.replica_index import ReplicaIndex
from markab.errors import Problem
from markab.plan.model import DataConfiguration, Integrity, PlannedJob
from markab.planner.options import PlanOptions
from markab.spec.model import (
    Container,
    Pfn,
    Profiles,
    Site,
    Task,
    Transformation,
    TransformationSite,
    Workflow,
    transformation_name,
)
from markab.spec.profiles import Resources
from markab.spec.properties import Properties

Cleanup = Literal["none", "leaf", "inplace"]

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, how much of it is done, and of how much (None: not known)."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the plan has, or lacks, a job; for `--explain`."""

    job: str
    by: str
    """Name of the pass."""
    what: str
    """"added", "removed", "placed", …"""
    why: str


@dataclass(frozen=True, slots=True)
class Executable:
    """One entry of the transformation catalog, as found for a site."""

    transformation: Transformation
    at: TransformationSite
    staged_as: str | None
    """Lfn under which it is brought along. None: it is installed at the site."""
    container: Container | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how the tasks of one transformation run at one site; shared by all tasks that are alike."""

    site: str
    staging: str
    data: DataConfiguration
    executable: Executable
    requires: tuple[Executable, ...]
    """Executables that are brought along."""
    profiles: dict[str, dict[str, str]]
    resources: Resources
    bypass: bool
    """Inputs go straight to the job where they can."""


@dataclass(slots=True)
class Context:
    """What the passes may look at, and never change."""

    options: PlanOptions
    properties: Properties
    sites: dict[str, Site]
    default_sites: list[str]
    """Where jobs may run if the user names no site."""
    replicas: ReplicaIndex
    transformations: dict[tuple[str | None, str, str | None], Transformation]
    containers: dict[str, Container]
    integrity: Integrity
    retries: int
    transfer_attempts: int
    progress: Progress
    documents: list[Path] = field(default_factory=list)
    """The catalogs that were read."""
    problems: list[Problem] = field(default_factory=list)
    """What is wrong; passes add to it and go on, so that all is reported at once."""
    warnings: list[Problem] = field(default_factory=list)
    workflow_profiles: Profiles = field(default_factory=dict)
    """Profiles at the top of the workflow: weaker than a task's own."""
    prefix: str = ""
    """Job prefix, as asked for with --job-prefix."""
    links: bool = False
    """Inputs on this machine may be linked to instead of copied."""
    cleanup: Cleanup = "inplace"
    dry_run: bool = False

    def problem(self, kind: str, message: str, hint: str = "") -> None:
        """Note a reason why there can be no plan."""
        self.problems.append(Problem(message, hint, kind=kind))

    def name_of(self, transformation: Transformation) -> str:
        """Return `namespace::name:version`."""
        return transformation_name(transformation.namespace, transformation.name, transformation.version)

    def not_yet(self, kind: str, message: str, hint: str) -> None:
        """Note what this version cannot run: a problem, but a dry run only warns of it."""
        (self.warn if self.dry_run else self.problem)(kind, message, hint)

    def warn(self, kind: str, message: str, hint: str = "") -> None:
        """Note something the user should know and that stops nothing."""
        self.warnings.append(Problem(message, hint, kind=kind))


@dataclass(slots=True)
class RawInput:
    """A file that no job of the workflow makes: where it can be had, best first."""

    places: list[Pfn]
    sha256: str | None = None
    size_bytes: int | None = None


@dataclass(slots=True)
class Draft:
    """The graph; see the module."""

    workflow: Workflow
    tasks: list[Task]
    parents: list[list[int]]
    """By node."""
    chores: list[PlannedJob] = field(default_factory=list)
    """Node n + k is `chores[k]`; its `parents` are filled in last."""
    levels: list[int] = field(default_factory=list)
    """By task: its depth in the user's graph."""
    producer: dict[str, int] = field(default_factory=dict)
    """Lfn → task that makes it."""
    placements: list[Placement] = field(default_factory=list)
    """By task."""
    raw: dict[str, RawInput] = field(default_factory=dict)
    """Lfn → where it is, of every file and executable that has to be brought in."""
    bypassed: set[tuple[int, str]] = field(default_factory=set)
    """(task, lfn) of inputs that skip the staging site."""
    absent: set[str] = field(default_factory=set)
    """Lfns of optional inputs that nobody has."""
    scratch: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    """Staging site → lfn → nodes that make, read or move this file in its scratch."""
    results: set[str] = field(default_factory=set)
    """Lfns that the user wants: outputs that are to be delivered."""
    reasons: list[Reason] = field(default_factory=list)
    chooser: random.Random = field(default_factory=random.Random)

    def touches(self, site: str, lfn: str, node: int) -> None:
        """Note that a node makes, reads or moves a file in the scratch of a site."""
        self.scratch.setdefault(site, {}).setdefault(lfn, []).append(node)

    def add_chore(self, chore: PlannedJob, parents: Sequence[int]) -> int:
        """Add a job, and return its node number."""
        self.chores.append(chore)
        self.parents.append(list(parents))
        return len(self.parents) - 1

    def node_name(self, node: int) -> str:
        """Return what a person calls a node: its task id, or the chore's job id."""
        return self.tasks[node].id if node < len(self.tasks) else self.chores[node - len(self.tasks)].id
