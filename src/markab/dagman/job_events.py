"""What HTCondor's events of a job say of its attempt, and what of that belongs into the journal.

Each job has a log of its own, in its sandbox: reading one costs nothing of the others.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from markab.dagman.dag_layout import EVENTS
from markab.dagman.dag_run import DagRun
from markab.executors.base import Attempt, Seen
from markab.executors.htcondor.event_log import EventLog, LoggedEvent
from markab.executors.htcondor.tracked_job import TrackedJob
from markab.journal.lifecycle import State
from markab.journal.records import AttemptHeld, AttemptReleased, AttemptRunning


@dataclass
class SeenJob:
    """An attempt as its events tell of it."""

    job: TrackedJob
    ran_at: float = 0.0
    """When it began to run, the last time; 0: it never did."""
    host: str = ""
    """Where."""


def read_job(log: Path, attempt: Attempt) -> SeenJob:
    """Return what is known of an attempt; nothing if it has no events yet."""
    found = SeenJob(TrackedJob(attempt))
    for event in EventLog(log).read():
        found.job.apply(event)
        if event.type == "Execute":
            found.ran_at = _time_of(event)
            found.host = event.text("SlotName").rpartition("@")[2]
    return found


def record_events(run: DagRun, job: int) -> None:
    """Add to the journal what is new of a job: that it runs, is held, or waits again."""
    attempt, known = run.under_way(job), run.history.under_way.get(job)
    if attempt is None or known is None or attempt.job.site in run.plan.header.local_sites:
        return
    seen, now = read_job(run.layout.sandbox(job) / EVENTS, attempt), time.time()
    number, native_id = attempt.id.number, str(seen.job.id or "")
    has_run = run.history.states[job] == State.RUNNING
    if seen.job.seen is Seen.HELD and not seen.job.is_over:
        if known.reason != seen.job.reason:
            run.add(AttemptHeld(now, job, number, seen.job.reason, native_id))
        return
    if known.held and not seen.job.removed:
        run.add(AttemptReleased(now, job, number))
        has_run = False
    if seen.ran_at and not has_run and (seen.job.seen is Seen.RUNNING or seen.job.exit_text):
        began = min(now, max(seen.ran_at, known.start))
        run.add(AttemptRunning(began, job, number, native_id, seen.host))


def _time_of(event: LoggedEvent) -> float:
    try:
        return datetime.fromisoformat(event.attributes["EventTime"]).timestamp()
    except (KeyError, ValueError):
        return time.time()
