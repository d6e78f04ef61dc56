"""Where the submit directory of a sub-workflow is: inside that of its parent.

    00/00/pegasus-plan_ID1      planned when its job first started
    00/00/pegasus-plan_ID1+3    planned anew for the third attempt, which takes its place

Beside it stands `pegasus-plan_ID1+cache`, the files of the parent that it may read; its outputs in the parent's
scratch are in its plan. No id of a job has a `+`, so that none of these names is that of another job.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from markab.errors import CorruptPlan
from markab.plan.braindump import read_braindump
from markab.plan.model import SUB_WORKFLOWS, Kind
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import PLAN, SubmitDir, job_directory

_MARK = "+"


def child_directory(position: int, job: str, attempt: int = 1) -> str:
    """Return the directory, relative to that of its parent, of a sub-workflow that is planned for an attempt of its job."""
    name = f"{job_directory(position)}/{job}"
    return name if attempt == 1 else f"{name}{_MARK}{attempt}"


def cache_file(directory: str) -> str:
    """Return the path of the file beside a submit directory that says which files of the parent its workflow may read."""
    return f"{directory}{_MARK}cache"


def planned_directory(submit_dir: Path, position: int, job: str, attempts: int) -> str:
    """Return the newest directory of a sub-workflow that has a plan, of those for its first `attempts`; "": none has."""
    for attempt in range(attempts, 0, -1):
        name = child_directory(position, job, attempt)
        if os.path.exists(submit_dir / name / PLAN):
            return name
    return ""


class ChildRun(NamedTuple):
    """A sub-workflow that has a plan."""

    position: int
    """Of its job in the plan of its parent."""
    job: str
    """The name of that."""
    path: Path
    """Its submit directory."""
    is_inside: bool
    """That is in the one of its parent; else it was planned before its parent was, and is a run of its own."""


def child_runs(submit_dir: Path, plan: PlanFile) -> Iterator[ChildRun]:
    """Yield the sub-workflows of a run that have plans, each where it was planned last, in the order of the plan.

    Raises:
        CorruptPlan: one that was planned by itself has this run as a sub-workflow, so that there is no end of them.
    """
    for child in _all_child_runs(submit_dir, plan):
        if not child.is_inside and _leads_to(child.path, submit_dir):
            raise CorruptPlan(
                f"sub-workflow {child.job!r} of {str(submit_dir)!r} leads back to it, by way of {str(child.path)!r}",
                hint="one of them was planned again in the directory of another workflow: plan it elsewhere",
            )
        yield child


def _leads_to(begin: Path, target: Path) -> bool:
    """Return whether a run is another one, or has it below it."""
    seen: set[Path] = set()
    left = [begin.resolve()]
    goal = target.resolve()
    while left:
        path = left.pop()
        if path == goal:
            return True
        if path not in seen:
            seen.add(path)
            with closing(PlanFile(SubmitDir(path).plan)) as plan:
                left += [child.path.resolve() for child in _all_child_runs(path, plan)]
    return False


def _all_child_runs(submit_dir: Path, plan: PlanFile) -> Iterator[ChildRun]:
    if SUB_WORKFLOWS not in plan.header.sites:
        return
    listed: dict[str, dict[str, int]] = {}
    for position, job in plan.positions_of(Kind.SUBWORKFLOW):
        folder = job_directory(position)
        if folder not in listed:
            listed[folder] = _newest_attempts(submit_dir / folder)
        if job.child is not None and job.child.run:
            if os.path.exists(os.path.join(job.child.run, PLAN)):
                yield ChildRun(position, job.id, Path(job.child.run), False)
        elif attempt := listed[folder].get(job.id):
            yield ChildRun(position, job.id, submit_dir / child_directory(position, job.id, attempt), True)


class TreeRun(NamedTuple):
    """A sub-workflow somewhere below a run."""

    path: Path
    """Its submit directory."""
    name: str
    """The names of the jobs on the way to it, with slashes between them."""


def runs_below(submit_dir: Path) -> Iterator[TreeRun]:
    """Yield all sub-workflows below a run that have plans: each before those below it.

    Raises:
        NewerFormat, CorruptPlan: a plan cannot be read.
    """
    with closing(PlanFile(SubmitDir(submit_dir).plan)) as plan:
        found = list(child_runs(submit_dir, plan))
    for child in found:
        yield TreeRun(child.path, child.job)
        for below in runs_below(child.path):
            yield TreeRun(below.path, f"{child.job}/{below.name}")


def _newest_attempts(folder: Path) -> dict[str, int]:
    """Return the attempts for which sub-workflows were planned last, by the names of their jobs."""
    found: dict[str, int] = {}
    for name in os.listdir(folder) if folder.is_dir() else ():
        job, mark, number = name.rpartition(_MARK)
        if not (mark and number.isdigit()):
            job, number = name, "1"
        if int(number) > found.get(job, 0) and os.path.exists(folder / name / PLAN):
            found[job] = int(number)
    return found


def root_directory(directory: SubmitDir) -> Path:
    """Return the submit directory at the root of the tree to which a run belongs; its own if that cannot be found."""
    braindump = read_braindump(directory.braindump)
    root = braindump.get("root_wf_uuid")
    if not root or root == braindump.get("wf_uuid"):
        return directory.path
    for above in list(directory.path.parents)[2::3]:
        if not (above / PLAN).exists():
            break
        if read_braindump(SubmitDir(above).braindump).get("wf_uuid") == root:
            return above
    return directory.path
