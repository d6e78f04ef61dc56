"""Runs that are jobs of other runs: sub-workflows.

To the engine this is the executor of the jobs that are sub-workflows. An attempt of one has its workflow planned, if
it has no plan yet, and adds the run of that plan to the loop, where it shares the scheduler with all others;
the end of that run is the end of the attempt. Such an attempt takes no slot, so that a tree
of any depth makes progress. A later attempt, and a later engine, go on with the run that is there.
"""

from __future__ import annotations

import select
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Protocol

from markab.engine.child_outcome import failure_record, stopped_record, success_record
from markab.engine.child_planner import ChildPlanner, PlanAnswer, PlanRequest
from markab.engine.open_run import OpenRun
from markab.errors import MarkabError
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Record, Report, Seen
from markab.plan.child_directory import child_directory, planned_directory
from markab.plan.submit_dir import SubmitDir
from markab.transfers.error_kinds import kind_of
from markab.worker.record import unseen_record

OPEN_AT_ONCE = 100
"""Sub-workflows that are planned or run at a time, of all runs together; beyond that, each run may have one."""


class Runs(Protocol):
    """The runs of a loop."""

    def find(self, run: str) -> OpenRun:
        """Return an open run by its uuid."""
        ...

    def add(self, run: OpenRun) -> None:
        """Start a run, or continue it."""
        ...


class OpenedChild(NamedTuple):
    """A sub-workflow that was opened, or was complete already."""

    run: OpenRun
    files: ExitStack
    """To be closed when it has ended."""


OpenChild = Callable[[Path, bool, Mapping[str, str]], OpenedChild]
"""(Submit directory, whether files from outside that were edited are taken anew, checksums of what it gets) → its run."""


class _Child(NamedTuple):
    attempt: Attempt
    opened: OpenedChild


