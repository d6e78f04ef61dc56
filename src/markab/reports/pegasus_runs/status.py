"""The progress of a run of Pegasus, as `Status`: from its DAG file and `jobstate.log`, or its database.

PRE and POST count scripts that run. READY counts jobs whose parents have succeeded, and those
that failed and will be tried again. Jobs that were under way when DAGMan ended are UNREADY.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from markab.formatting import count, duration
from markab.journal.run_times import EngineClock
from markab.plan.model import Kind
from markab.provenance import pegasus_record
from markab.provenance.pegasus_directory import open_pegasus_directory
from markab.provenance.pegasus_record import PegasusRecord, read_record
from markab.reports.status import Status, UnderWay

QUIET_S = 300.0
"""A run in progress whose log has been silent for longer may have been killed."""


def read_pegasus_status(submit_dir: Path, *, clock: Callable[[], float] = time.time) -> Status:
    """Return the progress of a run of Pegasus.

    Raises:
        NotARun: an older Pegasus made it.
        StorageError: neither its files nor its database can be read.
    """
    return pegasus_status(read_record(open_pegasus_directory(submit_dir)), clock())


def pegasus_status(record: PegasusRecord, now: float) -> Status:
    """Return the progress in a record. Pure."""
    directory, dag, history = record.directory, record.dag, record.history
    states = record.states()
    number = Counter(states)
    running = number[pegasus_record.RUNNING]
    spans = [(start or 0.0, history.last_time if end is None else end) for start, end in history.spans]
    return Status(
        unready=number[pegasus_record.UNREADY] + number[pegasus_record.LOST],
        ready=number[pegasus_record.READY],
        pre=number[pegasus_record.PRE],
        queued=number[pegasus_record.QUEUED] + running,
        post=number[pegasus_record.POST],
        succeeded=number[pegasus_record.SUCCEEDED],
        failed=number[pegasus_record.FAILED],
        running=running,
        total=len(dag.ids),
        state=record.state,
        note=_note(record, number, now),
        warnings=tuple(record.notes),
        on_hold={job: "" for job, seen in history.jobs.items() if seen.held and not record.is_over},
        workflow=directory.name,
        submit_dir=directory.path,
        uuid=directory.uuid,
        dag=directory.dag.name if directory.dag else f"{directory.base}.dag",
        started=spans[0][0] if spans else 0.0,
        ended=spans[-1][1] if spans and record.is_over else 0.0,
        active_s=EngineClock(spans).total_s,
        active_until=history.last_time,
        jobs=_under_way(record, states),
    )


def _note(record: PegasusRecord, number: Counter[str], now: float) -> str:
    notes = [f"a run of {record.directory.planner}"]
    if record.state == "Unknown":
        notes.append("how far it came is not recorded")
    silent_s = now - record.history.last_time
    if record.state == "Running" and silent_s > QUIET_S:
        notes.append(
            f"its last entry is {duration(silent_s)} old: whether DAGMan still runs, `condor_q` of its submit host says"
        )
    if inner := record.kinds.count(Kind.SUBWORKFLOW):
        names = count(inner, "sub-workflow counts", "sub-workflows count")
        notes.append(f"{names} as one job each: name the submit directory of one to see its jobs")
    if number[pegasus_record.LOST]:
        notes.append(f"{count(number[pegasus_record.LOST], 'job')} did not end before DAGMan did")
    return "\n".join(notes)


def _under_way(record: PegasusRecord, states: list[str]) -> tuple[UnderWay, ...]:
    if record.is_over:
        return ()
    jobs = record.history.jobs
    return tuple(
        UnderWay(
            id=job,
            site=jobs[job].site,
            state="Run" if state == pegasus_record.RUNNING else "Idle",
            attempt=max(1, jobs[job].attempt),
            since=jobs[job].since,
        )
        for job, state in zip(record.dag.ids, states, strict=True)
        if state in (pegasus_record.QUEUED, pegasus_record.RUNNING)
    )


_SHOWN = {
    pegasus_record.UNREADY: "waiting",
    pegasus_record.PRE: "queued",
    pegasus_record.POST: "running",
}
"""State of a job → its name in lists of jobs, where it differs."""


def list_pegasus_jobs(submit_dir: Path) -> list[dict[str, object]]:
    """Return name, kind, site, state and number of attempts of every job, as `job_report.read_jobs` does."""
    record = read_record(open_pegasus_directory(submit_dir))
    seen = record.history.jobs
    return [
        {
            "job": job,
            "label": "",
            "kind": kind.value,
            "site": seen[job].site if job in seen else "",
            "state": _SHOWN.get(state, state),
            "attempts": seen[job].attempt if job in seen else 0,
        }
        for job, kind, state in zip(record.dag.ids, record.kinds, record.states(), strict=True)
    ]
