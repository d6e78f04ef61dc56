"""The loop that runs a plan: ask, write down, submit, wait, write down, tell the scheduler; again.

Decisions are in `scheduler.py`; here is only their order. Two rules matter: a
start stands in the journal before the executor hears of it, and an end before
anything that depends on it starts. While what happens cannot be written down, in
the journal or by the recorder in its database, nothing new is started.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any, NamedTuple

from markab.engine.attempt_maker import AttemptMaker
from markab.engine.control import REMOVE, Requests
from markab.engine.progress_meter import Meter
from markab.engine.recorder import Recorder
from markab.engine.recovery import Checksums, Recovery
from markab.engine.retry_policy import error_kind, is_worth_retrying
from markab.engine.scheduler import Scheduler, Verdict
from markab.errors import ExecutorError, ExecutorUnavailable, StorageError
from markab.executors.base import Attempt, AttemptId, Executor, Record, Report, Seen
from markab.journal.lifecycle import State
from markab.journal.progress import Progress, RunningJob
from markab.journal.records import (
    NO_RETRY_LEFT,
    AttemptEnd,
    AttemptRunning,
    AttemptStart,
    GiveUp,
    Halt,
    Interrupt,
    OutcomeState,
    Remove,
    Retry,
    RunEnd,
)
from markab.journal.writer import Journal

LOOK_UP_EVERY_S = 0.25
"""So long a wait for jobs takes at most: a Ctrl-C is noticed as soon."""
STARTS_A_TURN = 1000
SUBMIT_AGAIN_AFTER_S = 10.0
ANSWER_DUE_S = 0.02
"""So often the recorder is asked while it does not know yet whether anything may start."""


class Clock(NamedTuple):
    """Where the loop takes its time from; tests bring their own."""

    epoch: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Site(NamedTuple):
    """Who runs the jobs of a site."""

    executor: Executor
    is_here: bool = True
    """What it is given runs at once; it does not report RUNNING."""


class Failure(NamedTuple):
    """A job that failed, with the error of its last attempt."""

    id: str
    attempt: int
    error: dict[str, Any]


class Loop:
    """One call of the engine on one run. `run` may be called once."""

    def __init__(
        self,
        scheduler: Scheduler,
        journal: Journal,
        maker: AttemptMaker,
        sites: Mapping[str, Site],
        checksums: Checksums,
        meter: Meter,
        requests: Requests,
        recorder: Recorder,
        clock: Clock,
        poll_s: float = 1.0,
    ) -> None:
        self.failures: dict[int, Failure] = {}
        self.warnings: list[str] = []
        self.progress: Progress | None = None
        """As last published."""
        self._scheduler = scheduler
        self._journal = journal
        self._maker = maker
        self._sites = sites
        self._executors = list({id(site.executor): site.executor for site in sites.values()}.values())
        self._checksums = checksums
        self._meter = meter
        self._requests = requests
        self._recorder = recorder
        self._may_start = True
        """What the recorder said in this turn."""
        self._clock = clock
        self._poll_s = poll_s
        self._polled_s = float("-inf")
        self._running: dict[int, RunningJob] = {}
        self._pending: dict[str, list[Attempt]] = {}
        """Site → attempts that stand in the journal and that its executor has not been given yet."""
        self._not_before_s: dict[str, float] = {}
        self._pauses: list[tuple[float, int]] = []
        self._trouble: StorageError | None = None
        """Why the journal cannot be written at the moment; nothing is started as long."""
        self._interrupted = False
        self._ending: OutcomeState | None = None

    def interrupt(self) -> None:
        """Ask the loop to cancel what runs and to end; may be called from a signal handler."""
        self._interrupted = True

    def run(self, history: Recovery) -> OutcomeState:
        """Run until nothing is alive and nothing more can start.

        Raises:
            StorageError: the journal could not be written until the last running job had ended.
        """
        self._recover(history)
        while True:
            self._obey()
            self._start()
            self._settle()
            if self._scheduler.is_finished:
                return self._finish()
            self._publish()
            for report in self._wait():
                self._apply(report)
            self._wake()

    # -- the steps of a turn -----------------------------------------------------

    def _obey(self) -> None:
        if self._interrupted and self._ending not in ("interrupted", "removed"):
            self._journal.append(Interrupt(self._clock.epoch()))
            self._cancel("interrupted")
        now_s = self._clock.monotonic()
        if now_s - self._polled_s < self._poll_s:
            return
        self._polled_s = now_s
        request = self._requests.take()
        if request == REMOVE:
            self._journal.append(Remove(self._clock.epoch()))
            self._cancel("removed")
        elif request is not None:
            self._journal.append(Halt(self._clock.epoch()))
            self._scheduler.halt()
            self._ending = self._ending or "halted"

    def _start(self) -> None:
        self._may_start = self._recorder.may_start
        if self._trouble or not self._may_start:
            return
        now = self._clock.epoch()
        for attempt_id in self._scheduler.starts(STARTS_A_TURN):
            attempt = self._maker.make(attempt_id)
            job, site = attempt.job, attempt.job.site
            self._journal.append(AttemptStart(now, attempt_id.job, job.id, attempt_id.number, site))
            self._running[attempt_id.job] = RunningJob(job.id, site, attempt_id.number, now)
            self._pending.setdefault(site, []).append(attempt)

    def _settle(self) -> None:
        """Write the journal; then, and only then, hand over what it says was started."""
        try:
            self._journal.flush()
        except StorageError as error:
            self._wait_out(error)
            return
        self._trouble = None
        for name in list(self._pending) if self._may_start else ():
            if self._clock.monotonic() < self._not_before_s.get(name, 0.0):
                continue
            site, attempts = self._sites[name], self._pending[name]
            try:
                site.executor.submit(attempts)
            except ExecutorUnavailable as error:
                self._warn(f"site {name!r} takes no jobs at the moment: {error}")
                self._not_before_s[name] = self._clock.monotonic() + SUBMIT_AGAIN_AFTER_S
                continue
            del self._pending[name]
            if site.is_here:
                for attempt in attempts:
                    self._scheduler.seen_running(attempt.id)

    def _wait_out(self, error: StorageError) -> None:
        """Start nothing until the journal can be written again; give up when nothing is left to wait for."""
        self._trouble = self._trouble or error
        if self._journal.is_broken or self._scheduler.alive == sum(map(len, self._pending.values())):
            self._tell(None)
            raise self._trouble

    def _wait(self) -> Iterable[Report]:
        timeout_s = self._patience_s()
        if self._scheduler.alive == sum(map(len, self._pending.values())):
            self._clock.sleep(timeout_s)
            return ()
        reports: list[Report] = []
        for executor in self._executors:
            reports += executor.wait(0.0 if reports else timeout_s / len(self._executors))
        return reports

    def _patience_s(self) -> float:
        """Return how long to wait for jobs before something else is due."""
        now_s = self._clock.monotonic()
        waits = [LOOK_UP_EVERY_S if self._may_start or self._recorder.trouble else ANSWER_DUE_S]
        if self._pauses:
            waits.append(self._pauses[0][0] - now_s)
        if (sync_s := self._journal.sync_due_s()) is not None and not self._trouble:
            waits.append(sync_s)
        return max(0.0, min(waits))

    def _apply(self, report: Report) -> None:
        if report.seen is Seen.RUNNING:
            self._see_running(report.id)
        elif report.seen is Seen.LOST:
            self._end(report.id, _no_record("lost", "the site no longer knows the job"))
        else:
            self._end(report.id, report.record or _no_record("internal", "the executor made no record"))

    def _wake(self) -> None:
        """End the pauses that are over."""
        while self._pauses and self._pauses[0][0] <= self._clock.monotonic():
            self._scheduler.pause_over(heappop(self._pauses)[1])

    # -- what a report means -----------------------------------------------------

    def _see_running(self, attempt: AttemptId) -> None:
        if self._scheduler.state(attempt.job) is State.QUEUED:
            self._scheduler.seen_running(attempt)
            self._journal.append(AttemptRunning(self._clock.epoch(), attempt.job, attempt.number))

    def _end(self, attempt: AttemptId, record: Record) -> None:
        now = self._clock.epoch()
        ok = record.get("ok") is True
        decision = self._scheduler.ended(attempt, ok, worth_retrying=is_worth_retrying(record))
        self._journal.append(AttemptEnd(now, attempt.job, attempt.number, record))
        running = self._running.pop(attempt.job)
        self._meter.bytes_moved += sum(moved.get("bytes") or 0 for moved in record.get("transfers") or ())
        if decision.verdict is Verdict.DONE:
            self._checksums.learn(record)
        elif decision.verdict is Verdict.RETRY:
            self._meter.retried += 1
            self._journal.append(Retry(now, attempt.job, attempt.number, decision.pause_s))
            if decision.pause_s:
                heappush(self._pauses, (self._clock.monotonic() + decision.pause_s, attempt.job))
        elif decision.verdict is Verdict.GIVE_UP:
            why = NO_RETRY_LEFT
            if not is_worth_retrying(record):
                why = f"trying again would not help against {error_kind(record)!r}"
            self._journal.append(GiveUp(now, attempt.job, attempt.number, why))
            self.failures[attempt.job] = Failure(running.id, attempt.number, dict(record.get("error") or {}))

    def _recover(self, history: Recovery) -> None:
        """Ask the executors what became of the attempts that were under way when the last engine died."""
        by_site: dict[str, list[Attempt]] = {}
        for attempt_id in history.attempts_under_way:
            attempt = self._maker.make(attempt_id)
            job, site = attempt.job, attempt.job.site
            self._running[attempt_id.job] = RunningJob(
                job.id, site, attempt_id.number, history.under_way[attempt_id.job].start
            )
            by_site.setdefault(site, []).append(attempt)
        for site, attempts in by_site.items():
            silent = {attempt.id for attempt in attempts}
            for report in self._sites[site].executor.recover(attempts):
                silent.discard(report.id)
                if report.seen is Seen.LOST:
                    self._take_back(report.id, "lost", "the engine was killed while it ran")
                else:
                    self._apply(report)
            if silent:
                raise ExecutorError(
                    f"the executor of site {site!r} does not say what became of {len(silent)} attempts, "
                    f"such as {min(silent)}",
                    hint="this is a bug in that executor",
                )

    def _cancel(self, ending: OutcomeState) -> None:
        self._ending = ending
        alive = set(self._scheduler.remove())
        for attempts in self._pending.values():
            for attempt in attempts:
                alive.discard(attempt.id)
                self._take_back(attempt.id, "cancelled", "cancelled before it was submitted")
        self._pending.clear()
        by_site: dict[str, list[AttemptId]] = {}
        for attempt_id in sorted(alive):
            by_site.setdefault(self._running[attempt_id.job].site, []).append(attempt_id)
        for site, ids in by_site.items():
            self._sites[site].executor.cancel(ids)

    def _take_back(self, attempt: AttemptId, kind: str, message: str) -> None:
        self._scheduler.returned(attempt)
        self._running.pop(attempt.job)
        self._journal.append(
            AttemptEnd(self._clock.epoch(), attempt.job, attempt.number, _no_record(kind, message))
        )

    # -- telling -----------------------------------------------------------------

    def _publish(self) -> None:
        if not self._meter.is_due(self._clock.monotonic()):
            return
        try:
            self._journal.sync()  # nobody is told of what a power loss could take back
        except StorageError as error:
            self._wait_out(error)
        self._tell(None)

    def _finish(self) -> OutcomeState:
        counts = self._scheduler.counts
        outcome = self._outcome(counts)
        by_name = {state.name.lower(): counts[state] for state in State if counts[state]}
        self._journal.append(RunEnd(self._clock.epoch(), outcome, by_name))
        self._journal.sync()
        self._tell(outcome)
        return outcome

    def _tell(self, outcome: OutcomeState | None) -> None:
        problem = self._meter.write_problem
        warnings = [*self.warnings, *self._recorder.warnings, *([problem] if problem else ())]
        trouble = self._trouble or self._recorder.trouble
        self._meter.held = f"{trouble}; nothing new is started until that works" if trouble else ""
        self._meter.journal_bytes = self._journal.size_bytes
        self._meter.ending = self._ending
        self.progress = self._meter.publish(
            self._clock.monotonic(),
            self._clock.epoch(),
            self._scheduler.counts,
            self._running,
            warnings,
            outcome,
        )

    def _outcome(self, counts: Sequence[int]) -> OutcomeState:
        if counts[State.SUCCEEDED] == sum(counts):
            return "success"
        unfinished = counts[State.WAITING] + counts[State.READY] + counts[State.PAUSED]
        if self._ending in ("removed", "interrupted") or (self._ending and unfinished):
            return self._ending
        return "failed"

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)


def _no_record(kind: str, message: str) -> Record:
    """Return the record of an attempt of which no worker made one."""
    return {"ok": False, "error": {"kind": kind, "message": message}}
