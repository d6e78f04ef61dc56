"""The statistics of a run of Pegasus, as `Statistics`: from its database, counted as `pegasus-statistics` counts.

What only Markab's record has is left out: bytes moved, and the cores that jobs used. Summary, wall
times and sections are those of the workflow and all below it, the critical path is of its own jobs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import reduce
from math import inf
from pathlib import Path

from markab.journal.run_times import EngineClock, RunTimes, Span
from markab.planner.graph import levels_of
from markab.provenance import pegasus_queries as queries
from markab.provenance.pegasus_database import PegasusDatabase, open_pegasus_database
from markab.provenance.pegasus_directory import open_pegasus_directory
from markab.provenance.results import AttemptTimes, RunState, added_summaries
from markab.reports.statistics.run_statistics import Integrity, MemberStatistics, Statistics
from markab.reports.statistics.time_use import TimedJob, TimeUse, time_use_of
from markab.spec.gc_pause import without_garbage_collection


def read_pegasus_statistics(submit_dir: Path, sections: Collection[str] = ()) -> Statistics:
    """Return the statistics of a run of Pegasus, with the requested sections.

    Raises:
        NotARun: an older Pegasus made it.
        StorageError: it has no database, or it cannot be read.
    """
    directory = open_pegasus_directory(submit_dir)
    with open_pegasus_database(directory) as database, without_garbage_collection():
        return _statistics_of(database, sections)


def _statistics_of(database: PegasusDatabase, sections: Collection[str]) -> Statistics:
    runs, summaries = queries.run_states(database), queries.summaries(database)
    own = database.workflow.wf_id
    run = runs[own]
    jobs = queries.jobs(database) if "jobs" in sections else {}
    breakdowns = queries.breakdowns(database) if "breakdown" in sections else {}
    integrity = queries.integrity(database)
    times, time_use = _times(database)
    return Statistics(
        workflow=database.workflow.name or database.directory.name,
        uuid=database.workflow.uuid,
        submit_dir=str(database.directory.path),
        state=_state(run),
        run=run,
        summary=reduce(added_summaries, summaries.values()),
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


def _times(database: PegasusDatabase) -> tuple[RunTimes, TimeUse]:
    """Return the times of the workflow, and the use of time by its own jobs."""
    recorded = queries.attempts(database)
    timed, position = _timed_jobs(database)
    attempts = [
        (position[job], executed or 0.0 if submitted is None else submitted, executed, ended)
        for job, submitted, executed, ended in recorded
    ]
    spans = _closed(queries.spans(database), attempts)
    until = spans[-1][1] if spans else 0.0
    clock = EngineClock(spans)
    job_s = 0.0
    for _, _, executed, ended in attempts if spans else ():
        if executed is not None:
            end = until if ended is None else ended
            job_s += clock.between(executed, max(executed, end))
    use = time_use_of(timed, frozenset(), attempts, spans, job_s, (), 0.0, until)
    elapsed_s = max(0.0, until - spans[0][0]) if spans else 0.0
    return RunTimes(elapsed_s, clock.total_s, job_s), use


def _closed(spans: Sequence[tuple[float, float | None]], attempts: Sequence[AttemptTimes]) -> list[Span]:
    """Return start and end of each DAGMan; one without an end worked until the last that is recorded of its jobs."""
    closed: list[Span] = []
    for number, (start, end) in enumerate(spans):
        if end is None:
            limit = spans[number + 1][0] if number + 1 < len(spans) else inf
            moments = (moment for one in attempts for moment in one[1:] if moment is not None)
            end = max((moment for moment in moments if start <= moment < limit), default=start)
        closed.append((start, max(start, end)))
    return closed


def _timed_jobs(database: PegasusDatabase) -> tuple[list[TimedJob], dict[int, int]]:
    """Return the jobs of the workflow, parents first; and the position of each by its `job_id`."""
    rows = queries.job_ids(database)
    number = {row[1]: n for n, row in enumerate(rows)}
    parents: list[list[int]] = [[] for _ in rows]
    is_sorted = True
    for above, below in queries.edges(database):
        parent, child = number.get(above), number.get(below)
        if parent is not None and child is not None:
            parents[child].append(parent)
            is_sorted = is_sorted and parent < child
    place: Sequence[int] = range(len(rows))
    order: Sequence[int] = place
    if not is_sorted:
        levels = levels_of(parents)
        if levels is None:  # damaged, since DAGMan runs no cycle: they count as independent
            parents, levels = [[] for _ in rows], [0] * len(rows)
        order = sorted(place, key=levels.__getitem__)
        place = sorted(place, key=order.__getitem__)
        parents = [sorted([place[above] for above in one]) for one in parents]
    jobs = [TimedJob(rows[n][1], "", parents[n]) for n in order]
    return jobs, {row[0]: place[n] for n, row in enumerate(rows)}
