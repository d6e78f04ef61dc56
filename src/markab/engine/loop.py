"""The loop that runs plans: get starts from the scheduler, record, submit, wait, record, report to the scheduler; repeat.

Decisions are in `scheduler.py`, what belongs to one run is in `open_run.py`; here is
only the order. Two rules matter: a start is in the journal of its run before the
executor gets it, and an end before anything that depends on it starts. While events
cannot be recorded, in a journal or by a recorder in its database, nothing new is
started: of no run, because they share slots, and mostly the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from operator import itemgetter

from markab.engine.clock import Clock
from markab.engine.open_run import OpenRun
from markab.engine.scheduler_protocol import SchedulerProtocol
from markab.engine.time_share import TimeShare
from markab.errors import StorageError
from markab.executors.base import Executor, Report

LOOK_UP_EVERY_S = 0.25
"""The longest wait for jobs, and so the longest delay before a Ctrl-C is handled."""
STARTS_A_TURN = 1000
PUBLISHING_SHARE = 0.05
"""Of the time: with a hundred runs open, the file of each is written less often than once a second."""
ANSWER_DUE_S = 0.02
"""How often the recorders are polled while one does not know yet whether anything may start."""


class Loop:
    """One call of the engine. `run` may be called once; runs are added before, or by `on_finished`."""

    def __init__(
        self,
        scheduler: SchedulerProtocol,
        clock: Clock,
        poll_s: float = 1.0,
        on_finished: Callable[[OpenRun], None] = lambda run: None,
    ) -> None:
        """Start without a run.

        Args:
            scheduler: decides what starts.
            clock: gives the time.
            poll_s: how often to check for requests to halt and remove.
            on_finished: called with each run that has ended; it may add others.
        """
        self._scheduler = scheduler
        self._clock = clock
        self._poll_s = poll_s
        self._on_finished = on_finished
        self._runs: dict[str, OpenRun] = {}
        self._open: tuple[OpenRun, ...] = ()
        """A copy to iterate over, because runs end and others are added meanwhile."""
        self._executors: list[Executor] = []
        self._polled_s = float("-inf")
        self._publishing = TimeShare(PUBLISHING_SHARE)
        self._may_start = True
        """The answer of the recorders in this turn."""
        self._pauses: list[tuple[float, str, int]] = []
        """Monotonic time when it is over, run, job."""
        self._interrupted = False

    def add(self, run: OpenRun) -> None:
        """Start a run, or continue it; others may be running already. Raises as `OpenRun.begin`."""
        run.begin(self._scheduler)
        self._runs[run.id] = run
        self._list_runs()

    def find(self, run: str) -> OpenRun:
        """Return a run that has not ended yet."""
        return self._runs[run]

    def interrupt(self) -> None:
        """Request that the loop cancel what runs, and end; may be called from a signal handler."""
        self._interrupted = True

    def run(self) -> None:
        """Run until every run has ended.

        Raises:
            StorageError: a journal could not be written until the last running job had ended.
        """
        while True:
            self._take_requests()
            self._start()
            self._record_and_submit()
            self._finish()
            if not self._runs:
                return
            self._publish()
            for report in self._wait():
                self._apply(report)
            self._end_pauses()
            for run in self._open:
                run.withdraw_held()

    # -- the steps of a turn -----------------------------------------------------

    def _take_requests(self) -> None:
        now_s = self._clock.monotonic()
        due = now_s - self._polled_s >= self._poll_s
        if due:
            self._polled_s = now_s
        for run in self._open:
            if self._interrupted:
                run.interrupt()
            if due:
                run.take_requests()

    def _start(self) -> None:
        self._may_start, is_writable = True, True
        for run in self._open:
            if not run.recorder.may_start:
                self._may_start = False
            if run.error:
                is_writable = False
        if not (self._may_start and is_writable):
            return
        now = self._clock.epoch()
        for attempt in self._scheduler.starts(STARTS_A_TURN):
            self._runs[attempt.run].start(attempt, now)

    def _record_and_submit(self) -> None:
        """Write the journals; only then submit the attempts whose starts are in them."""
        for run in self._open:
            try:
                run.journal.flush()
            except StorageError as error:
                self._wait_out(run, error)
                continue
            run.error = None
            if self._may_start and run.submission.pending:
                run.submit()

    def _finish(self) -> None:
        for run in self._open:
            if not self._scheduler.is_finished(run.id):
                continue
            try:
                run.finish()
            except StorageError as error:
                self._wait_out(run, error)
                continue
            self._scheduler.forget(run.id)
            del self._runs[run.id]
            self._forget_pauses(run.id)
            self._list_runs()
            self._on_finished(run)

    def _publish(self) -> None:
        """Publish the progress of the runs that are due, the latest first, in the share of time that it may take."""
        now_s = self._clock.monotonic()
        due = [(late, run) for run in self._open if (late := run.meter.overdue(now_s)) >= 1]
        for _, run in sorted(due, key=itemgetter(0), reverse=True):
            if not self._publishing.may_go_on(now_s):
                return
            try:
                run.journal.sync()  # publish nothing that a power loss could undo
            except StorageError as error:
                self._wait_out(run, error)
            run.publish(self._held())
            before_s, now_s = now_s, self._clock.monotonic()
            self._publishing.spend(now_s - before_s)

    def _wait(self) -> Iterable[Report]:
        """Return what the executors report, waiting for all of them at once."""
        timeout_s = self._patience_s()
        if self._scheduler.alive == self._pending():
            self._clock.sleep(timeout_s)
            return ()
        if len(self._executors) == 1:
            return self._executors[0].wait(timeout_s)
        if not (reports := self._reports()):
            self._clock.wait_readable([executor.fileno() for executor in self._executors], timeout_s)
            reports = self._reports()
        return reports

    def _apply(self, report: Report) -> None:
        pause_s = self._runs[report.id.run].apply(report)
        if pause_s:
            heappush(self._pauses, (self._clock.monotonic() + pause_s, report.id.run, report.id.job))

    def _end_pauses(self) -> None:
        """End the pauses that are over."""
        while self._pauses and self._pauses[0][0] <= self._clock.monotonic():
            _, run, job = heappop(self._pauses)
            if run in self._runs:
                self._scheduler.pause_over(run, job)

    # -- helpers -----------------------------------------------------------------

    def _forget_pauses(self, run: str) -> None:
        """Drop the pauses of a run that has ended: it may be added again."""
        if any(one == run for _, one, _ in self._pauses):
            self._pauses = [pause for pause in self._pauses if pause[1] != run]
            heapify(self._pauses)

    def _list_runs(self) -> None:
        self._open = tuple(self._runs.values())
        found = {id(one): one for run in self._runs.values() for one in run.executors}
        self._executors = list(found.values())

    def _reports(self) -> list[Report]:
        return [report for executor in self._executors for report in executor.wait(0.0)]

    def _pending(self) -> int:
        return sum([run.submission.pending for run in self._open])

    def _patience_s(self) -> float:
        """Return how long to wait for jobs until something else is due."""
        is_known = self._may_start or any(run.recorder.error for run in self._runs.values())
        waits = [LOOK_UP_EVERY_S if is_known else ANSWER_DUE_S]
        if self._pauses:
            waits.append(self._pauses[0][0] - self._clock.monotonic())
        for run in self._open:
            if (sync_s := run.journal.sync_due_s()) is not None and not run.error:
                waits.append(sync_s)
        return max(0.0, min(waits))

    def _held(self) -> str:
        """Return why nothing new is started at the moment."""
        for run in self._runs.values():
            if why := run.error or run.recorder.error:
                return f"{why}; nothing new is started until that works"
        return ""

    def _wait_out(self, run: OpenRun, error: StorageError) -> None:
        """Start nothing until a journal can be written again; raise the error when no attempt is left to wait for."""
        run.error = run.error or error
        if run.journal.is_broken or self._scheduler.alive == self._pending():
            run.publish(self._held())
            raise run.error
