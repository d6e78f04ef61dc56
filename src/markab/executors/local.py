"""Runs jobs on this machine: starts processes itself, without a shell or a wrapper around them.

One thread (the caller's) starts and reaps processes, and does the small things around
them: a directory, a few small inputs, the hash of a small output. What takes longer (large
files, the network) is done by a few threads; they hand back what they made through a queue and
wake the caller's `wait`.

The life of an attempt: prepare (here or in a thread) → its processes, one after the other →
finish (here or in a thread) → report. A chore (a job of Markab's own) has only one step.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from markab.executors.base import Attempt, AttemptId, Report, RunContext, Seen
from markab.executors.ends import Ends
from markab.executors.family import Family
from markab.executors.guarding import Guarding
from markab.executors.spawn import Environ, make_spawner
from markab.executors.watchdog import ENGINE, has_run, kill_all
from markab.plan.layout import job_directory
from markab.transfers.checksum import Verified
from markab.worker.captured import Capture
from markab.worker.chores import do, is_quick
from markab.worker.deadlines import GRACE_S, Deadlines
from markab.worker.directories import Directories, remove_tree
from markab.worker.finish import Record, failed_record, finish, output_bytes
from markab.worker.invocation import Process, ended, next_process, not_started, open_streams, stopped_because
from markab.worker.prepare import Prepared, Spec, attempt_directory, input_bytes, prepare
from markab.worker.trouble import Trouble, storage_trouble

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_QUICK_BYTES = 1 << 20
"""What is hashed or copied in about a millisecond: handing it to a thread would cost more."""
_THREADS = 4


class _Run:
    """One attempt under way."""

    __slots__ = (
        "captures",
        "deadlines",
        "fresh",
        "id",
        "is_chore",
        "key",
        "pid",
        "prepared",
        "process",
        "spec",
        "stop",
    )

    def __init__(self, id_: AttemptId, spec: Spec) -> None:
        self.id = id_
        self.spec = spec
        self.is_chore = spec["job"]["kind"] != "compute"
        self.key = f"{spec['uuid']}/{spec['job']['id']}/{spec['attempt']}"
        self.stop: threading.Event | None = None
        """Ends what threads do for it."""
        self.deadlines: Deadlines | None = None
        self.prepared: Prepared | None = None
        self.process: Process | None = None
        self.pid = 0
        self.captures: tuple[Capture, Capture] | None = None
        self.fresh = True
        """No process that outlived its task may still write into `captures`."""


class LocalExecutor:
    """This machine as a place that runs jobs; see `executors/base.py` for the meaning of the calls.

    It starts at once whatever it is given: the engine counts the slots.
    """

    def __init__(
        self,
        context: RunContext,
        grace_s: float = GRACE_S,
        keep_failed: bool = False,
        quick_bytes: int = _QUICK_BYTES,
    ) -> None:
        self._context = context
        self._grace_s = grace_s
        self._keep_failed = keep_failed
        self._quick_bytes = quick_bytes
        self._number = os.urandom(8).hex()
        self._environ_base = dict(os.environ, **{ENGINE: self._number})
        self._environ = Environ(self._environ_base)
        self._verified = Verified()
        self._directories = Directories()
        self._spawner = make_spawner()
        self._family = Family(self._number)
        self._guarding = Guarding(self._number)
        self._runs: dict[AttemptId, _Run] = {}
        self._by_pid: dict[int, _Run] = {}
        self._timed: dict[AttemptId, _Run] = {}
        self._last_number: dict[int, int] = {}
        self._reports: list[Report] = []
        self._handed_back: deque[Callable[[], None]] = deque()
        self._free: list[tuple[Capture, Capture]] = []
        self._pool: ThreadPoolExecutor | None = None
        self._ends: Ends | None = None
        self._null = -1
        self._closed = False

    # -- what the engine calls -------------------------------------------------------------

    def submit(self, attempts: Sequence[Attempt]) -> None:
        """Start `attempts`."""
        ends = self._open()
        for attempt in attempts:
            if attempt.id.number <= self._last_number.get(attempt.id.job, 0):
                continue
            self._last_number[attempt.id.job] = attempt.id.number
            run = _Run(attempt.id, self._make_spec(attempt))
            self._runs[attempt.id] = run
            self._begin(run, ends)

    def wait(self, timeout_s: float) -> Sequence[Report]:
        """Return the attempts that ended."""
        ends = self._open()
        give_up = time.monotonic() + timeout_s
        while True:
            while self._handed_back:
                self._handed_back.popleft()()
            now = time.monotonic()
            until = self._send_due_signals(now, give_up)
            if self._reports:
                reports, self._reports = self._reports, []
                return reports
            for pid in ends.wait(max(0.0, until - now)):
                self._process_ended(self._by_pid.pop(pid), pid, ends)
            if not self._reports and not self._handed_back and time.monotonic() >= give_up:
                return []

    def cancel(self, attempts: Sequence[AttemptId]) -> None:
        """SIGTERM now, SIGKILL after the grace."""
        now = time.monotonic()
        for id_ in attempts:
            run = self._runs.get(id_)
            if run is None:
                continue
            if run.deadlines is None:
                run.deadlines = Deadlines(now, 0.0, 0.0, self._grace_s)
            run.deadlines.cancel(now)
            if run.stop is not None:
                run.stop.set()
            if run.pid:
                self._timed[id_] = run
        if self._ends is not None:
            self._ends.wake()
            self._send_due_signals(now, now)

    def recover(self, attempts: Sequence[Attempt]) -> Sequence[Report]:
        """Kill what an engine that died left running; `attempts` are lost, their directories removed."""
        mine = [attempt for attempt in attempts if attempt.id not in self._runs]
        directories = [
            attempt_directory(self._make_spec(attempt))
            for attempt in mine
            if attempt.job.kind.value == "compute" and attempt.job.data != "sharedfs"
        ]
        kill_all(has_run(self._context.uuid, self._number), directories)
        for directory in directories:
            remove_tree(directory)
        return [Report(attempt.id, Seen.LOST) for attempt in mine]

    def close(self) -> None:
        """Kill all tasks, stop all threads, and leave no directory of an attempt behind."""
        if self._closed:
            return
        self._closed = True
        for run in self._runs.values():
            if run.stop is not None:
                run.stop.set()
            if run.pid:
                _signal_group(run.pid, signal.SIGKILL)
        for pid in list(self._by_pid):
            os.waitpid(pid, 0)
        self._by_pid.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        for run in self._runs.values():
            if not run.is_chore and run.spec["job"].get("data") != "sharedfs":
                remove_tree(attempt_directory(run.spec))
            self._give_back(run)
        self._runs.clear()
        self._directories.close()
        if self._ends is None:
            return
        self._family.end_leftovers((), lambda key: False)
        self._family.adopt(False)
        self._guarding.close()
        self._ends.close()
        for pair in self._free:
            for capture in pair:
                capture.close()
        os.close(self._null)

    # -- the steps of an attempt -----------------------------------------------------------

    def _begin(self, run: _Run, ends: Ends) -> None:
        if run.is_chore:
            if is_quick(run.spec["job"], self._quick_bytes):
                self._end(run, do(run.spec, None, self._verified))
            else:
                self._in_thread(run, lambda stop: do(run.spec, stop, self._verified), self._end)
            return
        self._guarding.guard(run.spec["work"], self._family.spared)
        if input_bytes(run.spec) <= self._quick_bytes:
            self._prepared(
                run, prepare(run.spec, self._verified, self._environ_base, None, self._directories)
            )
        else:
            self._in_thread(
                run,
                lambda stop: prepare(run.spec, self._verified, self._environ_base, stop, self._directories),
                self._prepared,
            )

    def _prepared(self, run: _Run, prepared: Prepared) -> None:
        run.prepared = prepared
        if run.deadlines is not None and not prepared.troubles:
            prepared.troubles.append(Trouble("cancelled", f"job '{run.spec['job']['id']}' was cancelled"))
        job = run.spec["job"]
        if not prepared.troubles:
            checkpoint_s, max_wall_s = job.get("checkpoint_s", 0.0), job.get("max_wall_s", 0.0)
            if checkpoint_s or max_wall_s:
                run.deadlines = Deadlines(time.monotonic(), checkpoint_s, max_wall_s, self._grace_s)
                self._timed[run.id] = run
            try:
                run.captures = self._take_captures()
            except OSError as error:
                doing = f"cannot catch the output of job '{job['id']}' in '{self._context.submit_dir}'"
                prepared.troubles.append(storage_trouble(doing, error))
        self._next(run, prepared)

    def _next(self, run: _Run, prepared: Prepared) -> None:
        """Start the next task, or finish."""
        process = next_process(prepared)
        if process is not None and run.captures is not None:
            try:
                self._start(run, process, run.captures)
                return
            except (OSError, Trouble) as error:
                not_started(prepared, process, error)
        self._timed.pop(run.id, None)
        run.pid = 0
        out, err = run.captures or (None, None)
        if prepared.invocations and self._takes_long(run, prepared):
            self._in_thread(run, lambda stop: finish(prepared, out, err, stop), self._end)
        else:
            self._end(run, finish(prepared, out, err))

    def _start(self, run: _Run, process: Process, captures: tuple[Capture, Capture]) -> None:
        fds, opened = open_streams(process, (self._null, captures[0].fd, captures[1].fd))
        try:
            run.pid = self._spawner.start(
                process.executable,
                process.argv,
                process.cwd,
                self._environ.with_own(process.own_environ),
                fds,
            )
        finally:
            for fd in opened:
                os.close(fd)
        run.process = process
        self._by_pid[run.pid] = run
        assert self._ends is not None
        self._ends.watch(run.pid)

    def _process_ended(self, run: _Run, pid: int, ends: Ends) -> None:
        # While it is not reaped, its number and its group's are its own: kill the rest of the group first.
        _signal_group(pid, signal.SIGKILL)
        _, status, usage = os.wait4(pid, 0)
        prepared, process = run.prepared, run.process
        assert prepared is not None and process is not None
        duration_s = time.time() - process.start
        run.pid = 0
        if self._family.end_leftovers(self._by_pid, lambda key: self._is_running(key)):
            run.fresh = False
        why = stopped_because(process, run.deadlines, run.spec["job"]) if run.deadlines is not None else None
        ended(prepared, process, pid, status, usage, duration_s, why)
        self._next(run, prepared)

    def _end(self, run: _Run, record: Record) -> None:
        self._give_back(run)
        self._runs.pop(run.id, None)
        self._reports.append(Report(run.id, Seen.ENDED, record))

    # -- what the steps need ---------------------------------------------------------------

    def _open(self) -> Ends:
        if self._ends is None:
            self._ends = Ends()
            self._family.adopt(True)
            self._null = _above_standard_streams(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        return self._ends

    def _make_spec(self, attempt: Attempt) -> Spec:
        context = self._context
        return {
            "job": msgspec.to_builtins(attempt.job),
            "attempt": attempt.id.number,
            "scratch": attempt.scratch,
            "work": attempt.work,
            "uuid": context.uuid,
            "workflow": context.workflow,
            "submit_dir": context.submit_dir,
            "directory": job_directory(attempt.id.job),
            "integrity": context.integrity,
            "checksums": attempt.checksums,
            "transfer_threads": context.transfer_threads,
            "transfer_attempts": context.transfer_attempts,
            "catalog": context.catalog,
            "keep_failed": self._keep_failed,
        }

    def _in_thread(
        self, run: _Run, work: Callable[[threading.Event], Any], then: Callable[[_Run, Any], None]
    ) -> None:
        """Do `work` in a thread, and `then` with its result in the caller's."""
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="markab")
        stop = run.stop = run.stop or threading.Event()
        ends = self._ends
        assert ends is not None

        def do_it() -> None:
            try:
                result = work(stop)
                self._handed_back.append(lambda: then(run, result))
            except Exception as error:  # a bug must not leave the run waiting for ever
                trouble = Trouble(
                    "internal", f"job '{run.spec['job']['id']}': {type(error).__name__}: {error}"
                )
                record = failed_record([trouble], time.time())
                self._handed_back.append(lambda: self._end(run, record))
            ends.wake()

        self._pool.submit(do_it)

    def _send_due_signals(self, now: float, until: float) -> float:
        """Send what is due; return when to look again, at most `until`."""
        for run in list(self._timed.values()):
            deadlines = run.deadlines
            assert deadlines is not None
            number = deadlines.due(now)
            while number is not None:
                if run.pid:
                    _signal_group(run.pid, number)
                number = deadlines.due(now)
            next_s = deadlines.next_s()
            if next_s is not None:
                until = min(until, next_s)
        return until

    def _takes_long(self, run: _Run, prepared: Prepared) -> bool:
        job = run.spec["job"]
        bytes_ = output_bytes(prepared) if job.get("outputs") else 0
        if run.captures is not None and (job.get("success_messages") or job.get("failure_messages")):
            bytes_ += run.captures[0].size() + run.captures[1].size()
        return bytes_ > self._quick_bytes

    def _is_running(self, key: str) -> bool:
        return any(run.key == key for run in self._by_pid.values())

    def _take_captures(self) -> tuple[Capture, Capture]:
        if self._free:
            return self._free.pop()
        out = Capture(self._context.submit_dir)
        try:
            return out, Capture(self._context.submit_dir)
        except OSError:
            out.close()
            raise

    def _give_back(self, run: _Run) -> None:
        """Keep the capture files for the next attempt, unless something of this one could write into them."""
        pair, run.captures = run.captures, None
        if pair is None:
            return
        if run.fresh:
            for capture in pair:
                capture.empty()
            self._free.append(pair)
        else:
            for capture in pair:
                capture.close()


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # macOS says so of a group in which all have ended


def _above_standard_streams(fd: int) -> int:
    """Return `fd`, or a copy of it with a number of at least 3."""
    if fd > 2:
        return fd
    import fcntl

    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(fd)
    return high
