"""The data of a run's web page, from one pass over its plan and one over its journal.

Attempts are kept in flat columns: a run of a million jobs has millions of them.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from markab.diagnosis.failure_analysis import Analysis, Analyzer
from markab.journal.attempt_record import AttemptRecord
from markab.journal.reader import Line
from markab.journal.records import (
    AttemptEnd,
    AttemptRunning,
    AttemptStart,
    EntryOf,
    Retry,
    RunStart,
)
from markab.plan.model import Kind
from markab.reports.graph.drawing import JobGraph
from markab.reports.graph.sources import plan_graph
from markab.reports.graph.state_styles import shown_states
from markab.reports.html.failures import RetriedFailures
from markab.reports.status import Status, current_status
from markab.transfers.error_kinds import ErrorKind

OK, FAILED, ALIVE, LOST = range(4)
"""The state of an attempt; LOST: it ended for a reason outside the job."""
NO_FAULT = (ErrorKind.LOST, ErrorKind.CANCELLED)
"""The kinds of errors of attempts that are LOST."""


class StringTable:
    """Strings that occur often, as small numbers."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._number: dict[str, int] = {}

    def number(self, name: str) -> int:
        """Return the number of a name."""
        if (known := self._number.get(name)) is None:
            known = self._number[name] = len(self.all)
            self.all.append(name)
        return known


class Attempts:
    """All attempts, by column, in the order they were started."""

    def __init__(self) -> None:
        self.job = array("l")
        self.number = array("l")
        self.begin = array("d")
        """When the engine submitted it to the executor."""
        self.run = array("d")
        """When it began to run; `begin` until that is recorded."""
        self.end = array("d")
        """0 while it runs."""
        self.verdict = array("b")
        self.host = array("l")

    def __len__(self) -> int:
        return len(self.job)

    def add(self, job: int, number: int, time: float) -> int:
        """Add an attempt that was just started; return its row."""
        self.job.append(job)
        self.number.append(number)
        self.begin.append(time)
        self.run.append(time)
        self.end.append(0.0)
        self.verdict.append(ALIVE)
        self.host.append(-1)
        return len(self.job) - 1


Url = int | str
"""A URL of a file: the number of the part before its name or, if it does not end in the name, the whole."""


class FileFact(msgspec.Struct, gc=False):
    """A file of the run, as recorded in the journal."""

    size: int = 0
    sha256: str = ""
    job: int = -1
    """The job that made it; -1: it came from outside."""
    source: Url = -1
    delivered: tuple[Url, ...] = ()


@dataclass
class Usage:
    """What the successful attempts of one transformation used."""

    runtimes_s: array[float] = field(default_factory=lambda: array("d"))
    memory_kb: array[int] = field(default_factory=lambda: array("q"))
    cpu_s: float = 0.0
    asked_runtime_s: float = 0.0
    asked_memory_mb: int = 0


