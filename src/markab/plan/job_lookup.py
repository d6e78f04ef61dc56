"""Finding the job of a plan that a user names."""

from __future__ import annotations

import shlex

from markab.errors import MarkabError
from markab.plan.job_label import is_called
from markab.plan.model import PlannedJob
from markab.plan.plan_file import PlanFile
from markab.spec.suggestions import nearest

SHOWN = 5


def find_job(plan: PlanFile, name: str) -> int:
    """Return the position of a job named by its id, by the id of a user's task that it runs, or by its only label or transformation.

    Raises:
        MarkabError: there is none, or a label or transformation is that of several; the hint has names.
    """
    if (position := plan.positions.get(name)) is not None:
        return position
    same = _named(plan, name)
    if len(same) == 1:
        return same[0]
    if same:
        raise several_named(name, [plan.outline[position].id for position in same])
    names = {known.partition("_")[2]: known for known in plan.positions}
    names |= dict(zip(plan.positions, plan.positions, strict=True))
    close = list(dict.fromkeys(names[known] for known in nearest(name, names)))
    hint = (
        f"did you mean {' or '.join(close)}?"
        if close
        else f"`markab show {shlex.quote(str(plan.path.parent))}` lists the jobs"
    )
    raise MarkabError(f"the run has no job {name!r}", hint=hint)


def names_a_job(plan: PlanFile, name: str) -> bool:
    """Return whether a name is that of a job or task, or the label or transformation of one or several."""
    return name in plan.positions or bool(_named(plan, name))


def several_named(name: str, ids: list[str]) -> MarkabError:
    """Return the error for a label or transformation of several jobs, with their names."""
    more = f", … ({len(ids):,} in all)" if len(ids) > SHOWN else ""
    return MarkabError(
        f"{name!r} is the label or transformation of several jobs",
        hint=f"name one of them: {', '.join(ids[:SHOWN])}{more}",
    )


def _named(plan: PlanFile, name: str) -> list[int]:
    """Return the position of the job that runs a task of this id, else of all that have this label or transformation."""
    ending = "_" + name.replace("/", "-")
    for known, position in plan.positions.items():
        # The ending alone may be that of a job the planner added: stage_in_local_local_0_0 is not task 0.
        if known.endswith(ending) and any(task.id == name for task in plan.job(position).tasks):
            return [position]
    same = []
    for position, job in enumerate(plan.jobs()):
        if any(task.id == name for task in job.tasks):  # one of a cluster
            return [position]
        if _is_called(job, name):
            same.append(position)
    return same


def _is_called(job: PlannedJob, name: str) -> bool:
    """Return whether a name is the label of a job or one of its tasks, or the transformation of a task."""
    if job.tasks and name and name == job.label:
        return True
    return any(is_called(name, task.node_label, task.transformation) for task in job.tasks)
