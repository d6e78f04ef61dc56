"""What the web page of a run is made of: one walk over its plan, one over its journal.

Everything is kept in flat columns: a run of 100,000 jobs has some 100,000
attempts and files, and a million is not out of the question.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from markab.errors import CorruptJournal
from markab.plan.file import PlanFile
from markab.plan.layout import SubmitDir
from markab.plan.model import Kind
from markab.reports.graph import JobGraph
from markab.reports.graph_sources import plan_graph
from markab.reports.graph_states import shown_states
from markab.reports.history import History, Tail
from markab.reports.html_failures import FailureLog
from markab.reports.status import Follower, Status

OK, FAILED, ALIVE, LOST = range(4)
"""How an attempt stands."""


class Invocation(msgspec.Struct):
    """Of a process: what it used."""

    duration_s: float = 0.0
    utime_s: float = 0.0
    stime_s: float = 0.0
    maxrss_kb: int = 0


class MadeFile(msgspec.Struct):
    """A file that a job made."""

    lfn: str
    size: int = 0
    sha256: str = ""


class MovedFile(msgspec.Struct):
    """A file that a job moved."""

    lfn: str
    source: str = ""
    destination: str = ""
    bytes: int = 0
    sha256: str = ""


class Checked(msgspec.Struct):
    """Inputs whose checksum was verified."""

    count: int = 0
    failed: int = 0


class Record(msgspec.Struct):
    """Of a worker's record, what the page needs."""

    ok: bool = False
    host: str = ""
    start: float = 0.0
    end: float = 0.0
    invocations: list[Invocation] = []
    outputs: list[MadeFile] = []
    transfers: list[MovedFile] = []
    checked: Checked | None = None


class Entry(msgspec.Struct):
    """Of a record of the journal, what the page needs."""

    event: str
    time: float = 0.0
    job: int = -1
    attempt: int = 0
    record: Record | None = None


class Names:
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
        """When the engine gave it to the executor."""
        self.run = array("d")
        """When it began to run; `begin` as long as nobody has said."""
        self.end = array("d")
        """0 while it runs."""
        self.verdict = array("b")
        self.host = array("l")

    def __len__(self) -> int:
        return len(self.job)

    def add(self, job: int, number: int, time: float) -> int:
        """Add one that was just started; return its place."""
        self.job.append(job)
        self.number.append(number)
        self.begin.append(time)
        self.run.append(time)
        self.end.append(0.0)
        self.verdict.append(ALIVE)
        self.host.append(-1)
        return len(self.job) - 1


@dataclass
class FileFact:
    """A file of the run, as far as its journal tells."""

    size: int = 0
    sha256: str = ""
    job: int = -1
    """Who made it; -1: nobody here, it was brought in."""
    source: str = ""
    delivered: list[str] = field(default_factory=list)


@dataclass
class Usage:
    """What the successful attempts of one transformation used."""

    runtimes_s: array[float] = field(default_factory=lambda: array("d"))
    memory_kb: array[int] = field(default_factory=lambda: array("q"))
    cpu_s: float = 0.0
    asked_runtime_s: float = 0.0
    asked_memory_mb: int = 0


