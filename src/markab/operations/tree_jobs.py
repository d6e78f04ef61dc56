"""Finding a job or a file in a run or in its sub-workflows: who names one need not say in which of them it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from markab.errors import MarkabError

Found = TypeVar("Found")


def run_of_job(submit_dir: Path, job: str) -> tuple[Path, str]:
    """Return the submit directory of the run that has a job, and its name there; the given ones if none has it.

    A job of a sub-workflow may be named with the jobs on the way to it: `pegasus-plan_inner/fit_3`.
    """
    from markab.plan.child_directory import runs_below

    if _has_job(submit_dir, job):
        return submit_dir, job
    for below in runs_below(submit_dir):
        name = job.removeprefix(f"{below.name}/")
        if _has_job(below.path, name):
            return below.path, name
    return submit_dir, job


def in_first_run(submit_dir: Path, read: Callable[[Path], Found]) -> Found:
    """Return what is read of a run, or of the first of its sub-workflows of which it can be read.

    Raises:
        MarkabError: of none of them; the error is that of the run itself.
    """
    from markab.plan.child_directory import runs_below

    try:
        return read(submit_dir)
    except MarkabError as error:
        for below in runs_below(submit_dir):
            try:
                return read(below.path)
            except MarkabError:
                continue
        raise error


def _has_job(submit_dir: Path, job: str) -> bool:
    from markab.plan.job_lookup import find_job
    from markab.plan.plan_file import PlanFile
    from markab.plan.reused_tasks import read_reused_tasks
    from markab.plan.submit_dir import SubmitDir

    place = SubmitDir(submit_dir)
    try:
        with closing(PlanFile(place.plan)) as plan:
            find_job(plan, job)
    except MarkabError:
        return any(task.task == job or task.is_called(job) for task in read_reused_tasks(place.reused))
    return True