class NestedRuns:
    """The executor of jobs that are sub-workflows; one serves all runs of an engine."""

    def __init__(
        self,
        planner: ChildPlanner,
        runs: Runs,
        open_child: OpenChild,
        on_ended: Callable[[OpenRun], None] = lambda run: None,
    ) -> None:
        """Start without any.

        Args:
            open_child: opens a submit directory, to go on with its run; raises MarkabError.
            on_ended: called with each sub-workflow that has ended, before its files are closed.
        """
        self._planner = planner
        self._runs = runs
        self._open_child = open_child
        self._on_ended = on_ended
        self._waiting: dict[str, deque[Attempt]] = {}
        """Run → attempts of its jobs that wait to be admitted."""
        self._planning: dict[AttemptId, tuple[Attempt, str]] = {}
        """With the directory of each, relative to that of its parent."""
        self._running: dict[str, _Child] = {}
        """By the uuid of the sub-workflow."""
        self._open: Counter[str] = Counter()
        """Run → how many of its sub-workflows are planned or run now."""
        self._reports: list[Report] = []
        self._said: set[str] = set()
        """Warnings of the planner that were passed on."""

    # -- the executor protocol -----------------------------------------------------

    def submit(self, attempts: Sequence[Attempt]) -> None:
        """See `Executor.submit`."""
        for attempt in attempts:
            self._waiting.setdefault(attempt.id.run, deque()).append(attempt)

    def recover(self, attempts: Sequence[Attempt]) -> Sequence[Report]:
        """See `Executor.recover`: each goes on where the last engine left it."""
        self.submit(attempts)
        return [Report(attempt.id, Seen.QUEUED) for attempt in attempts]

    def wait(self, timeout_s: float) -> Sequence[Report]:
        """See `Executor.wait`."""
        if timeout_s > 0 and not (self._reports or self._waiting):
            select.select([self.fileno()], [], [], timeout_s)
        for answer in self._planner.answers():
            self._take(answer)
        self._admit()
        reports, self._reports = self._reports, []
        return reports

    def fileno(self) -> int:
        """See `Executor.fileno`."""
        return self._planner.fileno()

    def cancel(self, attempts: Sequence[AttemptId]) -> None:
        """See `Executor.cancel`."""
        ids = set(attempts)
        self._withdraw(ids)
        for child in list(self._running.values()):
            if child.attempt.id in ids:
                child.opened.run.stop(self._runs.find(child.attempt.id.run).ending or "interrupted")

    def close(self) -> None:
        """See `Executor.close`; the files of runs under way stay open until all executors are closed."""
        self._planner.close()

    # -- the loop --------------------------------------------------------------------

    def finished(self, run: OpenRun) -> None:
        """Take the end of a run of the loop; of one that is no sub-workflow, nothing follows."""
        child = self._running.pop(run.id, None)
        if child is None:
            return
        self._on_ended(run)
        if run.outcome == "success":
            record = success_record(child.attempt, run)
        elif run.outcome == "failed":
            record = failure_record(child.attempt, run)
        else:
            record = stopped_record(run.outcome or "interrupted")
        child.opened.files.close()
        self._end(child.attempt.id, record)

    def halted(self, run: str) -> None:
        """Let the sub-workflows of a run that was halted start nothing new, either."""
        waiting = [attempt.id for attempt in self._waiting.get(run, ())]
        self._withdraw({*waiting, *(id for id in self._planning if id.run == run)})
        for child in list(self._running.values()):
            if child.attempt.id.run == run and child.opened.run.ending is None:
                child.opened.run.stop("halted")

    # -- the steps of an attempt -----------------------------------------------------

    def _admit(self) -> None:
        """Begin the attempts that may; each run may have one, so that none waits for another for ever."""
        for run in list(self._waiting):
            waiting = self._waiting[run]
            while waiting and (self._open.total() < OPEN_AT_ONCE or not self._open[run]):
                attempt = waiting.popleft()
                self._open[run] += 1
                self._begin(attempt)
            if not waiting:
                del self._waiting[run]

    def _begin(self, attempt: Attempt) -> None:
        """Go on with the run that an attempt has already, or have its workflow planned."""
        job, number = attempt.job, attempt.id.number
        assert job.child is not None
        if job.child.run:
            self._open_run(attempt, Path(job.child.run))
            return
        submit_dir = Path(attempt.context.submit_dir)
        found = planned_directory(submit_dir, attempt.id.job, job.id, number)
        if found:
            is_new = found == child_directory(attempt.id.job, job.id, number)
            self._open_run(attempt, submit_dir / found, may_replan=not is_new)
        else:
            self._plan(attempt, child_directory(attempt.id.job, job.id))

    def _plan(self, attempt: Attempt, directory: str) -> None:
        self._planning[attempt.id] = attempt, directory
        self._planner.request(
            PlanRequest(
                attempt.id,
                attempt.context.submit_dir,
                directory,
                dict(attempt.checksums),
            )
        )

    def _take(self, answer: PlanAnswer) -> None:
        found = self._planning.pop(answer.attempt, None)
        if found is None:
            return  # its attempt was withdrawn
        attempt, directory = found
        for text in answer.warnings:
            if text not in self._said:
                self._said.add(text)
                self._runs.find(attempt.id.run).warn(f"sub-workflow {attempt.job.id!r}: {text}")
        if answer.kind:
            self._fail(attempt.id, answer.kind, answer.message, answer.hint)
        else:
            self._open_run(attempt, Path(attempt.context.submit_dir, directory))

    def _open_run(self, attempt: Attempt, directory: Path, *, may_replan: bool = False) -> None:
        # A job that succeeded and runs again since a refresh has read what is another file now.
        is_refreshed = attempt.id.job in self._runs.find(attempt.id.run).history.done_before
        reads = {one.lfn for one in attempt.job.inputs}
        given = {lfn: sha256 for lfn, sha256 in attempt.checksums.items() if lfn in reads}
        try:
            opened = self._open_child(directory, is_refreshed, given)
        except MarkabError as error:
            self._fail(attempt.id, kind_of(error), str(error), error.hint)
            return
        run = opened.run
        if may_replan and _is_outdated(attempt, run, SubmitDir(directory)):
            opened.files.close()
            self._plan(attempt, child_directory(attempt.id.job, attempt.job.id, attempt.id.number))
        elif run.history.is_complete:
            record = success_record(attempt, run)
            opened.files.close()
            self._end(attempt.id, record)
        else:
            self._add(attempt, opened)

    def _add(self, attempt: Attempt, opened: OpenedChild) -> None:
        try:
            self._runs.add(opened.run)
        except MarkabError as error:
            opened.files.close()
            self._fail(attempt.id, kind_of(error), str(error), error.hint)
            return
        self._running[opened.run.id] = _Child(attempt, opened)
        self._reports.append(Report(attempt.id, Seen.RUNNING))

    def _withdraw(self, ids: set[AttemptId]) -> None:
        """Drop attempts whose run is not open yet."""
        for id in [id for id in self._planning if id in ids]:
            del self._planning[id]
            self._end(id, stopped_record("withdrawn before it was planned"))
        for run in {id.run for id in ids} & self._waiting.keys():
            for attempt in [one for one in self._waiting[run] if one.id in ids]:
                self._waiting[run].remove(attempt)
                self._reports.append(
                    Report(attempt.id, Seen.ENDED, stopped_record("withdrawn before it was planned"))
                )
            if not self._waiting[run]:
                del self._waiting[run]

    def _fail(self, id: AttemptId, kind: str, message: str, hint: str = "") -> None:
        record = unseen_record(kind, message)
        if hint:
            record["error"]["hint"] = hint
        self._end(id, record)

    def _end(self, id: AttemptId, record: Record) -> None:
        self._open[id.run] -= 1
        if not self._open[id.run]:
            del self._open[id.run]
        self._reports.append(Report(id, Seen.ENDED, record))


def _is_outdated(attempt: Attempt, run: OpenRun, place: SubmitDir) -> bool:
    """Return whether a run of an earlier attempt is not gone on with: it failed, and `--force-replan` was given; or it
    is complete, and its document is another one now."""
    child = attempt.job.child
    assert child is not None
    if run.history.outcome == "failed":
        return child.force_replan
    if not run.history.was_complete:
        return False
    try:
        copy = place.catalogs / Path(child.document).name
        return copy.read_bytes() != Path(attempt.scratch, child.document).read_bytes()
    except OSError:
        return False
