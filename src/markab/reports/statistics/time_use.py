"""Time of a run's jobs by state: waiting, queued, running; and its parallelism, reached and possible.

Computed from the times of every attempt and process (database), the dependencies and
cores of every job (plan), and the spans of active time (journal).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

import msgspec

from markab.errors import CorruptPlan
from markab.journal.history import History
from markab.journal.records import RunStart
from markab.journal.run_times import EngineClock, Span
from markab.journal.search import records_of
from markab.plan.plan_file import PlanFile
from markab.provenance import queries
from markab.provenance.results import AttemptTimes
from markab.provenance.run_database import Database
from markab.reports.statistics.schedules import critical_path, earliest_ends, peak


class PathStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """A job on the critical path."""

    job: str
    runtime_s: float
    label: str = ""
    """As `PlannedJob.label`."""


class TimeUse(msgspec.Struct, frozen=True, kw_only=True):
    """Times by state, and parallelism. All attempts count; one that is running counts until now."""

    waiting_s: float
    """Ready, until submitted: no slot was free, a limit applied, or a retry was delayed."""
    queued_s: float
    """Submitted, until seen running: nothing on this machine, the queue of a batch system elsewhere."""
    running_mean: float
    """Jobs running at once, averaged over the active time."""
    running_peak: int
    possible_mean: float
    """The mean if each job had begun as soon as its parents had ended."""
    possible_peak: int
    cores: float | None
    """Cores of this machine for jobs, averaged over the active time; None: not known, or no job runs here."""
    cores_asked_mean: float | None
    """How many cores the jobs that ran here requested, on average; may be more than there are."""
    cores_given_mean: float | None
    """How many the engine reserved for them: what they requested, at most all."""
    cores_used_mean: float | None
    """How many their processes used: processor time by active time."""
    path_s: float
    """Length of the critical path: the run cannot be faster than this with any number of cores."""
    path: list[PathStep]


class TimedJob(msgspec.Struct, gc=False):
    """What is needed of a job; it is read from a line of the plan."""

    id: str
    site: str = ""
    parents: list[int] = []
    cores: int = 1


def read_time_use(database: Database, history: History, *, now: float | None = None) -> TimeUse:
    """Return the use of time of a run; `now` is the present time while an engine is running, else None."""
    attempts = queries.attempts(database)
    plan = PlanFile(database.submit_dir / "plan.jsonl")
    try:
        jobs = _read_jobs(plan)
        local_sites, labels = plan.header.local_sites, plan.labels
    finally:
        plan.close()
    given = [begun.cores for begun in records_of(database.submit_dir / "journal.jsonl", RunStart)]
    until = history.last_time if now is None else now
    return time_use_of(
        jobs,
        local_sites,
        attempts,
        history.timekeeper.spans(until),
        history.times(now).job_s,
        given,
        queries.cpu_seconds(database, local_sites),
        until,
        labels,
    )


def time_use_of(
    jobs: Sequence[TimedJob],
    local_sites: frozenset[str],
    attempts: Sequence[AttemptTimes],
    spans: Sequence[Span],
    job_s: float,
    room: Sequence[int],
    cpu_s: float,
    until: float,
    labels: Mapping[int, str] = {},
) -> TimeUse:
    """Return the use of time from plain data. Attempts are in order of submission.

    Args:
        spans: of active time.
        job_s: the job time of the run.
        room: the cores that each engine gave to jobs here; 0: not recorded.
        cpu_s: processor time of the jobs that ran here.
        until: when attempts end that have no end.
    """
    clock = EngineClock(spans)
    here = [job.cores if job.site in local_sites else 0 for job in jobs]
    most = [cores or 1 << 31 for cores in room] or [1 << 31]
    openings = [start for start, _ in spans]
    starts, ends = [], []
    durations = [0.0] * len(jobs)
    queued_s = asked_s = given_s = 0.0
    for number, submitted, executed, ended in attempts:
        end = until if ended is None else ended
        if executed is None:
            queued_s += max(0.0, end - submitted)
            continue
        if executed > submitted:
            queued_s += executed - submitted
        if ended is not None:
            durations[number] = max(0.0, ended - executed)  # the last attempt counts
        if end > executed:
            starts.append(executed)
            ends.append(end)
            if asked := here[number]:
                took_s = clock.between(executed, end)  # most of what lies between two engines ran nowhere
                engine = min(bisect_right(openings, executed), len(most)) - 1
                asked_s += asked * took_s
                given_s += min(asked, most[max(0, engine)]) * took_s
    parents = [job.parents for job in jobs]
    earliest = earliest_ends(parents, durations)
    chain = critical_path(parents, durations, earliest)
    path_s = max(earliest, default=0.0)
    took = [(end - took_s, end) for end, took_s in zip(earliest, durations, strict=True) if took_s > 0]
    cores = _mean_cores(spans, room) if asked_s else None

    def mean(cores_s: float) -> float | None:
        return None if cores is None else _ratio(cores_s, clock.total_s)

    return TimeUse(
        waiting_s=_waiting_s(parents, attempts, clock),
        queued_s=queued_s,
        running_mean=_ratio(job_s, clock.total_s),
        running_peak=peak(starts, ends),
        possible_mean=_ratio(sum(durations), path_s),
        possible_peak=peak([start for start, _ in took], [end for _, end in took]),
        cores=cores,
        cores_asked_mean=mean(asked_s),
        cores_given_mean=mean(given_s),
        cores_used_mean=mean(cpu_s),
        path_s=path_s,
        path=[
            PathStep(jobs[position].id, durations[position], labels.get(position, "")) for position in chain
        ],
    )


def _waiting_s(
    parents: Sequence[Sequence[int]], attempts: Sequence[AttemptTimes], clock: EngineClock
) -> float:
    """Return how long jobs were ready without being submitted, in engine time."""
    done = [0.0] * len(parents)
    for number, _, _, ended in attempts:
        if ended is not None:
            done[number] = ended  # of the last attempt, which succeeded if a child was ever ready
    ready = [max([done[parent] for parent in above]) if above else 0.0 for above in parents]
    waited_s = 0.0
    for number, submitted, _, ended in attempts:
        if (since := ready[number]) < submitted:
            waited_s += clock.between(since, submitted)
        ready[number] = submitted if ended is None else ended
    return waited_s


def _mean_cores(spans: Sequence[Span], given: Sequence[int]) -> float | None:
    """Return the cores that engines gave to jobs, averaged over their time; None if one is not recorded."""
    if len(given) != len(spans) or 0 in given:
        return None
    total_s = sum(end - start for start, end in spans)
    return _ratio(sum(n * (end - start) for (start, end), n in zip(spans, given, strict=True)), total_s)


def _read_jobs(plan: PlanFile) -> list[TimedJob]:
    decode, line = msgspec.json.Decoder(TimedJob).decode, plan.line
    jobs: list[TimedJob] = []
    try:
        for position in range(len(plan)):
            jobs.append(decode(line(position)))
    except msgspec.DecodeError as error:
        raise CorruptPlan(
            f"{str(plan.path)!r}, line {len(jobs) + 2}: {error}", hint="plan the workflow again"
        ) from error
    return jobs


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
