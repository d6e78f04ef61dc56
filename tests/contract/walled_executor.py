"""An executor for tests that reaches its node only through the protocol.

To the engine it behaves as a batch system without a shared file system: an attempt waits in a queue,
is sent as a sandbox, runs elsewhere (see `walled_node.py`), and comes back. On demand it answers late,
holds, evicts, loses what came back, and drops attempts. One thread polls the node; `wait` returns what
that found.

Its state is on disk, below `node`, so that another instance finds it again after a crash:

    <node>/<key>/       the sandbox of an attempt, until the engine has recorded its end
    <node>/<key>.lock   its process
    <node>/twice        keys of attempts that were started while another one of their job ran: a bug

    key                 `<run>.<job>.<number>`
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contract import walled_node
from markab.errors import ExecutorUnavailable
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Record, Report, Seen
from markab.executors.remote.compiled_worker import compiled_worker
from markab.executors.remote.sandbox import COMMAND, Sandbox
from markab.transfers.checksum import Verified
from markab.transfers.error_kinds import ErrorKind
from markab.worker.deadlines import GRACE_S
from markab.worker.failure import AttemptFailed
from markab.worker.record import make_record, unseen_record

LOOK_EVERY_S = 0.02
KILL_AFTER_S = 3 * GRACE_S
"""From a cancel to SIGKILL for all that runs: the worker ends its task within its own grace."""


@dataclass
class Faults:
    """Injected errors, by the id of the job; each happens to its first attempt, once."""

    late_s: float = 0.0
    """Ends are reported so much later than they happen."""
    unavailable: int = 0
    """So many calls of `submit` fail first."""
    deaf: int = 0
    """So many polls of the node fail first."""
    holds: Mapping[str, str] = field(default_factory=dict)
    """Job → why it is held before it runs, until `released` is set."""
    released: threading.Event = field(default_factory=threading.Event)
    evicts: frozenset[str] = frozenset()
    """Jobs that are stopped while they run, and queued again."""
    loses: frozenset[str] = frozenset()
    """Jobs that run to their end, and nothing comes back."""
    forgets: frozenset[str] = frozenset()
    """Jobs that are unknown after a crash of the engine."""


class _Job:
    """An attempt at the node."""

    def __init__(self, attempt: Attempt, node: Path, seen: Seen = Seen.QUEUED) -> None:
        run, job, number = attempt.id
        self.attempt = attempt
        self.sandbox = Sandbox(node / f"{run}.{job}.{number}")
        self.seen = seen
        self.was_evicted = False
        self.kill_at_s: float | None = None
        """Set when it is cancelled."""
        self.ended_s: float | None = None

    @property
    def place(self) -> Path:
        """Its directory."""
        return self.sandbox.path

    def is_among(self, jobs: Mapping[str, str] | frozenset[str]) -> bool:
        """Return whether it is the first attempt of one of these jobs."""
        return self.attempt.id.number == 1 and self.attempt.job.id in jobs

    def report(self, record: Record | None = None, reason: str = "") -> Report:
        """Return what is seen of it."""
        return Report(self.attempt.id, self.seen, record, reason, self.place.name)


class WalledExecutor:
    """See the module; meaning of the calls: `executors/base.py`."""

    def __init__(self, node: Path, faults: Faults | None = None) -> None:
        self._node = node
        self._faults = faults or Faults()
        self._verified = Verified()
        self._jobs: dict[AttemptId, _Job] = {}
        self._last_number: dict[tuple[str, int], int] = {}
        self._reports: list[Report] = []
        self._ended: list[_Job] = []
        self._reported: list[_Job] = []
        """Those whose end the last `wait` returned: the engine records it before it calls `wait` again."""
        self._lock = threading.Lock()
        """Of all of the above."""
        self._news, self._notify = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        node.mkdir(parents=True, exist_ok=True)
        self._worker_zip = node / f"worker.{os.getpid()}.zip"
        self._worker_zip.write_bytes(compiled_worker())
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    # -- what the engine calls --

    def submit(self, attempts: Sequence[Attempt]) -> None:
        """Queue `attempts`."""
        if self._faults.unavailable > 0:
            self._faults.unavailable -= 1
            raise ExecutorUnavailable("the batch system does not answer")
        for attempt in attempts:
            with self._lock:
                job = attempt.id.run, attempt.id.job
                if attempt.id.number > self._last_number.get(job, 0):
                    self._last_number[job] = attempt.id.number
                    self._queue(_Job(attempt, self._node))

    def wait(self, timeout_s: float) -> Sequence[Report]:
        """Return what the watcher found."""
        with self._lock:
            for job in self._reported:
                walled_node.clear(job.place)
                job.sandbox.remove()
            self._reported = []
        select.select([self._news], [], [], max(0.0, timeout_s))
        with self._lock:
            try:
                os.read(self._news, 65536)
            except BlockingIOError:
                pass  # nothing happened
            reports, self._reports = self._reports, []
            self._reported, self._ended = self._ended, []
        return reports

    def fileno(self) -> int:
        """Return the descriptor that can be read when there is a report."""
        return self._news

    def cancel(self, attempts: Sequence[AttemptId]) -> None:
        """Let the watcher end them."""
        with self._lock:
            for id_ in attempts:
                if (job := self._jobs.get(id_)) and job.kill_at_s is None:
                    job.kill_at_s = time.monotonic() + KILL_AFTER_S

    def recover(self, attempts: Sequence[Attempt]) -> Sequence[Report]:
        """Find the attempts of an engine that ended again, by their keys."""
        with self._lock:
            return [self._find(attempt) for attempt in attempts if attempt.id not in self._jobs]

    def close(self) -> None:
        """Leave what runs at the node running, as a batch system does."""
        if not self._closing.is_set():
            self._closing.set()
            self._watcher.join()
            os.close(self._news)
            os.close(self._notify)

    # -- the node --

    def _queue(self, job: _Job) -> None:
        try:
            job.sandbox.fill(job.attempt, self._worker_zip)
        except AttemptFailed as error:
            self._end(job, make_record(time.time(), [error]))
            return
        self._jobs[job.attempt.id] = job
        if job.is_among(self._faults.holds):
            job.seen = Seen.HELD
            self._say(job.report(reason=self._faults.holds[job.attempt.job.id]))
        else:
            self._say(job.report())

    def _find(self, attempt: Attempt) -> Report:
        """Return the state of an attempt that an earlier instance had."""
        self._last_number[attempt.id.run, attempt.id.job] = attempt.id.number
        job = _Job(attempt, self._node)
        if job.is_among(self._faults.forgets) or not job.place.exists():
            walled_node.end(job.place, signal.SIGKILL)
            while walled_node.is_alive(job.place):
                time.sleep(LOOK_EVERY_S)
            job.seen = Seen.LOST
        elif job.sandbox.record.exists() and not walled_node.is_alive(job.place):
            job.seen = Seen.ENDED
            self._ended.append(job)
            return job.report(job.sandbox.collect(attempt, self._verified))
        else:
            job.seen = Seen.RUNNING if walled_node.was_started(job.place) else Seen.QUEUED
            self._jobs[attempt.id] = job
        return job.report()

    def _watch(self) -> None:
        while not self._closing.wait(LOOK_EVERY_S):
            with self._lock:
                if self._faults.deaf > 0:
                    self._faults.deaf -= 1
                    continue
                for job in list(self._jobs.values()):
                    self._step(job)

    def _step(self, job: _Job) -> None:
        """Move one attempt on."""
        if job.seen is Seen.RUNNING:
            self._look(job)
        elif job.kill_at_s is not None:
            self._end(job, unseen_record(ErrorKind.CANCELLED, "cancelled before it ran"))
        elif job.seen is Seen.QUEUED:
            self._check_alone(job)
            walled_node.start(job.place, COMMAND)
            job.seen = Seen.RUNNING
            self._say(job.report())
        elif self._faults.released.is_set():
            job.seen = Seen.QUEUED
            self._say(job.report())

    def _check_alone(self, job: _Job) -> None:
        run, position, number = job.attempt.id
        for lock in self._node.glob(f"{run}.{position}.*.lock"):
            if lock.stem != f"{run}.{position}.{number}" and walled_node.is_alive(lock.with_suffix("")):
                with open(self._node / "twice", "a") as file:
                    file.write(f"{job.place.name} beside {lock.stem}\n")

    def _look(self, job: _Job) -> None:
        """Poll an attempt that ran at the last poll."""
        faults, now_s = self._faults, time.monotonic()
        if job.is_among(faults.evicts) and not job.was_evicted:
            job.was_evicted = True
            walled_node.end(job.place, signal.SIGKILL)
            while walled_node.is_alive(job.place):
                time.sleep(LOOK_EVERY_S)
            job.seen = Seen.QUEUED
            self._queue(job)
            return
        if job.kill_at_s is not None:
            walled_node.end(job.place, signal.SIGKILL if now_s >= job.kill_at_s else signal.SIGTERM)
        if walled_node.is_alive(job.place):
            return
        job.ended_s = job.ended_s or now_s
        if now_s < job.ended_s + faults.late_s:
            return
        record = None
        if not job.is_among(faults.loses):
            record = job.sandbox.collect(job.attempt, self._verified)
        if record is None and job.kill_at_s is not None:
            record = unseen_record(ErrorKind.CANCELLED, "ended while it was cancelled")
        self._end(job, record)

    def _end(self, job: _Job, record: Record | None) -> None:
        """Report the end of an attempt; without a record, it is lost."""
        self._jobs.pop(job.attempt.id, None)
        job.seen = Seen.ENDED if record else Seen.LOST
        reason = "" if record else walled_node.log_of(job.place) or "nothing came back"
        self._ended.append(job)
        self._say(job.report(record, reason))

    def _say(self, report: Report) -> None:
        self._reports.append(report)
        try:
            os.write(self._notify, b"!")
        except BlockingIOError:
            pass  # it can be read anyhow
