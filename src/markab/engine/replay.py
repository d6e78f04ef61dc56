"""A journal replayed into a scheduler: every recorded event is decided again, and the decision compared.

A journal that comes with a bug report is given to the scheduler record by record.
An event that the scheduler does not allow, or a verdict other than the one that the
engine recorded, raises IllegalTransition with the last events of the job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, pairwise

from markab.engine.retry_policy import is_incomplete, is_worth_retrying
from markab.engine.scheduler import Scheduler
from markab.engine.scheduler_protocol import Verdict
from markab.engine.slots import Slots
from markab.errors import IllegalTransition
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Record
from markab.journal.lifecycle import ALIVE, State
from markab.journal.records import (
    AttemptEnd,
    AttemptHeld,
    AttemptReleased,
    AttemptRunning,
    AttemptStart,
    Entry,
    GiveUp,
    Halt,
    Incomplete,
    Interrupt,
    Refresh,
    Refused,
    Remove,
    Retry,
    RunStart,
    Undone,
)
from markab.plan.model import Header
from markab.plan.plan_file import JobOutline, with_memory

RUN = ""
"""The id of the run in the scheduler."""

_VERDICTS = {Retry: Verdict.RETRY, GiveUp: Verdict.GIVE_UP, Incomplete: Verdict.INCOMPLETE}


def replay(
    header: Header,
    outline: Sequence[JobOutline],
    entries: Iterable[Entry],
    after_each: Callable[[Scheduler], None] = lambda scheduler: None,
) -> Scheduler:
    """Return the scheduler after all records of a journal; `after_each` is called with it after every record.

    Raises:
        IllegalTransition: the scheduler decides otherwise than the journal records.
        ValueError: the journal does not begin with a `run-start`.
    """
    journal = _Replay(header, outline)
    for entry, following in pairwise(chain(entries, [None])):
        assert entry is not None
        if isinstance(entry, Refused):
            continue  # that engine started nothing
        journal.apply(entry, following)
        after_each(journal.scheduler)
    return journal.scheduler


class _Replay:
    def __init__(self, header: Header, outline: Sequence[JobOutline]) -> None:
        self._header = header
        self._outline = outline
        self._scheduler: Scheduler | None = None
        self._undone: set[int] = set()
        self._memory_mb: dict[int, int] = {}
        """Job that lacked memory → what it asks for since."""

    @property
    def scheduler(self) -> Scheduler:
        if self._scheduler is None:
            raise ValueError("the journal does not begin with a run-start")
        return self._scheduler

    def apply(self, entry: Entry, following: Entry | None) -> None:
        match entry:
            case RunStart():
                self._begin(entry)
            case AttemptStart():
                self._start(AttemptId(RUN, entry.job, entry.attempt))
            case AttemptRunning():
                id = AttemptId(RUN, entry.job, entry.attempt)
                self.scheduler.seen_queued(
                    id
                )  # it may have run before: going back to the queue is not recorded
                self.scheduler.seen_running(id)
            case AttemptHeld():
                self.scheduler.seen_held(AttemptId(RUN, entry.job, entry.attempt), entry.reason)
            case AttemptReleased():
                self.scheduler.seen_queued(AttemptId(RUN, entry.job, entry.attempt))
            case AttemptEnd():
                self._end(entry, following)
            case Undone():
                self._undone.add(entry.job)
            case Refresh():
                self._undone.update(entry.jobs)
                for job in (*entry.jobs, *entry.unfinished):
                    self._memory_mb.pop(job, None)
            case Halt():
                self.scheduler.halt(RUN)
            case Remove() | Interrupt():
                self.scheduler.remove(RUN)

    def _begin(self, entry: RunStart) -> None:
        """Start a call of the engine from the states that the calls before it left."""
        jobs = range(len(self._outline))
        states: Sequence[int] = self._scheduler.states(RUN) if self._scheduler else bytes(len(jobs))
        attempts = [self._scheduler.attempt(RUN, job).number if self._scheduler else 0 for job in jobs]
        self._scheduler = Scheduler(Slots(entry.cores, entry.memory_mb, entry.gpus))
        self._scheduler.add(
            RUN,
            with_memory(self._outline, self._memory_mb),
            limits=self._header.limits,
            max_jobs=entry.max_jobs,
            keep_going=entry.keep_going,
            succeeded=[states[job] == State.SUCCEEDED and job not in self._undone for job in jobs],
            attempts=attempts,
            under_way=[job for job in jobs if states[job] in ALIVE],
            remote_sites=self._header.remote_sites,
        )
        self._undone.clear()

    def _start(self, id: AttemptId) -> None:
        if self.scheduler.state(RUN, id.job) is State.PAUSED:
            self.scheduler.pause_over(RUN, id.job)
        self.scheduler.started(id)

    def _end(self, entry: AttemptEnd[Record], following: Entry | None) -> None:
        """Decide again what follows; the engine writes its verdict directly after the end."""
        id, ok = AttemptId(RUN, entry.job, entry.attempt), entry.record.get("ok") is True
        written = Verdict.DONE if ok else Verdict.RETURNED
        served: Sequence[int] = ()
        if (
            isinstance(following, Retry | GiveUp | Incomplete)
            and (following.job, following.attempt) == id[1:]
        ):
            written, served = _VERDICTS[type(following)], following.served
        if written is Verdict.RETURNED:
            self.scheduler.returned(id)
            return
        memory_mb = following.memory_mb if isinstance(following, Retry | GiveUp) else 0
        lacked = "memory_mb" in entry.record
        decided = self.scheduler.ended(
            id,
            ok,
            worth_retrying=is_worth_retrying(entry.record, by_cause=self._header.retry_by_cause)
            and not (lacked and not memory_mb),
            incomplete=is_incomplete(entry.record),
            served=served,
            memory_mb=memory_mb,
        ).verdict
        if memory_mb:
            self._memory_mb[entry.job] = memory_mb
        if decided is not written:
            job = self._outline[entry.job].id
            raise IllegalTransition(
                f"attempt {entry.attempt} of job {job!r}: the journal says {written.value!r}, "
                f"and the scheduler decides {decided.value!r}"
            )
