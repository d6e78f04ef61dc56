"""Runs jobs on this machine, without a shell or a wrapper around them.

One thread (the caller's) requests processes from the launcher, receives their ends, and does the
short steps around them: a directory, a few small inputs, the hash of a small output. What
takes longer (large files, the network) is done by a few threads.

The life of an attempt: prepare (here or in a thread) → its processes, one after the other or several at
once → finish (here or in a thread) → report. An auxiliary job (one of Markab's own) has only one step.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Report, Seen
from markab.executors.capture_files import Captures, Pair
from markab.executors.file_limit import raise_file_limit
from markab.executors.gpus import Gpus
from markab.executors.launcher_client import (
    Event,
    LauncherClient,
    ProcessEnded,
    ProcessLost,
    ProcessRefused,
    ProcessStart,
    ProcessUnstarted,
)
from markab.executors.local_attempt import AttemptRun
from markab.executors.orphan_processes import ENGINE, has_engine, has_runs, kill_all
from markab.executors.thread_pools import ThreadPools
from markab.executors.worker_protocol import attachments_directory, keep_attachments, spec_of
from markab.transfers.base import redact
from markab.transfers.checksum import Verified
from markab.transfers.error_kinds import ErrorKind
from markab.worker.attempt import Prepared, inherited_environ
from markab.worker.attempt_directories import AttemptDirectories, discard_tree
from markab.worker.attempt_spec import attempt_directory
from markab.worker.auxiliary_jobs import is_quick, run_auxiliary_job
from markab.worker.container_command import container_names
from markab.worker.container_removal import remove_all
from markab.worker.deadlines import GRACE_S, Deadlines
from markab.worker.exit_judgement import stop_reason
from markab.worker.failure import AttemptFailed, storage_error
from markab.worker.finish import finish
from markab.worker.inputs import UNKNOWN_BYTES, input_bytes
from markab.worker.invocation import Process, next_series, open_streams, record_end, record_failed_start
from markab.worker.oom_kills import OomKills
from markab.worker.outputs import output_bytes
from markab.worker.prepare import prepare
from markab.worker.record import Record, make_record
from markab.worker.software_environment import Environments
from markab.worker.steady_time import steady_time

_QUICK_BYTES = 1 << 20
"""Hashed or copied in about a millisecond: handing it to a thread would cost more."""


class LocalExecutor:
    """This machine as a place that runs jobs; see `executors/base.py` for the meaning of the calls.

    It starts every attempt at once: the engine counts the slots.
    """

    def __init__(
        self,
        grace_s: float = GRACE_S,
        quick_bytes: int = _QUICK_BYTES,
    ) -> None:
        self._grace_s = grace_s
        self._quick_bytes = quick_bytes
        self._number = os.urandom(8).hex()
        environ = inherited_environ(os.environ)
        self._environ = dict(environ, **{ENGINE: self._number})
        self._verified = Verified()
        self._environments = Environments(environ)
        self._directories = AttemptDirectories(keep=64)
        self._launcher = LauncherClient(environ, self._number, raise_file_limit())
        self._pools = ThreadPools(self._launcher.wake)
        self._captures = Captures()
        self._gpus = Gpus(environ)
        self._oom_kills: OomKills | None = None
        self._runs: dict[AttemptId, AttemptRun] = {}
        self._by_number: dict[int, AttemptRun] = {}
        self._timed: dict[AttemptId, AttemptRun] = {}
        self._last_number: dict[tuple[str, int], int] = {}
        """(Run, job) → number of its last attempt that was submitted."""
        self._last_process = 0
        self._reports: list[Report] = []
        self._null = -1
        self._closed = False

    # -- what the engine calls -------------------------------------------------------------

    def submit(self, attempts: Sequence[Attempt]) -> None:
        """Start `attempts`."""
        self._open()
        for attempt in attempts:
            job = attempt.id.run, attempt.id.job
            if attempt.id.number <= self._last_number.get(job, 0):
                continue
            self._last_number[job] = attempt.id.number
            run = AttemptRun(attempt, spec_of(attempt, attachments_directory(attempt)))
            self._runs[attempt.id] = run
            self._begin(run)

    def wait(self, timeout_s: float) -> Sequence[Report]:
        """Return the attempts that ended."""
        give_up = time.monotonic() + timeout_s
        while True:
            self._pools.finish()
            now = time.monotonic()
            until = self._send_due_signals(now, give_up)
            if self._reports:
                reports, self._reports = self._reports, []
                return reports
            self._receive(self._launcher.wait(max(0.0, until - now)))
            if not self._reports and not self._pools.has_results and time.monotonic() >= give_up:
                return []

    def fileno(self) -> int:
        """Return a descriptor that can be read when a process or thread has finished something."""
        return self._launcher.fileno()

    def cancel(self, attempts: Sequence[AttemptId]) -> None:
        """Send SIGTERM now, SIGKILL after the grace period."""
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
            if run.processes:
                self._timed[id_] = run
        self._launcher.wake()
        self._send_due_signals(now, now)

    def recover(self, attempts: Sequence[Attempt]) -> Sequence[Report]:
        """Kill what a killed engine left running; `attempts` are lost, their directories removed."""
        mine = [attempt for attempt in attempts if attempt.id not in self._runs]
        directories = [
            attempt_directory(spec_of(attempt, ""))
            for attempt in mine
            if attempt.job.kind.value == "compute" and attempt.job.data != "sharedfs"
        ]
        kill_all(has_runs({attempt.context.uuid for attempt in mine}, self._number))
        remove_all([spec_of(attempt, "") for attempt in mine if _has_containers(attempt)])
        for directory in directories:
            discard_tree(directory)
        return [Report(attempt.id, Seen.LOST) for attempt in mine]

    def close(self) -> None:
        """Kill all tasks, stop all threads, and leave no directory of an attempt behind."""
        if self._closed:
            return
        self._closed = True
        for run in self._runs.values():
            if run.stop is not None:
                run.stop.set()
        self._launcher.close()
        self._pools.close()
        remove_all([run.spec for run in self._runs.values()])
        for run in self._runs.values():
            if not run.is_auxiliary and run.spec["job"]["data"] != "sharedfs":
                discard_tree(attempt_directory(run.spec))
            self._give_back(run)
        self._runs.clear()
        self._directories.close()
        self._captures.close()
        if self._null >= 0:
            os.close(self._null)

    # -- the steps of an attempt -----------------------------------------------------------

    def _begin(self, run: AttemptRun) -> None:
        if run.is_auxiliary:
            if is_quick(run.spec, self._quick_bytes):
                self._end(run, run_auxiliary_job(run.spec, None, self._verified))
            else:
                self._in_thread(
                    run, lambda stop: run_auxiliary_job(run.spec, stop, self._verified), self._end, True
                )
            return
        size_bytes = input_bytes(run.spec)
        if size_bytes <= self._quick_bytes and self._environments.is_at_hand(run.spec["environments"]):
            self._prepared(run, self._prepare(run, None))
        else:
            self._in_thread(
                run,
                lambda stop: self._prepare(run, stop),
                self._prepared,
                by_network=size_bytes >= UNKNOWN_BYTES,
            )

    def _prepare(self, run: AttemptRun, stop: threading.Event | None) -> Prepared:
        return prepare(
            run.spec,
            self._verified,
            self._environ,
            stop,
            self._directories,
            environments=self._environments,
        )

    def _prepared(self, run: AttemptRun, prepared: Prepared) -> None:
        run.prepared = prepared
        if run.deadlines is not None and not prepared.errors:
            prepared.errors.append(
                AttemptFailed(ErrorKind.CANCELLED, f"job '{run.spec['job']['id']}' was cancelled")
            )
        job = run.spec["job"]
        if not prepared.errors:
            run.gpus = self._gpus.take(job.get("gpus", 0))
            prepared.environ.update(self._gpus.environ(run.gpus))
            checkpoint_s, max_wall_s = job.get("checkpoint_s", 0.0), job.get("max_wall_s", 0.0)
            if checkpoint_s or max_wall_s:
                late_s = job.get("checkpoint_grace_s", 0.0)
                run.deadlines = Deadlines(time.monotonic(), checkpoint_s, max_wall_s, self._grace_s, late_s)
                self._timed[run.id] = run
            try:
                run.captures = self._captures.take(run.attempt.context.submit_dir)
            except OSError as error:
                doing = f"cannot catch the output of job '{job['id']}' in '{run.attempt.context.submit_dir}'"
                prepared.errors.append(storage_error(doing, error))
        self._next(run, prepared)

    def _next(self, run: AttemptRun, prepared: Prepared) -> None:
        """Start the tasks that may start now; finish if none is under way any more."""
        while run.captures is not None and (series := next_series(prepared)):
            try:
                self._start(run, series, run.captures)
            except (OSError, AttemptFailed) as error:
                record_failed_start(prepared, series[0], error)
                prepared.order.give_back([process.task for process in series[1:]])
        if run.processes:
            return
        self._timed.pop(run.id, None)
        prepared.leftovers = not run.fresh
        out, err = run.captures or (None, None)
        if prepared.invocations and self._takes_long(run, prepared):
            by_network = not run.spec["scratch"]
            self._in_thread(run, lambda stop: finish(prepared, out, err, stop), self._end, by_network)
        else:
            self._end(run, finish(prepared, out, err))

    def _start(self, run: AttemptRun, series: Sequence[Process], captures: Pair) -> None:
        first = series[0]
        fds, opened = open_streams(first, (self._null, captures[0].fd, captures[1].fd))
        number = self._last_process + 1
        self._last_process += len(series)
        commands = [
            ProcessStart(at, process.executable, process.argv, process.task_environ)
            for at, process in enumerate(series, number)
        ]
        try:
            self._launcher.start(commands, first.cwd, first.attempt_environ, fds)
        finally:
            for fd in opened:
                os.close(fd)
        for at, process in enumerate(series, number):
            run.processes[at] = process
            self._by_number[at] = run

    def _receive(self, events: Sequence[Event]) -> None:
        if any(isinstance(one, ProcessLost) for one in events):
            # Nothing that was lost may run any more when that is reported.
            kill_all(has_engine(self._number))
        changed: dict[AttemptId, tuple[AttemptRun, Prepared, list[Process]]] = {}
        """With the processes that were not started after all."""
        for one in events:
            run = self._by_number.pop(one.number)
            prepared, process = run.prepared, run.processes.pop(one.number)
            assert prepared is not None
            _, _, unstarted = changed.setdefault(run.id, (run, prepared, []))
            if isinstance(one, ProcessEnded):
                self._process_ended(run, prepared, process, one)
            elif isinstance(one, ProcessRefused):
                record_failed_start(
                    prepared, process, OSError(one.errno, os.strerror(one.errno), process.executable)
                )
            elif isinstance(one, ProcessUnstarted):
                unstarted.append(process)
            elif not run.processes:
                self._lost(run, prepared, one.why)
                del changed[run.id]
        for run, prepared, unstarted in changed.values():
            prepared.order.give_back([process.task for process in unstarted])
            self._next(run, prepared)

    def _process_ended(
        self, run: AttemptRun, prepared: Prepared, process: Process, end: ProcessEnded
    ) -> None:
        if end.left:
            run.fresh = False
        why = None
        if run.deadlines is not None:
            why = stop_reason(process.task["id"], run.deadlines, run.spec["job"])
        process.start = end.start
        duration_s, kills = end.duration_s, self._oom_kills
        record_end(prepared, process, end.pid, end.status, end.usage, duration_s, why, kills)

    def _lost(self, run: AttemptRun, prepared: Prepared, why: str) -> None:
        """Report an attempt that ended with the launcher, through no fault of its own."""
        run.fresh = False
        self._timed.pop(run.id, None)
        if run.deadlines is not None and run.deadlines.cancelled:
            message = f"job '{run.spec['job']['id']}' was cancelled"
            prepared.errors.append(AttemptFailed(ErrorKind.CANCELLED, message))
            prepared.left_containers = container_names(run.spec)
            self._end(run, finish(prepared, None, None))
            return
        prepared.invocations.clear()
        remove_all([run.spec])
        finish(prepared, None, None)
        self._give_back(run)
        self._runs.pop(run.id, None)
        self._reports.append(Report(run.id, Seen.LOST, reason=why))

    def _end(self, run: AttemptRun, record: Record) -> None:
        self._give_back(run)
        self._runs.pop(run.id, None)
        if "stdout_file" in record or "stderr_file" in record:
            keep_attachments(record, run.spec["attachments"], run.attempt)
        self._reports.append(Report(run.id, Seen.ENDED, record))

    # -- helpers of the steps --------------------------------------------------------------

    def _open(self) -> None:
        self._launcher.open()
        if self._null < 0:
            self._null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            self._oom_kills = OomKills()

    def _in_thread(
        self,
        run: AttemptRun,
        work: Callable[[threading.Event], Any],
        then: Callable[[AttemptRun, Any], None],
        by_network: bool,
    ) -> None:
        """Do `work` in a thread, and `then` with its result in the caller's."""
        stop = run.stop = run.stop or threading.Event()

        def failed(error: Exception) -> None:
            message = f"job '{run.spec['job']['id']}': {type(error).__name__}: {redact(str(error))}"
            self._end(run, make_record(steady_time(), [AttemptFailed(ErrorKind.INTERNAL, message)]))

        self._pools.do(lambda: work(stop), lambda result: then(run, result), failed, by_network)

    def _send_due_signals(self, now: float, until: float) -> float:
        """Send the signals that are due; return when to check again, at most `until`."""
        for run in list(self._timed.values()):
            deadlines = run.deadlines
            assert deadlines is not None
            number = deadlines.due(now)
            while number is not None:
                for process in run.processes:
                    self._launcher.signal(process, number)
                number = deadlines.due(now)
            next_s = deadlines.next_s()
            if next_s is not None:
                until = min(until, next_s)
        return until

    def _takes_long(self, run: AttemptRun, prepared: Prepared) -> bool:
        job = run.spec["job"]
        if prepared.left_containers:
            return True
        if job.get("outputs") and not run.spec["scratch"]:
            return True
        bytes_ = output_bytes(prepared) if job.get("outputs") else 0
        if run.captures is not None and (job.get("success_messages") or job.get("failure_messages")):
            bytes_ += run.captures[0].size() + run.captures[1].size()
        return bytes_ > self._quick_bytes

    def _give_back(self, run: AttemptRun) -> None:
        pair, run.captures = run.captures, None
        if pair is not None:
            self._captures.give_back(pair, run.attempt.context.submit_dir, is_ours=run.fresh)
        taken, run.gpus = run.gpus, []
        self._gpus.give_back(taken)


def _has_containers(attempt: Attempt) -> bool:
    return any(task.container is not None for task in attempt.job.tasks)
