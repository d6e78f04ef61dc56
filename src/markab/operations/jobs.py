"""Questions about the jobs of a run. Each function raises as those of `status.py` when the run cannot be read."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from markab.operations.readable_runs import open_run
from markab.operations.run_names import Run, find_run
from markab.operations.tree_jobs import run_of_job

if TYPE_CHECKING:
    from markab.plan.plan_file import PlanFile
    from markab.plan.reused_tasks import ReusedTask
    from markab.reports.job_report import JobStory
    from markab.reports.reused_task import ReusedTaskReport
    from markab.reports.why import JobExplanation


def list_jobs(run: Run = None, states: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return id, label, kind, site, state and number of attempts of every job, or of those in these states.

    Raises:
        MarkabError: there is no such state.
    """
    from markab.errors import MarkabError

    known = job_states()
    for state in states:
        if state not in known:
            raise MarkabError(f"there is no state {state!r}", hint=f"the states are: {', '.join(known)}")
    jobs = open_run(run).jobs()
    return [job for job in jobs if job["state"] in states] if states else jobs


def job_states() -> list[str]:
    """Return the states that a job may have in a report."""
    from markab.reports import job_report

    return job_report.job_states()


def job_names(run: Run = None) -> Iterator[tuple[str, str]]:
    """Yield name and label of every job, in the plan's order; then the tasks that it left out."""
    with closing(_open_plan(run)) as plan:
        for job in plan.jobs():
            yield job.id, job.label
    yield from ((task.task, task.label or "reused") for task in _reused(run))


def parameters_of_run(run: Run = None) -> dict[str, str]:
    """Return the values of the parameters of the script that built a workflow, as text; none for a run of Pegasus."""
    from markab.operations.run_names import find_directory
    from markab.provenance.pegasus_directory import find_pegasus_directory

    if find_pegasus_directory(find_directory(run)):
        return {}
    with closing(_open_plan(run)) as plan:
        return plan.header.parameters


def lfns_of_run(run: Run = None) -> Iterator[tuple[str, str]]:
    """Yield every file that a job makes, and the job."""
    with closing(_open_plan(run)) as plan:
        for job in plan.jobs():
            yield from ((output.lfn, job.id) for output in job.outputs)


def has_job(run: Run, job: str) -> bool:
    """Return whether a run has a job of that name, or one that runs the task of that id, or left that task out."""
    from markab.errors import MarkabError
    from markab.plan.job_lookup import find_job

    try:
        with closing(_open_plan(run)) as plan:
            find_job(plan, job)
    except MarkabError:
        return any(job == task.task or task.is_called(job) for task in _reused(run))
    return True


def show_job(run: Run, job: str) -> JobStory | ReusedTaskReport:
    """Return everything recorded about a job, which is named by its name or by the id of a task that it runs, or about a task that was left out.

    It may be one of a sub-workflow.

    Raises:
        MarkabError: the run has no such job; the hint has similar names.
    """
    from markab.reports.job_report import read_job
    from markab.reports.reused_task import read_reused_task

    place, name = run_of_job(find_run(run), job)
    return read_reused_task(place, name) or read_job(place, name)


def why(run: Run, job: str) -> JobExplanation | ReusedTaskReport:
    """Return why a job is in the plan, what it waited for, and each attempt. Raises as `show_job`."""
    from markab.reports.why import read_why

    return read_why(*run_of_job(find_run(run), job))


def _reused(run: Run) -> Iterator[ReusedTask]:
    """Yield the tasks that the plan of a run left out."""
    from markab.plan.reused_tasks import read_reused_tasks
    from markab.plan.submit_dir import SubmitDir

    return read_reused_tasks(SubmitDir(find_run(run)).reused)


def _open_plan(run: Run) -> PlanFile:
    from markab.plan.plan_file import PlanFile
    from markab.plan.submit_dir import SubmitDir

    return PlanFile(SubmitDir(find_run(run)).plan)
