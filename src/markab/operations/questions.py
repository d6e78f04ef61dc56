"""Questions about a run: status, jobs, failures, statistics, metadata; nothing here changes one.

Each function raises NotARun when there is no such run, and CorruptPlan,
CorruptJournal or NewerFormat when it cannot be read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from markab.operations.run_names import Run, find_run

if TYPE_CHECKING:
    from markab.diagnosis.failed_attempts import FailedAttempt
    from markab.diagnosis.failure_analysis import Analysis, Analyzer
    from markab.plan.braindump import Braindump
    from markab.reports.job_report import JobStory
    from markab.reports.metadata import Metadata
    from markab.reports.statistics.run_statistics import Statistics
    from markab.reports.status import Status
    from markab.reports.trace import Trace
    from markab.reports.why import JobExplanation


def read_status(run: Run = None) -> Status:
    """Return the progress of a run."""
    from markab.reports import status

    return status.read_status(find_run(run))


def follow(run: Run = None, *, why: bool = False) -> Callable[[], Status]:
    """Return a function that returns the progress of a run; each call reads only the records since the last.

    With `why`, also why jobs wait. The function raises the same errors.
    """
    from markab.journal.run_reader import RunReader
    from markab.reports.status import current_status, quick_status

    reader = RunReader(find_run(run))
    return lambda: current_status(reader, why=True) if why else quick_status(reader)


def read_braindump(run: Run = None) -> Braindump:
    """Return the identity of a run: names, user, arguments of the planner."""
    from markab.plan import braindump
    from markab.plan.submit_dir import SubmitDir

    return braindump.read_braindump(SubmitDir(find_run(run)).braindump)


class RunResult(NamedTuple):
    """The result of a run."""

    status: Status
    failures: list[FailedAttempt]
    """The last attempt of every job that failed."""
    outputs: list[str]
    """The directories to which results are delivered; if there are none, the scratch directories with the results."""


def read_result(run: Run = None) -> RunResult:
    """Return the present result of a run."""
    from markab.diagnosis.failed_attempts import FailedAttempts

    submit_dir = find_run(run)
    failures = FailedAttempts(submit_dir, from_start=True).final()
    return RunResult(read_status(submit_dir), failures, _output_places(submit_dir))


def _output_places(submit_dir: Path) -> list[str]:
    from markab.plan.plan_file import PlanFile
    from markab.plan.submit_dir import SubmitDir

    plan = PlanFile(SubmitDir(submit_dir).plan)
    try:
        kept = [site.scratch for site in plan.header.sites.values() if site.scratch]
        return list(plan.header.outputs.values()) or [place for place in kept if os.path.isdir(place)]
    finally:
        plan.close()


def list_jobs(run: Run = None, states: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return id, kind, site, state and number of attempts of every job, or of those in these states."""
    from markab.reports.job_report import read_jobs

    jobs = read_jobs(find_run(run))
    return [job for job in jobs if job["state"] in states] if states else jobs


def has_job(run: Run, job: str) -> bool:
    """Return whether a run has a job of that name, or one that runs the task of that id."""
    from markab.errors import MarkabError
    from markab.plan.job_lookup import find_job
    from markab.plan.plan_file import PlanFile
    from markab.plan.submit_dir import SubmitDir

    plan = PlanFile(SubmitDir(find_run(run)).plan)
    try:
        find_job(plan, job)
    except MarkabError:
        return False
    finally:
        plan.close()
    return True


def show_job(run: Run, job: str) -> JobStory:
    """Return everything recorded about a job, which is named by its name or by the id of a task that it runs.

    Raises:
        MarkabError: the run has no such job; the hint has similar names.
    """
    from markab.reports.job_report import read_job

    return read_job(find_run(run), job)


def why(run: Run, job: str) -> JobExplanation:
    """Return why a job is in the plan, what it waited for, and each attempt. Raises as `show_job`."""
    from markab.reports.why import read_why

    return read_why(find_run(run), job)


def trace(run: Run, file: str) -> Trace:
    """Return how a file was made; it is named by its logical name, or by the path of a delivered copy.

    Raises:
        MarkabError: the run has no such file.
    """
    from markab.reports.trace import read_trace

    return read_trace(find_run(run), file)


@contextmanager
def analysis(run: Run = None) -> Iterator[tuple[Analyzer, Analysis]]:
    """Yield an open run and the analysis of its failures."""
    from markab.diagnosis.failure_analysis import Analyzer

    analyzer = Analyzer(find_run(run))
    try:
        yield analyzer, analyzer.analyze()
    finally:
        analyzer.close()


def analysis_text(run: Run = None, *, json: bool = False) -> str:
    """Return the failures of a run, as text or as JSON."""
    from markab.reports import analyzer

    return analyzer.report(find_run(run), json=json)


def statistics(run: Run = None, sections: Collection[str] = ()) -> Statistics:
    """Return the statistics of a run: times, bytes, checks, parallelism, and these sections.

    Raises:
        StorageError: the database of the run cannot be read.
    """
    from markab.reports.statistics.run_statistics import read_statistics

    return read_statistics(find_run(run), sections)


def pegasus_statistics(run: Run = None, sections: Collection[str] = ()) -> Statistics:
    """Return the statistics of a run that the files of `pegasus-statistics` need for these sections.

    Raises:
        StorageError: the database of the run cannot be read.
    """
    from markab.reports.statistics.run_statistics import PEGASUS_SECTIONS

    return statistics(
        run, [*sections, *(PEGASUS_SECTIONS[one] for one in sections if one in PEGASUS_SECTIONS)]
    )


def statistics_text(run: Run = None) -> str:
    """Return the statistics of a run as text; the tables are also written into `statistics/` of its submit directory.

    If that directory cannot be written, a note in the text reports it.
    """
    from markab.reports.statistics.report import report

    return report(find_run(run))


def metadata(
    run: Run = None,
    *,
    task: str | None = None,
    file: str | None = None,
    files: bool = False,
    trace: bool = False,
) -> list[Metadata]:
    """Return the metadata of a workflow, of one of its tasks, or of one or all of its files.

    With `trace`, of a file also those of the workflow and of the task that makes it.

    Raises:
        MarkabError: there is no such task or file.
        StorageError: the database of the run cannot be read.
    """
    from markab.provenance.run_database import open_database
    from markab.reports import metadata as report

    with open_database(find_run(run)) as database:
        if task is not None:
            return [report.of_task(database, task)]
        if files:
            return list(report.of_files(database))
        if file is None:
            return [report.of_workflow(database)]
        return list(report.trace_of_file(database, file)) if trace else [report.of_file(database, file)]
