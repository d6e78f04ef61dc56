"""Where and how a job runs: site, staging site, the programs of its tasks, resources.

A job that runs several tasks runs them in one directory, one after the other if nothing else
is said (`job_aggregator.py`). So it needs the most that one of them needs of what is given back
(cores, memory, GPUs), and the sum of what adds up (disk, time).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markab.plan.model import BatchRequest, DataConfiguration, TaskContainer
from markab.planner.batch_requests import merge_requests
from markab.spec.container_checks import registry_reference
from markab.spec.model import Container, Transformation, TransformationSite
from markab.spec.profiles import Resources


@dataclass(frozen=True, slots=True)
class Executable:
    """One entry of the transformation catalog, as found for a site."""

    transformation: Transformation
    at: TransformationSite
    staged_as: str | None
    """Lfn under which it is staged. None: it is installed at the site."""
    container: Container | None = None


@dataclass(frozen=True, slots=True)
class ContainerImage:
    """The image of a container, as an input of the jobs that use it: staged once a run."""

    container: Container
    lfn: str

    @property
    def is_pulled(self) -> bool:
        """It comes from a registry: by a job of its own."""
        return registry_reference(self.container.image) is not None

    @property
    def bypass(self) -> bool:
        """It goes straight to the jobs, where it can; what is pulled cannot, as it is pulled once a run."""
        return self.container.bypass and not self.is_pulled


class TaskLauncher(NamedTuple):
    """A program that starts that of a task."""

    executable: str
    """Absolute path."""
    arguments: str
    """Before the command line of the task."""


@dataclass(frozen=True, slots=True)
class Program:
    """What one task runs; shared by all tasks that are alike."""

    executable: Executable
    requires: tuple[Executable, ...]
    """Executables that it needs and that are staged."""
    profiles: dict[str, dict[str, str]]
    launcher: TaskLauncher | None = None
    container: TaskContainer | None = None
    image: ContainerImage | None = None
    """That of the container, if it is staged."""


class TaskNeeds(NamedTuple):
    """What a task takes of its cluster, and its rank among those that are ready."""

    cores: int = 1
    memory_mb: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Aggregation:
    """How the tasks of a cluster are run."""

    keep_going: bool = False
    """A task that fails keeps only those from running that come after it."""
    needs: tuple[TaskNeeds, ...] = ()
    """By task, if several run at once."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how a job runs; shared by all jobs that are alike."""

    site: str
    staging: str
    data: DataConfiguration
    programs: tuple[Program, ...]
    """One for each task of the job, in the order of its tasks."""
    resources: Resources
    bypass: bool
    """Inputs go straight to the job where they can."""
    staged: tuple[Executable, ...]
    """Every executable that is staged, each once."""
    images: tuple[ContainerImage, ...] = ()
    """Every image of a container that is staged, each once."""
    aggregation: Aggregation | None = None
    """How the tasks are run; of a cluster only."""
    links: bool = True
    """Inputs may be links where links are made."""
    own_images: frozenset[str] = frozenset()
    """Lfns of images of containers that are files of the workflow."""
    batch: BatchRequest | None = None
    """What it asks of the batch system of its site."""


def staged_executables(programs: Sequence[Program]) -> tuple[Executable, ...]:
    """Return the executables to stage for these programs, each name once."""
    by_name: dict[str, Executable] = {}
    for program in programs:
        for executable in (program.executable, *program.requires):
            if executable.staged_as is not None:
                by_name.setdefault(executable.staged_as, executable)
    return tuple(by_name.values())


def staged_images(programs: Sequence[Program]) -> tuple[ContainerImage, ...]:
    """Return the images to stage for these programs, each once."""
    return tuple({program.image.lfn: program.image for program in programs if program.image}.values())


def own_images(programs: Sequence[Program]) -> frozenset[str]:
    """Return the lfns of images that are files of the workflow."""
    found = [program for program in programs if program.container and program.image is None]
    return frozenset(one.container.image for one in found if one.container and one.container.is_staged)


def merge_placements(placements: Sequence[Placement], programs: Sequence[Program]) -> Placement:
    """Return the placement of a job that runs the tasks of several; `programs` in the order of its tasks.

    Raises:
        ValueError: they differ in site, staging site or data configuration (a bug of the pass that merges).
    """
    first = placements[0]
    where = {(placement.site, placement.staging, placement.data) for placement in placements}
    if len(where) > 1:
        raise ValueError(f"jobs at different places cannot be merged: {sorted(where)}")
    return Placement(
        first.site,
        first.staging,
        first.data,
        tuple(programs),
        merge_resources([placement.resources for placement in placements]),
        all(placement.bypass for placement in placements),
        staged_executables(programs),
        staged_images(programs),
        links=all(placement.links for placement in placements),
        own_images=own_images(programs),
        batch=merge_requests([placement.batch for placement in placements]),
    )


def merge_resources(each: Sequence[Resources]) -> Resources:
    """Return what a job needs that runs tasks with these resources one after the other.

    Cores, memory, GPUs, threads, retries and priority: the greatest. Disk: the sum. Run time
    and its limit: the sum, or not given if one of them is not given. Checkpoints are
    asked for as early as any task wants. The category is kept if all have the same.
    Messages: all of them.
    """
    categories = {one.category for one in each}
    return Resources(
        cores=max(one.cores for one in each),
        memory_mb=max(one.memory_mb for one in each),
        disk_mb=sum(one.disk_mb for one in each),
        gpus=max(one.gpus for one in each),
        runtime_s=_sum_if_all([one.runtime_s for one in each]),
        checkpoint_s=min((one.checkpoint_s for one in each if one.checkpoint_s), default=0.0),
        max_wall_s=_sum_if_all([one.max_wall_s for one in each]),
        retries=max((one.retries for one in each if one.retries is not None), default=None),
        priority=max((one.priority for one in each if one.priority is not None), default=None),
        category=categories.pop() if len(categories) == 1 else None,
        transfer_jobs={key: number for one in each for key, number in one.transfer_jobs.items()},
        transfer_threads=max(one.transfer_threads for one in each),
        own_transfer_threads=max(one.own_transfer_threads for one in each),
        success_messages=list(dict.fromkeys(text for one in each for text in one.success_messages)),
        failure_messages=list(dict.fromkeys(text for one in each for text in one.failure_messages)),
    )


def _sum_if_all(seconds: Sequence[float]) -> float:
    return sum(seconds) if all(seconds) else 0.0
