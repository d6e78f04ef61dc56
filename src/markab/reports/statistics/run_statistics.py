"""Statistics of a run: counts by outcome, times, bytes moved and checksums.

Read from the database of the run, at any time: before the start, while it runs,
after a failure, after it was continued. All attempts count, and the last one of
a job decides its outcome.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import text

from markab.journal.history import History
from markab.journal.progress import ScratchUse, read_progress
from markab.journal.records import Undone
from markab.journal.run_reader import STATES, RunReader
from markab.journal.run_times import RunTimes
from markab.journal.search import records_of
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import SubmitDir
from markab.provenance import queries
from markab.provenance.run_database import Database
from markab.reports.statistics.time_use import TimeUse, read_time_use

SECTIONS = ("workflow", "jobs", "transformations", "time", "integrity")
"""Sections that can be read besides the summary."""
PEGASUS_SECTIONS = {"transformations": "breakdown", "time": "attempt-hours"}
"""Section → the section that Pegasus' files need in addition."""
SHORT_SECTIONS = tuple(section for section in SECTIONS if section != "jobs")
"""Sections whose length does not grow with the number of jobs."""


class Integrity(msgspec.Struct, frozen=True):
    """Checksums compared and computed, and their errors."""

    counts: list[queries.IntegrityCount]
    errors: int
    """Checksums that did not match, all attempts."""
    failed_jobs: int
    """Jobs that failed, and whose last attempt had such an error."""


class MemberStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What the sections of Pegasus' files have of one workflow of a tree."""

    uuid: str
    name: str
    restarts: int
    summary: queries.Summary
    jobs: list[queries.JobRow]
    breakdown: list[queries.Breakdown]
    integrity: list[queries.IntegrityCount]


class Statistics(msgspec.Struct, kw_only=True):
    """The statistics of a run. A section that was not requested is None."""

    workflow: str
    uuid: str
    submit_dir: str
    state: str
    """`Not started`, `Running`, `Success`, `Failure`, `Halted` …, or `Stopped` when its engine was killed."""
    run: queries.RunState
    summary: queries.Summary
    times: RunTimes
    """Elapsed, active and job time, as every report has them."""
    wall_times: queries.WallTimes
    time_use: TimeUse
    moved: list[queries.TransferTotals] | None
    """None: not recorded."""
    integrity: Integrity
    notes: list[str]
    transformations: list[queries.TransformationStats] | None = None
    jobs: list[queries.JobRow] | None = None
    labels: dict[str, str] = {}
    """Job → the user's label; filled with `jobs`."""
    hours: list[queries.HostHour] | None = None
    breakdown: list[queries.Breakdown] | None = None
    attempt_hours: list[queries.HostHour] | None = None
    scratch: dict[str, ScratchUse] | None = None
    """By site, as the last engine reported it; None: there is no bound on scratch."""
    members: list[MemberStatistics] | None = None
    """The workflow and all below it; None: it has no sub-workflows, and all of this is its own."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data, with the totals of the table and without sections that are None."""
        known: dict[str, Any] = msgspec.to_builtins(self)
        for name in ("tasks", "jobs", "sub_workflows"):
            count = getattr(self.summary, name)
            known["summary"][name] |= {"total": count.total, "total_retries": count.attempts}
        return {key: value for key, value in known.items() if value is not None}


def statistics_of(
    database: Database,
    sections: Collection[str] = (),
    *,
    is_running: bool = False,
    clock: Callable[[], float] = time.time,
) -> Statistics:
    """Return the statistics of an open database. `is_running`: an engine is running the run."""
    run = queries.run_state(database)
    history = _history(database.submit_dir)
    now = clock() if is_running else None
    return Statistics(
        workflow=run.workflow,
        uuid=database.uuid,
        submit_dir=str(database.submit_dir),
        state=_state(run, is_running),
        run=run,
        # Jobs are only undone by an engine that continues a run.
        summary=queries.summary(database, _undone(database.submit_dir, history) if run.restarts else {}),
        wall_times=queries.wall_times(database),
        times=history.times(now),
        time_use=read_time_use(database, history, now=now),
        moved=queries.moved(database),
        integrity=_integrity(database),
        notes=list(database.notes),
        scratch=_scratch(database),
        transformations=queries.transformations(database) if "transformations" in sections else None,
        jobs=queries.jobs(database, all_attempts=True) if "jobs" in sections else None,
        labels=_labels(database.submit_dir) if "jobs" in sections else {},
        hours=queries.time_by_host(database) if "time" in sections else None,
        breakdown=queries.breakdown(database) if "breakdown" in sections else None,
        attempt_hours=queries.attempts_by_host(database) if "attempt-hours" in sections else None,
    )


def _history(submit_dir: Path) -> History:
    run = RunReader(submit_dir)
    try:
        run.read()
        return run.history
    finally:
        run.close()


def _scratch(database: Database) -> dict[str, ScratchUse] | None:
    progress = read_progress(SubmitDir(database.submit_dir).status)
    return (progress.scratch or None) if progress is not None and progress.uuid == database.uuid else None


def _labels(submit_dir: Path) -> dict[str, str]:
    plan = PlanFile(SubmitDir(submit_dir).plan)
    try:
        return {plan.outline[job].id: label for job, label in plan.labels.items()}
    finally:
        plan.close()


def _undone(submit_dir: Path, history: History) -> dict[int, int]:
    """Return the jobs that succeeded and will run again → the attempt that succeeded."""
    undone = {it.job: it.attempt for it in records_of(submit_dir / "journal.jsonl", Undone)}
    return undone | {job: history.attempts[job] for job in history.refreshed}


_FAILED_INTEGRITY = """
SELECT count(*) FROM (
    SELECT i.job_id, max(i.job_submit_seq) AS seq
    FROM job_instance i JOIN job j ON j.job_id = i.job_id WHERE j.wf_id = :wf_id GROUP BY i.job_id
) l JOIN job_instance i ON i.job_id = l.job_id AND i.job_submit_seq = l.seq AND i.exitcode <> 0
JOIN tag t ON t.job_instance_id = i.job_instance_id AND t.name = 'int.error'"""


def _integrity(database: Database) -> Integrity:
    counts, errors = queries.integrity(database), queries.integrity_failures(database)
    failed = 0
    if errors:
        found = database.connection.execute(text(_FAILED_INTEGRITY), {"wf_id": database.wf_id})
        failed = int(found.scalar_one())
    return Integrity(counts, errors, failed)


def _state(run: queries.RunState, is_running: bool) -> str:
    if run.started is None:
        return "Not started"
    if run.ended is None:
        return "Running" if is_running else "Halted"
    return "Success" if run.status == 0 else STATES.get(run.reason or "", "Failure")