class RunData(Analyzer):
    """A run, read once."""

    depth = AttemptRecord

    def __init__(self, submit_dir: str | Path | None) -> None:
        """Read it.

        Raises:
            NotARun, CorruptPlan, CorruptJournal, NewerFormat: it cannot be read.
        """
        super().__init__(submit_dir)
        self.graph: JobGraph = plan_graph(self.plan, None)
        self.attempts = Attempts()
        self.hosts, self.places = StringTable(), StringTable()
        self.files: dict[str, FileFact] = {}
        self.usage: dict[str, Usage] = {}
        self.retried = RetriedFailures(self.graph.xforms)
        self.engines: list[float] = []
        """The times at which engines opened the run."""
        self.retries = self.bytes_in = self.bytes_out = self.checks = self.checks_failed = 0
        self.until = 0.0
        """The time of the latest record."""
        self._silent_since = 0.0
        """The time of the last record of the engine before this one."""
        self._open: dict[tuple[int, int], int] = {}
        self.status: Status = current_status(self)
        self.failures: Analysis = self.analysis()
        self.states: list[str] = shown_states(self)
        if self.history.runs:
            self.graph.states = self.states
        if not self.has_engine:
            for place in self._open.values():
                self.attempts.verdict[place] = LOST

    def job_counts(self) -> dict[str, Counter[str]]:
        """Return kind → state → jobs."""
        counts: dict[str, Counter[str]] = {}
        for kind, state in zip(self.graph.kinds, self.states, strict=True):
            counts.setdefault(kind, Counter())[state] += 1
        return counts

    def take(self, entry: EntryOf[Any], line: Line) -> None:
        """Add the next record to the columns."""
        super().take(entry, line)
        match entry:
            case AttemptStart(job=job, attempt=number, time=time):
                self._open[job, number] = self.attempts.add(job, number, time)
            case AttemptRunning(job=job, attempt=number, time=time):
                if (place := self._open.get((job, number))) is not None:
                    self.attempts.run[place] = time
            case AttemptEnd():
                self._end(entry, line[2])
            case Retry(job=job):
                self.retries += 1
                self.retried.tried_again(job)
            case RunStart(time=time):
                self._silent_since = self.until
                self.engines.append(time)
                self.retried.engine_started()
        self.until = max(self.until, entry.time)

    def _end(self, entry: AttemptEnd[AttemptRecord], body: bytes) -> None:
        job, record, attempts = entry.job, entry.record, self.attempts
        place = self._open.pop((job, entry.attempt), -1)
        if place < 0:
            place = attempts.add(job, entry.attempt, record.start or entry.time)
        end = record.end or entry.time
        if record.ok:
            attempts.verdict[place] = OK
        elif record.error is not None and record.error.kind in NO_FAULT:
            attempts.verdict[place] = LOST
            if attempts.begin[place] <= self._silent_since:
                end = min(end, self._silent_since)  # it was not observed while no engine ran
        else:
            attempts.verdict[place] = FAILED
        attempts.end[place] = max(end, attempts.begin[place])
        attempts.run[place] = min(max(record.start or 0.0, attempts.run[place]), attempts.end[place])
        if record.host:
            attempts.host[place] = self.hosts.number(record.host)
        if record.checked is not None:
            self.checks += record.checked.count
            self.checks_failed += record.checked.failed
        self._move(job, record)
        self._make(job, record)
        if record.ok:
            self._use(job, record)
        else:
            self.retried.failed(job, entry.attempt, record.error, body)

    def _use(self, job: int, record: AttemptRecord) -> None:
        if self.graph.kinds[job] == Kind.COMPUTE and record.invocations:
            name = self.graph.xforms[job]
            usage = self.usage.get(name)
            if usage is None:
                planned = self.plan.job(job)
                usage = self.usage[name] = Usage(
                    asked_runtime_s=planned.runtime_s, asked_memory_mb=planned.memory_mb
                )
            usage.runtimes_s.append(sum(one.duration_s for one in record.invocations))
            usage.memory_kb.append(max(one.maxrss_kb or 0 for one in record.invocations))
            usage.cpu_s += sum((one.utime_s or 0.0) + one.stime_s for one in record.invocations)

    def _make(self, job: int, record: AttemptRecord) -> None:
        """Note what an attempt made, also one that failed: of its outputs, those that are in place."""
        for made in record.outputs:
            fact = self._file(made.lfn)
            fact.size, fact.sha256, fact.job = made.size or 0, made.sha256 or "", job

    def _move(self, job: int, record: AttemptRecord) -> None:
        kind = self.graph.kinds[job]
        for moved in record.transfers:
            fact = self._file(moved.lfn)
            fact.size = moved.bytes or fact.size
            fact.sha256 = moved.sha256 or fact.sha256
            if kind == Kind.STAGE_OUT:
                self.bytes_out += moved.moved_bytes
                if (place := self._short(moved.destination, moved.lfn)) not in fact.delivered:
                    fact.delivered += (place,)
            else:
                self.bytes_in += moved.bytes or 0
                if fact.job < 0:
                    fact.source = self._short(moved.source, moved.lfn)

    def _short(self, url: str, lfn: str) -> Url:
        return self.places.number(url.removesuffix(lfn)) if url.endswith(lfn) else url

    def _file(self, lfn: str) -> FileFact:
        fact = self.files.get(lfn)
        if fact is None:
            fact = self.files[lfn] = FileFact()
        return fact
