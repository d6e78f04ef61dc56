"""A run that DAGMan runs, opened by one step of it: what was recorded so far, and the journal to add to.

Steps of several nodes run at a time, so each takes its turn: it locks a file, reads the journal, adds to it and lets go.
A process of DAGMan is to the journal what an engine is: the first step that it starts writes `run-start`, and the
`FINAL` node `run-end`.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from markab.dagman.dag_layout import DagLayout
from markab.dagman.dag_text import DONE, ENDS_RUN, FAILED, GAVE_UP
from markab.engine.attempt_maker import AttemptMaker, run_context
from markab.engine.recovery import Recovery
from markab.engine.retry_policy import error_kind, is_worth_retrying, run_exit_code
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Record
from markab.executors.orphan_processes import has_attempt, kill_all
from markab.journal.lifecycle import State
from markab.journal.records import (
    NO_RETRY_LEFT,
    AttemptEnd,
    AttemptStart,
    Entry,
    GiveUp,
    OutcomeState,
    Remove,
    Retry,
    RunEnd,
    RunStart,
)
from markab.journal.skipped_jobs import mark_skipped
from markab.journal.writer import Journal
from markab.plan.atomic_file import replacing
from markab.plan.braindump import read_braindump
from markab.plan.model import TRANSFERS
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import SubmitDir
from markab.transfers.error_kinds import ErrorKind
from markab.worker.attempt_spec import attempt_key
from markab.worker.record import unseen_record

ABORTED, REMOVED, HALTED = 3, 4, 6
"""`$DAG_STATUS`: a node ended the DAG, a person removed it, or halted it."""

ENDED_WHILE_IT_RAN = "DAGMan ended while it ran"


class DagRun:
    """A run, while it is this step's turn."""

    def __init__(
        self, layout: DagLayout, plan: PlanFile, uuid: str, journal: Journal, history: Recovery
    ) -> None:
        self.plan, self.history, self.journal, self.uuid = plan, history, journal, uuid
        self.layout = layout
        for position, moved in history.arrived.items():
            if plan.job(position).kind in TRANSFERS:
                history.checksums.learn_arrived(moved)
        self._maker = AttemptMaker(
            plan,
            run_context(SubmitDir(layout.submit_dir), plan.header, uuid),
            history.checksums,
            history.arrived,
            history.done,
            history.sizes,
            history.old_checkpoints,
        )

    def add(self, entry: Entry) -> None:
        """Write a record."""
        self.journal.append(entry)
        self.journal.sync()
        if not isinstance(entry, AttemptEnd):
            self.history.apply(entry)

    # -- one process of DAGMan -----------------------------------------------------------------

    def begin(self) -> None:
        """Record that DAGMan opened the run, unless one of its steps did; what was under way before is lost.

        A DAGMan that HTCondor started again is the same job, finds those of its nodes in the queue, and goes on with them.
        """
        call = os.environ.get("CONDOR_ID", "").strip()
        try:
            is_known = self.layout.call.read_text().strip() == call
        except OSError:
            is_known = False
        if is_known and self.history.runs and self.history.outcome is None:
            return
        self.add(RunStart(time.time(), self.uuid, os.getppid(), socket.gethostname(), self.history.runs))
        for job in list(self.history.under_way):
            self.lose(job, ErrorKind.LOST, ENDED_WHILE_IT_RAN)
        with replacing(self.layout.call) as file:
            file.write(f"{call}\n".encode())

    def finish(self, dag_status: int) -> OutcomeState:
        """Record how it ended."""
        self.begin()
        now = time.time()
        if dag_status in (ABORTED, REMOVED) and self.history.requested_stop != "remove":
            self.add(Remove(now))
        for job in list(self.history.under_way):
            self.lose(job, ErrorKind.CANCELLED, "it was removed together with DAGMan")
        states = bytearray(self.history.states)
        mark_skipped(states, self.plan.outline, self.history.served)
        counts = {state.name.lower(): states.count(state) for state in State if states.count(state)}
        outcome = self._outcome(states, dag_status)
        self.add(RunEnd(time.time(), outcome, counts))
        return outcome

    def _outcome(self, states: bytearray, dag_status: int) -> OutcomeState:
        if states.count(State.SUCCEEDED) == len(states):
            return "success"
        if dag_status in (ABORTED, REMOVED):
            return "removed"
        is_halted = dag_status == HALTED or self.history.requested_stop == "halt"
        return "halted" if is_halted and State.FAILED not in states else "failed"

    # -- attempts ------------------------------------------------------------------------------

    def has_succeeded(self, job: int) -> bool:
        """Return whether a job need not run."""
        return self.history.states[job] == State.SUCCEEDED

    def start(self, job: int) -> Attempt:
        """Record the start of the next attempt of a job; one that was under way never reached HTCondor. Raises CorruptPlan."""
        if job in self.history.under_way:
            self.lose(job, ErrorKind.LOST, ENDED_WHILE_IT_RAN)
        attempt = self._attempt(job, self.history.attempts[job] + 1)
        self.add(AttemptStart(time.time(), job, attempt.job.id, attempt.id.number, attempt.job.site))
        return attempt

    def under_way(self, job: int) -> Attempt | None:
        """Return the attempt of a job that has not ended; None: there is none. Raises CorruptPlan."""
        known = self.history.under_way.get(job)
        return self._attempt(job, known.number) if known is not None else None

    def end(self, attempt: Attempt, record: Record, retries_left: int) -> int:
        """Record the end of an attempt, and what follows; return the exit code that says it to DAGMan."""
        job, number, now = attempt.id.job, attempt.id.number, time.time()
        self.add(AttemptEnd(now, job, number, record))
        if record.get("ok") is True:
            return DONE
        if run_exit_code(record) is not None:
            self.add(GiveUp(now, job, number, "its exit code ends the run, as dagman.ABORT-DAG-ON says"))
            self.add(Remove(now))
            return ENDS_RUN
        if not is_worth_retrying(record, by_cause=self.plan.header.retry_by_cause):
            why = f"trying again would not help against {error_kind(record)!r}"
            self.add(GiveUp(now, job, number, why))
            return GAVE_UP
        if retries_left < 1:
            self.add(GiveUp(now, job, number, NO_RETRY_LEFT))
            return GAVE_UP
        self.add(Retry(now, job, number))
        return FAILED

    def code_again(self, job: int) -> int:
        """Return what `end` returned last for a job: DAGMan asks again if it was killed before it noted that."""
        if self.has_succeeded(job):
            return DONE
        if self.history.requested_stop == "remove":
            return ENDS_RUN
        return GAVE_UP if self.history.states[job] == State.FAILED else FAILED

    def lose(self, job: int, kind: str, why: str) -> None:
        """Record that the attempt of a job is over of which no record will come; end what is left of it on this machine."""
        known = self.history.under_way[job]
        if known.site in self.plan.header.local_sites:
            kill_all(has_attempt(attempt_key(self.uuid, self.plan.job(job).id, known.number)))
        self.add(AttemptEnd(time.time(), job, known.number, unseen_record(kind, why)))
        self.history.under_way.pop(job)
        self.history.states[job] = State.READY

    def _attempt(self, job: int, number: int) -> Attempt:
        return self._maker.make(AttemptId(self.uuid, job, number))


@contextmanager
def open_dag_run(submit_dir: Path) -> Iterator[DagRun]:
    """Open a run when it is this step's turn; the next step waits until the block ends.

    Raises:
        NotARun, CorruptPlan, CorruptJournal, StorageError: it cannot be read or written.
    """
    directory, layout = SubmitDir(submit_dir), DagLayout(submit_dir)
    with open(layout.turn, "a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        with closing(PlanFile(directory.plan)) as plan:
            history = Recovery(plan.header)
            uuid = read_braindump(directory.braindump).get("wf_uuid") or ""
            with closing(Journal.open(directory.journal, history.read)) as journal:
                yield DagRun(layout, plan, uuid, journal, history)