class RunData:
    """A run, read once."""

    def __init__(self, submit_dir: str | Path | None) -> None:
        """Read it.

        Raises:
            NotARun, CorruptPlan, CorruptJournal, NewerFormat: it cannot be read.
        """
        follower = Follower(submit_dir)
        self.status: Status = follower.read()
        self.place: SubmitDir = follower.place
        self.plan: PlanFile = follower.plan
        self.history: History = follower.history
        self.states: list[str] = shown_states(self.history, self.status.state)
        self.graph: JobGraph = plan_graph(self.plan, self.states if self.history.calls else None)
        self.attempts = Attempts()
        self.hosts = Names()
        self.files: dict[str, FileFact] = {}
        self.usage: dict[str, Usage] = {}
        self.failures = FailureLog(self.graph.xforms)
        self.engines: list[float] = []
        """When engines opened the run."""
        self.retries = self.bytes_in = self.bytes_out = self.checks = self.checks_failed = 0
        self.until = 0.0
        """The latest moment that the journal tells of."""
        self._open: dict[tuple[int, int], int] = {}
        self._read_journal()
        if self.status.state != "Running":
            for place in self._open.values():
                self.attempts.verdict[place] = LOST

    def job_counts(self) -> dict[str, Counter[str]]:
        """Return kind → state → jobs."""
        counts: dict[str, Counter[str]] = {}
        for kind, state in zip(self.graph.kinds, self.states, strict=True):
            counts.setdefault(kind, Counter())[state] += 1
        return counts

    def _read_journal(self) -> None:
        decode = msgspec.json.Decoder(Entry).decode
        tail = Tail(self.place.journal)
        jobs = len(self.plan)
        for body in tail.new():
            try:
                entry = decode(body)
            except msgspec.DecodeError as error:
                raise CorruptJournal(
                    f"{str(self.place.journal)!r}, a record before byte {tail.offset_bytes}: {error}",
                    hint="it was changed after it was written, or a newer Markab wrote it",
                ) from error
            self.until = max(self.until, entry.time)
            # What was appended since `follower.read` belongs to the next page.
            if entry.event == "run-start":
                self.engines.append(entry.time)
                self.failures.engine_started()
            elif not 0 <= entry.job < jobs:
                continue
            elif entry.event == "start":
                self._open[entry.job, entry.attempt] = self.attempts.add(entry.job, entry.attempt, entry.time)
            elif entry.event == "running":
                if (place := self._open.get((entry.job, entry.attempt))) is not None:
                    self.attempts.run[place] = entry.time
            elif entry.event == "retry":
                self.retries += 1
                self.failures.tried_again(entry.job)
            elif entry.event == "give-up":
                self.failures.given_up(entry.job)
            elif entry.event == "end" and entry.record is not None:
                self._end(entry, entry.record, body)

    def _end(self, entry: Entry, record: Record, body: bytes) -> None:
        job, attempts = entry.job, self.attempts
        place = self._open.pop((job, entry.attempt), -1)
        if place < 0:
            place = attempts.add(job, entry.attempt, record.start or entry.time)
        attempts.verdict[place] = OK if record.ok else FAILED
        attempts.end[place] = max(record.end or entry.time, attempts.begin[place])
        attempts.run[place] = min(max(record.start, attempts.run[place]), attempts.end[place])
        if record.host:
            attempts.host[place] = self.hosts.number(record.host)
        if record.checked is not None:
            self.checks += record.checked.count
            self.checks_failed += record.checked.failed
        self._move(job, record)
        if record.ok:
            self._use(job, record)
        else:
            self.failures.failed(job, entry.attempt, body)

    def _use(self, job: int, record: Record) -> None:
        if self.graph.kinds[job] == Kind.COMPUTE and record.invocations:
            name = self.graph.xforms[job]
            usage = self.usage.get(name)
            if usage is None:
                planned = self.plan.job(job)
                usage = self.usage[name] = Usage(
                    asked_runtime_s=planned.runtime_s, asked_memory_mb=planned.memory_mb
                )
            usage.runtimes_s.append(sum(one.duration_s for one in record.invocations))
            usage.memory_kb.append(max(one.maxrss_kb for one in record.invocations))
            usage.cpu_s += sum(one.utime_s + one.stime_s for one in record.invocations)
        for made in record.outputs:
            fact = self._file(made.lfn)
            fact.size, fact.sha256, fact.job = made.size, made.sha256, job

    def _move(self, job: int, record: Record) -> None:
        kind = self.graph.kinds[job]
        for moved in record.transfers:
            fact = self._file(moved.lfn)
            fact.size = moved.bytes or fact.size
            fact.sha256 = moved.sha256 or fact.sha256
            if kind == Kind.STAGE_OUT:
                self.bytes_out += moved.bytes
                if moved.destination not in fact.delivered:
                    fact.delivered.append(moved.destination)
            else:
                self.bytes_in += moved.bytes
                if fact.job < 0:
                    fact.source = moved.source

    def _file(self, lfn: str) -> FileFact:
        fact = self.files.get(lfn)
        if fact is None:
            fact = self.files[lfn] = FileFact()
        return fact
