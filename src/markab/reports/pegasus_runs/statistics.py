"""The statistics of a run of Pegasus, as `Statistics`: from its database, counted as `pegasus-statistics` counts.

What only Markab's record has is left out: bytes moved, and the cores that jobs used. Summary, wall
times and sections are those of the workflow and all below it, the critical path is of its own jobs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from functools import reduce
from pathlib import Path

from markab.journal.run_times import EngineClock, RunTimes
from markab.planner.graph import levels_of
from markab.provenance import pegasus_queries as queries
from markab.provenance.pegasus_database import PegasusDatabase, open_pegasus_database
from markab.provenance.pegasus_directory import open_pegasus_directory
from markab.provenance.results import Count, RunState, Summary
from markab.reports.statistics.run_statistics import Integrity, MemberStatistics, Statistics
from markab.reports.statistics.time_use import TimedJob, TimeUse, time_use_of
from markab.spec.gc_pause import without_garbage_collection


def read_pegasus_statistics(
    submit_dir: Path, sections: Collection[str] = (), *, clock: Callable[[], float] = time.time
) -> Statistics:
    """Return the statistics of a run of Pegasus, with the requested sections.

    Raises:
        NotARun: an older Pegasus made it.
        StorageError: it has no database, or it cannot be read.
    """
    directory = open_pegasus_directory(submit_dir)
    with open_pegasus_database(directory) as database, without_garbage_collection():
        return _statistics_of(database, sections, clock)


def _statistics_of(
    database: PegasusDatabase, sections: Collection[str], clock: Callable[[], float]
) -> Statistics:
    runs, summaries = queries.run_states(database), queries.summaries(database)
    own = database.workflow.wf_id
    run = runs[own]
    jobs = queries.jobs(database) if "jobs" in sections else {}
    breakdowns = queries.breakdowns(database) if "breakdown" in sections else {}
    integrity = queries.integrity(database)
    times, time_use = _times(database, clock)
    return Statistics(
        workflow=database.workflow.name or database.directory.name,
        uuid=database.workflow.uuid,
        submit_dir=str(database.directory.path),
        state=_state(run),
        run=run,
        summary=reduce(_added, summaries.values()),
        times=times,
        wall_times=queries.wall_times(database),
        time_use=time_use,
        moved=None,
        integrity=Integrity(integrity.get(None, []), *queries.integrity_failures(database)),
        notes=[*database.notes, f"a run of {database.directory.planner}: it records no bytes moved"],
        transformations=queries.transformations(database) if "transformations" in sections else None,
        jobs=[row for one in database.members for row in jobs[one.wf_id]] if jobs else None,
        hours=queries.time_by_host(database) if "time" in sections else None,
        breakdown=breakdowns.get(None, []) if "breakdown" in sections else None,
        attempt_hours=queries.attempts_by_host(database) if "attempt-hours" in sections else None,
        members=[
            MemberStatistics(
                uuid=one.uuid,
                name=one.name,
                restarts=runs[one.wf_id].restarts,
                summary=summaries[one.wf_id],
                jobs=jobs.get(one.wf_id, []),
                breakdown=breakdowns.get(one.wf_id, []),
                integrity=integrity.get(one.wf_id, []),
            )
            for one in database.members
        ],
    )


def _state(run: RunState) -> str:
    if run.started is None:
        return "Not started"
    if run.ended is None:
        return "Running"
    return "Success" if run.status == 0 else "Failure"


def _added(one: Summary, other: Summary) -> Summary:
    return Summary(
        *(
            Count(
                a.succeeded + b.succeeded,
                a.failed + b.failed,
                a.unfinished + b.unfinished,
                a.retries + b.retries,
            )
            for a, b in zip(
                (one.tasks, one.jobs, one.sub_workflows),
                (other.tasks, other.jobs, other.sub_workflows),
                strict=True,
            )
        )
    )


def _times(database: PegasusDatabase, clock: Callable[[], float]) -> tuple[RunTimes, TimeUse]:
    """Return the times of the workflow, and the use of time by its own jobs."""
    attempts = queries.attempts(database)
    latest = max((moment for one in attempts for moment in one[1:] if moment is not None), default=0.0)
    recorded = queries.spans(database)
    spans = [(start, max(start, latest) if end is None else end) for start, end in recorded]
    timed, position = _timed_jobs(database)
    begun = [
        (position[job], submitted or executed or 0.0, executed, ended)
        for job, submitted, executed, ended in attempts
    ]
    until = spans[-1][1] if spans else latest
    clock_s = EngineClock(spans)
    job_s = (
        sum(
            clock_s.between(executed, until if ended is None else ended)
            for _, _, executed, ended in begun
            if executed is not None and executed <= (until if ended is None else ended)
        )
        if spans
        else 0.0
    )
    use = time_use_of(timed, frozenset(), begun, spans, job_s, (), 0.0, until)
    elapsed_s = spans[-1][1] - spans[0][0] if spans else 0.0
    return RunTimes(max(0.0, elapsed_s), clock_s.total_s if spans else 0.0, job_s), use


def _timed_jobs(database: PegasusDatabase) -> tuple[list[TimedJob], dict[int, int]]:
    """Return the jobs of the workflow, parents first; and the position of each by its `job_id`."""
    rows = queries.job_ids(database)
    number = {row.exec_job_id: n for n, row in enumerate(rows)}
    parents: list[list[int]] = [[] for _ in rows]
    for above, below in queries.edges(database):
        if above in number and below in number:
            parents[number[below]].append(number[above])
    levels = levels_of(parents)
    if levels is None:  # damaged: DAGMan runs no cycle
        parents, levels = [[] for _ in rows], [0] * len(rows)
    order = sorted(range(len(rows)), key=levels.__getitem__)
    place = [0] * len(rows)
    for position, n in enumerate(order):
        place[n] = position
    jobs = [TimedJob(rows[n].exec_job_id, "", sorted(place[above] for above in parents[n])) for n in order]
    return jobs, {row.job_id: place[n] for n, row in enumerate(rows)}
