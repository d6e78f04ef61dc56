"""Where the time of a run went: waiting, queued, running; how much ran at once, and how much could have.

Made of the moments of every attempt (database) and the dependencies and cores
of every job (plan).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from sqlalchemy import text

from markab.errors import CorruptPlan
from markab.plan.file import PlanFile
from markab.provenance.opening import Database
from markab.reports.engine_times import EngineClock, Span, engine_spans
from markab.reports.schedules import critical_path, earliest_ends, peak


class PathStep(msgspec.Struct, frozen=True):
    """A job on the critical path."""

    job: str
    runtime_s: float


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """Where the time went. All attempts count; one under way until now."""

    engine_s: float
    """How long engines were at work: from start to end, without the time between two of them."""
    waiting_s: float
    """Ready, until handed to an executor: for want of room, by a limit, or in a pause before a retry."""
    queued_s: float
    """Handed over, until seen running: nothing on this machine, the queue of a batch system elsewhere."""
    running_s: float
    """Seen running until ended, with preparing, checking and delivering; not while no engine was at work."""
    running_mean: float
    """Jobs running at once, averaged over `engine_s`."""
    running_peak: int
    possible_mean: float
    """The same if each job had begun as soon as its parents had ended."""
    possible_peak: int
    cores: float | None
    """Of this machine, given to jobs, averaged over `engine_s`; None: not known, or no job runs here."""
    cores_busy_mean: float | None
    """How many of them were asked for by running jobs."""
    path_s: float
    """Length of the critical path: no number of cores makes the run faster than this."""
    path: list[PathStep]


class _Job(msgspec.Struct, gc=False):
    """What is read of a line of the plan."""

    id: str
    site: str = ""
    parents: list[int] = []
    cores: int = 1


Attempt = tuple[int, float, float | None, float | None]
"""Of an attempt: position of its job, and when it was submitted, seen running, ended."""

_ATTEMPTS = """
SELECT i.job_id - p.first_job_id,
       CAST((SELECT min(s.timestamp) FROM jobstate s
             WHERE s.job_instance_id = i.job_instance_id AND s.state = 'SUBMIT') AS DOUBLE PRECISION),
       CAST((SELECT min(s.timestamp) FROM jobstate s
             WHERE s.job_instance_id = i.job_instance_id AND s.state = 'EXECUTE') AS DOUBLE PRECISION),
       CAST((SELECT min(s.timestamp) FROM jobstate s WHERE s.job_instance_id = i.job_instance_id
             AND s.state IN ('JOB_TERMINATED', 'JOB_ABORTED')) AS DOUBLE PRECISION)
