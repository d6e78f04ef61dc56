"""Following a journal from outside, while an engine may write it, and the jobs' states after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from markab.errors import CorruptJournal
from markab.journal.lifecycle import State
from markab.journal.reader import read_lines


class Tail:
    """A journal read bit by bit; remembers how far it has got."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset_bytes = 0

    def new(self) -> Iterator[bytes]:
        """Yield the bodies of the records committed since the last call, oldest first.

        Nothing at all when there is no journal yet. Raises as `journal/reader.py:read_lines`.
        """
        for start, length, body in read_lines(self.path, self.offset_bytes):
            self.offset_bytes = start + length
            yield body


class Verdict(msgspec.Struct):
    """Whether an attempt succeeded."""

    ok: bool = False


class Happening(msgspec.Struct):
    """What a state depends on, of any record; `journal/records.py` describes them all."""

    event: str
    time: float = 0.0
    job: int = -1
    attempt: int = 0
    site: str = ""
    pid: int = 0
    outcome: str = ""
    pause_s: float = 0.0
    cores: int = 0
    memory_mb: int = 0
    gpus: int = 0
    record: Verdict | None = None


class Alive(msgspec.Struct):
    """An attempt under way."""

    attempt: int
    site: str
    since: float


class History:
    """The state of every job, and of the run, after the records taken so far. No I/O."""

    def __init__(self, jobs: int, executors: Mapping[str, str]) -> None:
        """Begin with nothing: `executors` is site → its executor, which says whether a start is a run."""
        self.states = bytearray(jobs)
        self.alive: dict[int, Alive] = {}
        self.attempts: dict[int, int] = {}
        self.outcome = ""
        """Of the last engine that ended in good order; empty while one is at work, or after it died."""
        self.started = self.ended = 0.0
        self.heard = 0.0
        """When the last record was written."""
        self.calls = 0
        """How many engines have opened the run."""
        self.asked = ""
        """`halt` or `remove`, when the user asked for it and the engine is not done yet."""
        self.paused: dict[int, float] = {}
        """Job whose last attempt failed → when the next may start."""
        self.room = (0, 0, 0)
        """Cores, megabytes of memory and GPUs that the last engine gave to jobs on its machine; 0: not said."""
        self._executors = executors
        self._decode = msgspec.json.Decoder(Happening).decode

    def take(self, body: bytes) -> Happening:
        """Take the next record, and return what of it was understood."""
        happening = self._decode(body)
        self.apply(happening)
        return happening

    def apply(self, happening: Happening) -> None:
        """Take the next record, decoded already.

        Raises:
            CorruptJournal: it tells of a job that the plan does not have.
        """
        if happening.job >= len(self.states):
            raise CorruptJournal(
                f"the journal tells of job {happening.job}, and the plan ends before job {len(self.states)}",
                hint="plan.jsonl and journal.jsonl are not of the same run: bring the right plan back",
            )
        self.heard = happening.time
        if handler := _HANDLERS.get(happening.event):
            handler(self, happening)

    def count(self, state: State) -> int:
        """Return how many jobs are in a state."""
        return self.states.count(state)

    def _run_start(self, it: Happening) -> None:
        if not self.calls:
            self.started = it.time
        self.calls += 1
        self.outcome = self.asked = ""
        self.ended = 0.0
        self.paused.clear()
        self.room = (it.cores, it.memory_mb, it.gpus)
        waiting = bytes(State.WAITING if s in (State.FAILED, State.SKIPPED) else s for s in range(256))
        self.states = self.states.translate(waiting)

    def _start(self, it: Happening) -> None:
        at_once = self._executors.get(it.site, "local") == "local"
        self.states[it.job] = State.RUNNING if at_once else State.QUEUED
        self.alive[it.job] = Alive(it.attempt, it.site, it.time)
        self.attempts[it.job] = it.attempt
        self.paused.pop(it.job, None)

    def _running(self, it: Happening) -> None:
        self.states[it.job] = State.RUNNING
        if attempt := self.alive.get(it.job):
            attempt.since = it.time

    def _end(self, it: Happening) -> None:
        ok = it.record is not None and it.record.ok
        self.states[it.job] = State.SUCCEEDED if ok else State.READY
        self.alive.pop(it.job, None)

    def _retry(self, it: Happening) -> None:
        self.paused[it.job] = it.time + it.pause_s

    def _give_up(self, it: Happening) -> None:
        self.states[it.job] = State.FAILED

    def _undone(self, it: Happening) -> None:
        self.states[it.job] = State.WAITING

    def _asked_for(self, it: Happening) -> None:
        self.asked = it.event

    def _run_end(self, it: Happening) -> None:
        self.outcome, self.ended, self.asked = it.outcome, it.time, ""


_HANDLERS: Mapping[str, Any] = {
    "run-start": History._run_start,
    "start": History._start,
    "running": History._running,
    "end": History._end,
    "retry": History._retry,
    "give-up": History._give_up,
    "undone": History._undone,
    "halt": History._asked_for,
    "remove": History._asked_for,
    "interrupt": History._asked_for,
    "run-end": History._run_end,
}
