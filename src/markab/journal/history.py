"""The states of a run's jobs, and of the run, after the records of its journal. Pure: no I/O.

Every reader of states uses this fold: the engine that continues a run, and the
reports. The rows of the database are made of the same records
(`provenance/attempt_rows.py`); `tests/journal/test_one_fold.py` tests that they agree.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from markab.errors import CorruptJournal
from markab.journal.attempt_record import AttemptSuccess
from markab.journal.lifecycle import WITHOUT_SUCCESS, State
from markab.journal.records import (
    AttemptEnd,
    AttemptHeld,
    AttemptReleased,
    AttemptRunning,
    AttemptStart,
    EntryOf,
    GiveUp,
    Halt,
    Incomplete,
    Interrupt,
    NoRoom,
    OutcomeState,
    Refresh,
    Refused,
    Remove,
    Retry,
    RunEnd,
    RunStart,
    Undone,
)
from markab.journal.run_times import RunTimes, Timekeeper
from markab.plan.model import Header

AnyDepth = TypeVar("AnyDepth", bound=AttemptSuccess)

_TRIED_AGAIN = bytes(State.WAITING if s in WITHOUT_SUCCESS else s for s in range(256))
"""State at the end of one call of the engine → at the start of the next."""
_HAS_SUCCEEDED = bytes(s == State.SUCCEEDED for s in range(256))


class AttemptUnderWay(msgspec.Struct, gc=False):
    """An attempt that has started and not ended."""

    number: int
    site: str
    start: float
    """When it was given to its executor."""
    since: float
    """When it began to run, if that was reported, else `start`."""
    held: float = 0.0
    """Since when its site holds it; 0: it does not."""
    reason: str = ""
    """Why."""


class History:
    """The state of every job, and of the run, after the records taken so far."""

    def __init__(self, header: Header) -> None:
        """Start without records, for the plan with this header."""
        self.states = bytearray(header.jobs)
        self.attempts = array("i", bytes(4 * header.jobs))
        """Attempts made of every job."""
        self.under_way: dict[int, AttemptUnderWay] = {}
        """Position → its attempt that has not ended."""
        self.outcome: OutcomeState | None = None
        """Of the last engine that ended normally; None while one is running, or after it was killed."""
        self.runs = 0
        """How many engines have opened the run."""
        self.started = self.ended = 0.0
        self.last_time = 0.0
        """When the last record was written."""
        self.timekeeper = Timekeeper()
        self.requested_stop = ""
        """`halt`, `remove` or `interrupt`, when that was requested and the engine has not ended yet."""
        self.refusal: Refused | None = None
        """Why the last engine did not run it; None if it did."""
        self.no_room: NoRoom | None = None
        """Why the last engine ended before all was done, if that was for lack of room in scratch."""
        self.paused: dict[int, float] = {}
        """Job whose last attempt failed → when the next may start."""
        self.memory_mb: dict[int, int] = {}
        """Job of which an attempt lacked memory → what the next one asks for."""
        self.served: dict[int, set[int]] = {}
        """Job of which an attempt failed in the last call of the engine → children that did not need what was missing."""
        self.room = (0, 0, 0)
        """Cores, megabytes of memory and GPUs that the last engine gave to jobs on its machine; 0: not recorded."""
        self.max_jobs = 0
        """How many jobs the last engine let run at once; 0: no limit, or not recorded."""
        self.keep_going = True
        """Whether the last engine continues after a job failed."""
        self.undeclared = bytearray(header.jobs)
        """1 at the position of every job that succeeded and wrote files that it does not declare."""
        self.first_undeclared: tuple[int, list[str]] | None = None
        """The first of them, and the names of such files."""
        self.refreshed: dict[int, str] = {}
        """Job that a refresh of files undid, of which no record of its own says so yet → why it runs again."""
        self._queues = header.remote_sites
        """Sites whose executors report when an attempt runs; at the others it runs at once."""

    def apply(self, entry: EntryOf[AnyDepth]) -> None:
        """Take the next record.

        Raises:
            CorruptJournal: it is about a job that the plan does not have.
        """
        EFFECTS[entry.__class__](self, entry)
        self.last_time = entry.time

    def count(self, state: State) -> int:
        """Return how many jobs are in a state."""
        return self.states.count(state)

    @property
    def succeeded(self) -> bytearray:
        """1 at the position of every job that succeeded."""
        return self.states.translate(_HAS_SUCCEEDED)

    @property
    def is_complete(self) -> bool:
        """Every job succeeded."""
        return self.count(State.SUCCEEDED) == len(self.states)

    def times(self, now: float | None = None) -> RunTimes:
        """Return the times of the run; `now` while an engine is at work, else None."""
        running = () if now is None else self.under_way.items()
        since = (attempt.since for job, attempt in running if self.states[job] == State.RUNNING)
        return self.timekeeper.times(self.last_time if now is None else now, since)

    def note_undeclared(self, job: int, names: list[str]) -> None:
        """Note which files a job that succeeded wrote and does not declare."""
        self.undeclared[job] = bool(names)
        if names and (self.first_undeclared is None or not self.undeclared[self.first_undeclared[0]]):
            self.first_undeclared = job, names

    def _set(self, job: int, state: State) -> None:
        if not 0 <= job < len(self.states):
            raise another_plan(job, len(self.states))
        self.states[job] = state

    def _run_start(self, it: RunStart) -> None:
        if not self.runs:
            self.started = it.time
        self.timekeeper.engine_started(it.time, self.last_time)
        self.runs += 1
        self.outcome, self.requested_stop, self.ended, self.refusal = None, "", 0.0, None
        self.no_room = None
        self.paused.clear()
        self.served.clear()
        self.room = (it.cores, it.memory_mb, it.gpus)
        self.max_jobs, self.keep_going = it.max_jobs, it.keep_going
        self.states = self.states.translate(_TRIED_AGAIN)

    def _refused(self, it: Refused) -> None:
        self.refusal = it

    def _start(self, it: AttemptStart) -> None:
        self._set(it.job, State.QUEUED if it.site in self._queues else State.RUNNING)
        self.under_way[it.job] = AttemptUnderWay(it.attempt, it.site, it.time, it.time)
        if it.attempt > self.attempts[it.job]:
            self.attempts[it.job] = it.attempt
        self.paused.pop(it.job, None)

    def _running(self, it: AttemptRunning) -> None:
        self._set(it.job, State.RUNNING)
        if attempt := self.under_way.get(it.job):
            attempt.since = it.time
            attempt.held, attempt.reason = 0.0, ""

    def _held(self, it: AttemptHeld) -> None:
        self._set(it.job, State.QUEUED)
        if attempt := self.under_way.get(it.job):
            attempt.held, attempt.reason = it.time, it.reason

    def _released(self, it: AttemptReleased) -> None:
        self._set(it.job, State.QUEUED)
        if attempt := self.under_way.get(it.job):
            attempt.held, attempt.reason = 0.0, ""

    def _end(self, it: AttemptEnd[AnyDepth]) -> None:
        self._set(it.job, State.SUCCEEDED if it.record.ok else State.READY)
        if it.attempt > self.attempts[it.job]:
            self.attempts[it.job] = it.attempt
        if attempt := self.under_way.pop(it.job, None):
            self.timekeeper.attempt_ended(attempt.since, it.time, goes_on=attempt.site in self._queues)
        if it.record.ok:
            self.note_undeclared(it.job, it.record.undeclared)

    def _retry(self, it: Retry) -> None:
        self._set(it.job, State.READY)
        self.paused[it.job] = it.time + it.pause_s
        self._ask_memory(it)
        self._serve(it)

    def _give_up(self, it: GiveUp) -> None:
        self._set(it.job, State.FAILED)
        self._ask_memory(it)
        self._serve(it)

    def _incomplete(self, it: Incomplete) -> None:
        self._set(it.job, State.INCOMPLETE)
        self._serve(it)

    def _ask_memory(self, it: Retry | GiveUp) -> None:
        if it.memory_mb:
            self.memory_mb[it.job] = it.memory_mb

    def _serve(self, it: Retry | GiveUp | Incomplete) -> None:
        if it.served:
            self.served.setdefault(it.job, set()).update(it.served)

    def _undone(self, it: Undone) -> None:
        self._set(it.job, State.WAITING)
        self.note_undeclared(it.job, [])
        self.refreshed.pop(it.job, None)

    def _refresh(self, it: Refresh) -> None:
        for job in it.jobs:
            self._set(job, State.WAITING)
            self.note_undeclared(job, [])
        self.refreshed.update(dict.fromkeys(it.jobs, it.why))
        for job in (*it.jobs, *it.unfinished):
            self.memory_mb.pop(job, None)

    def _no_room(self, it: NoRoom) -> None:
        self.no_room = it

    def _halt(self, it: Halt) -> None:
        self.requested_stop = "halt"

    def _remove(self, it: Remove) -> None:
        self.requested_stop = "remove"

    def _interrupt(self, it: Interrupt) -> None:
        self.requested_stop = "interrupt"

    def _run_end(self, it: RunEnd) -> None:
        self.outcome, self.ended, self.requested_stop = it.outcome, it.time, ""
        self.timekeeper.engine_ended(it.time)


EFFECTS: Mapping[type, Callable[[History, Any], None]] = {
    RunStart: History._run_start,
    Refused: History._refused,
    AttemptStart: History._start,
    AttemptRunning: History._running,
    AttemptHeld: History._held,
    AttemptReleased: History._released,
    AttemptEnd: History._end,
    Retry: History._retry,
    GiveUp: History._give_up,
    Incomplete: History._incomplete,
    Undone: History._undone,
    Refresh: History._refresh,
    NoRoom: History._no_room,
    Halt: History._halt,
    Remove: History._remove,
    Interrupt: History._interrupt,
    RunEnd: History._run_end,
}
"""Kind of record → what it changes. Every kind must be listed, also one that changes nothing."""


def another_plan(job: int, jobs: int) -> CorruptJournal:
    """Return the error for a record about a job that a plan of so many jobs does not have."""
    return CorruptJournal(
        f"the journal has a record of a job at position {job}, and the plan has {jobs} jobs",
        hint="plan.jsonl and journal.jsonl are not of the same run: bring the right plan back",
    )