FROM job_instance i JOIN markab_projection p ON p.wf_id = :wf_id
WHERE i.job_id >= p.first_job_id AND i.job_id < p.first_job_id + p.jobs
ORDER BY i.job_submit_seq"""


def read_pace(database: Database, *, now: float | None = None) -> Pace:
    """Return where the time of a run went; `now` is when that is asked while an engine is at work, else None."""
    asked = {"wf_id": database.wf_id}
    states = database.connection.execute(
        text("SELECT state, timestamp FROM workflowstate WHERE wf_id = :wf_id ORDER BY timestamp"), asked
    ).all()
    attempts: list[Attempt] = database.connection.execute(text(_ATTEMPTS), asked).all()  # type: ignore[assignment]
    plan = PlanFile(database.submit_dir / "plan.jsonl")
    try:
        jobs = _read_jobs(plan)
        executors = {name: site.executor for name, site in plan.header.sites.items()}
    finally:
        plan.close()
    given = list(_cores_given(database.submit_dir / "journal.jsonl"))
    return pace_of(jobs, executors, attempts, [(row[0], float(row[1])) for row in states], given, now)


def pace_of(
    jobs: Sequence[_Job],
    executors: dict[str, str],
    attempts: Sequence[Attempt],
    states: Sequence[tuple[str, float]],
    cores_given: Sequence[int],
    now: float | None,
) -> Pace:
    """Return the pace of plain data. Attempts stand in the order in which they were submitted."""
    has_ends = sum(state == "WORKFLOW_STARTED" for state, _ in states) * 2 == len(states)
    signs: list[float] = []  # only an engine without an end is known by them
    if not has_ends:
        signs = sorted([moment for attempt in attempts for moment in attempt[1:] if moment is not None])
    until = now if now is not None else (signs[-1] if signs else 0.0)
    spans = engine_spans(states, signs, until)
    clock = EngineClock(spans)

    starts, ends, weights = [], [], []
    durations = [0.0] * len(jobs)
    queued_s = 0.0
    for number, submitted, executed, ended in attempts:
        end = until if ended is None else ended
        queued_s += max(0.0, (end if executed is None else executed) - submitted)
        if executed is None:
            continue
        if ended is not None:
            durations[number] = max(0.0, ended - executed)  # the last attempt counts
        if end <= executed:
            continue
        starts.append(executed)
        ends.append(end)
        job = jobs[number]
        weights.append(job.cores if executors.get(job.site, "local") == "local" else 0)
    parents = [job.parents for job in jobs]
    earliest = earliest_ends(parents, durations)
    chain = critical_path(parents, durations, earliest)
    path_s = max(earliest, default=0.0)
    took = [(end - took_s, end) for end, took_s in zip(earliest, durations, strict=True) if took_s > 0]

    if len(spans) == 1:
        runtimes_s = [end - start for start, end in zip(starts, ends, strict=True)]
    else:  # without what lies between two engines: most of that ran nowhere
        runtimes_s = [clock.at(end) - clock.at(start) for start, end in zip(starts, ends, strict=True)]
    running_s = sum(runtimes_s)
    cores = _mean_cores(spans, cores_given) if any(weights) else None
    busy = sum(weight * took_s for weight, took_s in zip(weights, runtimes_s, strict=True))
    return Pace(
        engine_s=clock.total_s,
        waiting_s=_waiting_s(jobs, attempts, clock),
        queued_s=queued_s,
        running_s=running_s,
        running_mean=_ratio(running_s, clock.total_s),
        running_peak=peak(starts, ends),
        possible_mean=_ratio(sum(durations), path_s),
        possible_peak=peak([start for start, _ in took], [end for _, end in took]),
        cores=cores,
        cores_busy_mean=None if cores is None else _ratio(busy, clock.total_s),
        path_s=path_s,
        path=[PathStep(jobs[position].id, durations[position]) for position in chain],
    )


def _waiting_s(jobs: Sequence[_Job], attempts: Sequence[Attempt], clock: EngineClock) -> float:
    """Return how long jobs were ready without being handed over, in engine time."""
    done = [0.0] * len(jobs)
    for number, _, _, ended in attempts:
        if ended is not None:
            done[number] = ended  # of the last attempt, which succeeded if a child was ever ready
    at = clock.at
    before: dict[int, float] = {}
    waited_s = 0.0
    for number, submitted, _, ended in attempts:
        ready = before.get(number)
        if ready is None:
            ready = max([done[parent] for parent in jobs[number].parents], default=0.0)
        if ready < submitted:
            waited_s += at(submitted) - at(ready)
        before[number] = submitted if ended is None else ended
    return waited_s


def _mean_cores(spans: Sequence[Span], given: Sequence[int]) -> float | None:
    """Return the cores that engines gave to jobs, averaged over their time; None when one did not say."""
    if len(given) != len(spans) or 0 in given:
        return None
    total_s = sum(end - start for start, end in spans)
    return _ratio(sum(n * (end - start) for (start, end), n in zip(spans, given, strict=True)), total_s)


def _read_jobs(plan: PlanFile) -> list[_Job]:
    decode, line = msgspec.json.Decoder(_Job).decode, plan.line
    try:
        return [decode(line(position)) for position in range(len(plan))]
    except msgspec.DecodeError as error:
        raise CorruptPlan(f"{str(plan.path)!r}: {error}", hint="plan the workflow again") from error


class _Given(msgspec.Struct):
    cores: int = 0


_RUN_START = b' {"event":"run-start"'
"""Begins the body of such a record, and can stand nowhere else: within a text its quotes are escaped."""


def _cores_given(journal: Path) -> Iterator[int]:
    """Yield, for each engine, the cores that it gave to jobs; found without decoding the journal."""
    if not journal.exists() or not journal.stat().st_size:
        return
    with open(journal, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = content.find(_RUN_START)
        while at >= 0 and (end := content.find(b"\n", at)) >= 0:
            yield msgspec.json.decode(content[at:end], type=_Given).cores
            at = content.find(_RUN_START, end)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
