"""What is left of a workflow that has errors: without the jobs, uses of files and dependencies that are wrong. Pure.

With it the planner looks for further errors. What is left passes the checks of `workflow_checks.py`.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import NamedTuple, TypeVar

import msgspec

from markab.spec.model import Dependency, Task, Workflow
from markab.spec.workflow_checks import MAKES, wrong_parts

T = TypeVar("T")

_NAME = "workflow"


class SoundParts(NamedTuple):
    """What is left, and what it lacks."""

    workflow: Workflow
    makers: frozenset[str]
    """Lfns that a job makes in an entry which is left out."""
    has_all_jobs: bool
    has_all_dependencies: bool


def sound_parts(workflow: Workflow, *, absolute_lfns: bool = False) -> SoundParts:
    """Return what is left of a workflow; of its inline catalogs, those in which nothing is wrong."""
    wrong = {id(part) for part in wrong_parts(workflow, absolute_lfns)}
    jobs: list[Task] = []
    lost: set[str] = set()
    for task in workflow.jobs:
        is_wrong = id(task) in wrong
        dropped = [use for use in task.uses if is_wrong or id(use) in wrong]
        lost.update(use.lfn for use in dropped if use.type in MAKES)
        if is_wrong:
            lost.update(stream for stream in (task.stdout, task.stderr) if stream)
        elif dropped:
            kept = [use for use in task.uses if id(use) not in wrong]
            jobs.append(msgspec.structs.replace(task, uses=kept))
        else:
            jobs.append(task)
    ids = {task.id for task in jobs}
    dependencies = [_between(ids, each) for each in workflow.job_dependencies if each.id in ids]
    left = msgspec.structs.replace(
        workflow,
        name=_NAME if id(workflow) in wrong else workflow.name,
        jobs=jobs,
        job_dependencies=dependencies,
        site_catalog=_unless_in(wrong, workflow.site_catalog),
        replica_catalog=_unless_in(wrong, workflow.replica_catalog),
        transformation_catalog=_unless_in(wrong, workflow.transformation_catalog),
    )
    return SoundParts(
        left,
        frozenset(lost),
        len(jobs) == len(workflow.jobs),
        dependencies == workflow.job_dependencies,
    )


def _between(ids: AbstractSet[str], dependency: Dependency) -> Dependency:
    """Return a dependency without the children that are not there, and without its own job."""
    children = [child for child in dependency.children if child in ids and child != dependency.id]
    return Dependency(dependency.id, children)


def _unless_in(wrong: AbstractSet[int], catalog: T | None) -> T | None:
    return None if id(catalog) in wrong else catalog
