"""One run while an engine runs it: its plan, its journal, and its attempts under way.

It records what the loop, the executors and the user report of this run, and
passes it on to the scheduler; the decisions are the scheduler's.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import msgspec

from markab.engine.attempt_maker import AttemptMaker
from markab.engine.clock import Clock
from markab.engine.control import REMOVE, Requests
from markab.engine.earlier_results import EarlierResults, Offer
from markab.engine.hold_limit import HoldLimit
from markab.engine.partial_job import FailedParent, partial_job, served_children
from markab.engine.progress_meter import Meter
from markab.engine.recorder import Recorder
from markab.engine.recovered_space import scratch_sizes
from markab.engine.recovery import Recovery
from markab.engine.retry_policy import (
    error_kind,
    is_incomplete,
    is_worth_retrying,
    lacked_memory,
    next_memory_mb,
    run_exit_code,
)
from markab.engine.scheduler_protocol import SchedulerProtocol, Verdict
from markab.engine.scratch_report import excess_text, lack_text, scratch_use
from markab.engine.scratch_space import ScratchSpace
from markab.engine.slots import Slots
from markab.engine.submission import Submission
from markab.errors import ExecutorError, JobRejected, StorageError
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Executor, Record, Report, Seen
from markab.formatting import titled
from markab.journal.attempt_record import Products
from markab.journal.lifecycle import ALIVE, State
from markab.journal.progress import RunningJob
from markab.journal.records import (
    NO_RETRY_LEFT,
    AttemptEnd,
    AttemptHeld,
    AttemptReleased,
    AttemptRunning,
    AttemptStart,
    GiveUp,
    Halt,
    Incomplete,
    Interrupt,
    NoRoom,
    OutcomeState,
    Refused,
    Remove,
    Retry,
    RunEnd,
    RunStart,
)
from markab.journal.undeclared_files import undeclared_text
from markab.journal.writer import Journal
from markab.plan.machine_texts import RUNS_ALONE, cores_text, memory_text
from markab.plan.model import TRANSFERS, Kind, PlannedJob
from markab.plan.plan_file import PlanFile, with_memory
from markab.transfers.error_kinds import ErrorKind
from markab.worker.record import unseen_record

CLAMPED_SHOWN = 5

LOSSES_NOT_COUNTED = 3
"""How often a job may be lost before that counts as a failed attempt: it may be what ends its launcher."""


class Failure(NamedTuple):
    """A job that failed, with the error of its last attempt."""

    id: str
    attempt: int
    error: dict[str, Any]


@contextmanager
def recording_refusal(journal: Journal, clock: Clock) -> Iterator[None]:
    """Write into the journal why the run is refused, for those who look at it later."""
    try:
        yield
    except JobRejected as error:
        journal.append(Refused(clock.epoch(), error.message, error.hint))
        with suppress(StorageError):  # the user gets the reason in any case
            journal.sync()
        raise


class OpenRun:
    """One run; its loop calls `begin` once, then the other methods as events occur, then `finish`."""

    def __init__(
        self,
        id: str,
        plan: PlanFile,
        history: Recovery,
        journal: Journal,
        maker: AttemptMaker,
        executors: Mapping[str, Executor],
        meter: Meter,
        requests: Requests,
        recorder: Recorder,
        clock: Clock,
        max_jobs: int | None = None,
        keep_going: bool = True,
        earlier: EarlierResults | None = None,
    ) -> None:
        """Args: `earlier` has the results of earlier runs, if they are reused by content."""
        self.id = id
        """Its uuid."""
        self.plan = plan
        self.history = history
        """As it was before this engine, but for what is learned of files."""
        self.journal = journal
        self.meter = meter
        self.recorder = recorder
        self.failures: dict[int, Failure] = {}
        """Position → job that failed."""
        self.warnings: list[str] = []
        self.space: ScratchSpace | None = None
        """The room in scratch, if that has a bound; to be set before `begin`."""
        self.on_halt: Callable[[str], None] = lambda run: None
        """Called when nothing new of it is started from here on: so that its sub-workflows do the same."""
        self.error: StorageError | None = None
        """Why the journal cannot be written at the moment; until it can, nothing is started."""
        self.outcome: OutcomeState | None = None
        """Set when the run has ended, together with `counts` and `states`."""
        self.exit_code: int | None = None
        """Of this call of the engine, if a job says so."""
        self.counts: dict[str, int] = {}
        """Number of jobs by the name of their state, where it is not 0."""
        self.states = b""
        """State of every job."""
        self._maker = maker
        self._executors = executors
        self._remote_sites = plan.header.remote_sites
        self._requests = requests
        self._clock = clock
        self._max_jobs = max_jobs
        self._keep_going = keep_going
        self._earlier = earlier
        self._offers: dict[int, Offer] = {}
        """Job whose attempt brings what an earlier run made → what that is."""
        self._run_tasks: set[int] = set()
        """Jobs of which that failed in this call."""
        self._running: dict[int, RunningJob] = {}
        self._losses: Counter[int] = Counter()
        """Job → how many of its attempts were lost."""
        self.submission = Submission(executors, plan.header.local_sites, clock, self.warn)
        self._holds = HoldLimit(plan.header.hold_limit_s, clock)
        self._ending: OutcomeState | None = None
        self._scheduler: SchedulerProtocol
        self._failed_parents: Mapping[int, Sequence[int]] = {}

    @property
    def executors(self) -> list[Executor]:
        """Those of its sites, each once."""
        return list({id(executor): executor for executor in self._executors.values()}.values())

    # -- its beginning and its end -----------------------------------------------

    def begin(self, scheduler: SchedulerProtocol) -> None:
        """Add its jobs to the scheduler, and recover the attempts of the last engine.

        Raises:
            JobRejected: a job needs GPUs that are not there; the journal says that it was refused.
            ExecutorError: an executor does not report the state of an attempt.
        """
        history, header = self.history, self.plan.header
        with recording_refusal(self.journal, self._clock):
            clamped = scheduler.add(
                self.id,
                with_memory(self.plan.outline, history.memory_mb),
                limits=header.limits,
                max_jobs=self._max_jobs,
                max_idle=header.max_idle,
                succeeded=history.succeeded,
                attempts=history.attempts,
                under_way=history.under_way,
                remote_sites=header.remote_sites,
                keep_going=self._keep_going,
                space=self.space,
                name_of=lambda position: f"job {self.plan.job(position).id!r}",
            )
        del self.plan.outline  # half a gigabyte for a million jobs, and the scheduler has what it needs of it
        self._scheduler = scheduler
        self._failed_parents = scheduler.failed_parents(self.id)
        for position, moved in history.arrived.items():
            if self.plan.job(position).kind in TRANSFERS:
                history.checksums.learn_arrived(moved)
        if clamped:
            self.warnings.insert(0, _clamped(clamped, scheduler.slots))
        now, pid, host = self._clock.epoch(), os.getpid(), socket.gethostname()
        options = self._max_jobs or 0, self._keep_going
        self.meter.engine_started, self.meter.active_before_s = now, history.times().active_s
        self.journal.append(RunStart(now, self.id, pid, host, history.runs, *scheduler.slots, *options))
        self._recover()

    def finish(self) -> None:
        """Write the end of the run; again, if that failed.

        Raises:
            StorageError: the journal cannot be written.
        """
        counts = self._scheduler.counts(self.id)
        if self.outcome is None:
            if self.space is not None and self.space.is_stuck and self._ending is None:
                self._note_lack(self.space)
            if undeclared := undeclared_text(self.history, self.plan, self.journal.path.parent):
                self.warnings.append(undeclared)
            self.outcome = self._outcome(counts)
            self.counts = {state.name.lower(): counts[state] for state in State if counts[state]}
            self.states = self._scheduler.states(self.id)
            self.journal.append(RunEnd(self._clock.epoch(), self.outcome, self.counts))
        self.journal.sync()
        is_success = self.outcome == "success"
        if self._earlier is not None and (problem := self._earlier.record(succeeded=is_success)):
            self.warn(problem)
        self.publish("")

    def publish(self, held: str) -> None:
        """Report progress to the observer and to `status.json`; `held` is the reason why nothing is started."""
        meter = self.meter
        problem = [meter.write_problem] if meter.write_problem else []
        meter.held = held
        meter.journal_bytes = self.journal.size_bytes
        meter.ending = self._ending
        if self.space is not None:
            meter.scratch = scratch_use(self.space, self.plan.header.scratch)
        meter.publish(
            self._clock.monotonic(),
            self._clock.epoch(),
            self._scheduler.counts(self.id),
            self._running,
            [*self.warnings, *self.recorder.warnings, *problem, *self._on_hold()],
            self.outcome,
        )

    # -- requests of the user ----------------------------------------------------

    def take_requests(self) -> None:
        """Carry out the requests in `control/`."""
        request = self._requests.take()
        if request == REMOVE:
            self._remove()
        elif request is not None:
            self._halt()

    def interrupt(self) -> None:
        """Cancel what runs; a second call does nothing."""
        if self._ending not in ("interrupted", "removed"):
            self.journal.append(Interrupt(self._clock.epoch()))
            self._cancel("interrupted")

    @property
    def ending(self) -> OutcomeState | None:
        """How it will end, if that was requested."""
        return self._ending

    def stop(self, ending: OutcomeState) -> None:
        """End it as its parent ends, of which it is a sub-workflow: "halted", "removed" or "interrupted"."""
        if ending == "halted":
            self._halt()
        elif ending == "removed":
            self._remove()
        else:
            self.interrupt()

    def _halt(self) -> None:
        self.journal.append(Halt(self._clock.epoch()))
        self._scheduler.halt(self.id)
        self._ending = self._ending or "halted"
        self.on_halt(self.id)

    def _remove(self) -> None:
        self.journal.append(Remove(self._clock.epoch()))
        self._cancel("removed")

    # -- attempts ----------------------------------------------------------------

    def start(self, id: AttemptId, now: float) -> None:
        """Record the start of an attempt; `submit` passes it to its executor when the journal is written."""
        failed = self._failed_parents.get(id.job)
        attempt = self._maker.make(id, self._described(failed) if failed else ())
        job = attempt.job
        if self._earlier is not None:
            attempt = self._with_offer(self._earlier, attempt)
        self.journal.append(AttemptStart(now, id.job, job.id, id.number, job.site))
        self._running[id.job] = self._running_job(job, id.number, now)
        self.submission.add(attempt)

    def _with_offer(self, earlier: EarlierResults, attempt: Attempt) -> Attempt:
        """Return an attempt that brings what an earlier run made, if there is that; else the one that runs the tasks."""
        job = attempt.id.job
        offer = None if job in self._run_tasks else earlier.offer(attempt, self.history.checksums)
        if offer is None:
            return attempt
        self._offers[job] = offer
        return offer.attempt(attempt)

    def _running_job(self, job: PlannedJob, attempt: int, start: float) -> RunningJob:
        queued = job.site in self._remote_sites
        return RunningJob(job.id, job.site, attempt, start, queued=queued, label=job.label)

    def submit(self) -> None:
        """Submit the attempts whose starts are in the journal."""
        for attempt in self.submission.submit():
            self._scheduler.seen_running(attempt.id)

    def apply(self, report: Report) -> float:
        """Take a report of an executor; return the seconds after which the job's pause is over (0: no pause)."""
        id, seen = report.id, report.seen
        if seen is Seen.ENDED:
            return self._end(
                id, report.record or unseen_record(ErrorKind.INTERNAL, "the executor made no record")
            )
        if seen is Seen.LOST:
            return self._lose(id, report.reason)
        # A late report about an attempt that has ended is ignored.
        if self._scheduler.state(self.id, id.job) in ALIVE and self._running[id.job].attempt == id.number:
            self._see(report)
        return 0.0

    def _lose(self, id: AttemptId, reason: str) -> float:
        """Take an attempt back that was lost through no fault of its own; a job that is lost often fails."""
        if why := self._holds.ended(id):
            return self._end(id, unseen_record(ErrorKind.HELD, why))
        message = f"it was lost at site {self._running[id.job].site!r}" + (f": {reason}" if reason else "")
        self._losses[id.job] += 1
        if self._losses[id.job] > LOSSES_NOT_COUNTED:
            return self._end(id, unseen_record(ErrorKind.LOST, message))
        self._take_back(id, ErrorKind.LOST, message)
        return 0.0

    def _see(self, report: Report) -> None:
        """Take the state of an attempt that is alive."""
        id, seen, before, now = report.id, report.seen, self._running[report.id.job], self._clock.epoch()
        held = report.reason or "it gives no reason" if seen is Seen.HELD else ""
        after = msgspec.structs.replace(
            before,
            held=held,
            queued=before.queued if held else seen is Seen.QUEUED,
            reason=report.reason if seen is Seen.QUEUED else "",
            native_id=report.native_id or before.native_id,
            host=report.host if seen is Seen.RUNNING else "",
        )
        if after != before:  # replaced, because observers may keep the object
            self._running[id.job] = after
        if not held:
            self._holds.over(id)
        if held:
            if held != before.held:
                self.journal.append(AttemptHeld(now, id.job, id.number, held, after.native_id))
            self._holds.held(id, held, now)
            self._scheduler.seen_held(id, held)
        elif seen is Seen.QUEUED:
            if before.held:
                self.journal.append(AttemptReleased(now, id.job, id.number))
            self._scheduler.seen_queued(id)
        elif self._scheduler.state(self.id, id.job) is State.QUEUED:
            if before.held:
                self.journal.append(AttemptReleased(now, id.job, id.number))
            self._scheduler.seen_running(id)
            self.journal.append(AttemptRunning(now, id.job, id.number, after.native_id, report.host))

    def withdraw_held(self) -> None:
        """Cancel the attempts that their sites have held for too long, so that the next can start."""
        for id in self._holds.withdraw():
            job = self._running[id.job]
            self.warn(
                f"site {job.site!r} held {titled(job.id, job.label)} too long: it is withdrawn, and tried again"
            )
            self._executors[job.site].cancel([id])

    def _end(self, id: AttemptId, record: Record) -> float:
        if self._ending is not None and error_kind(record) == ErrorKind.STOPPED:
            self._take_back(id, ErrorKind.STOPPED, record["error"]["message"])
            return 0.0
        now = self._clock.epoch()
        if (offer := self._offers.pop(id.job, None)) is not None:
            if record.get("ok") is not True:
                return self._run_tasks_of(id, record)
            record = offer.record(record)
        ok = record.get("ok") is True
        if (why := self._holds.ended(id)) and error_kind(record) == ErrorKind.CANCELLED:
            record = unseen_record(ErrorKind.HELD, why)
        served = [] if ok else self._learn_failed(id.job, record)
        more_mb = None if ok else self._more_memory(id.job, record)
        is_worth = is_worth_retrying(record, by_cause=self.plan.header.retry_by_cause) and more_mb != 0
        decision = self._scheduler.ended(
            id,
            ok,
            worth_retrying=ok or is_worth,
            incomplete=not ok and is_incomplete(record),
            served=served,
            memory_mb=more_mb or 0,
        )
        if more_mb and decision.verdict in (Verdict.RETRY, Verdict.GIVE_UP):
            self.history.memory_mb[id.job] = more_mb
        if self.space is not None and self.space.knows(id.job):
            was_over = self.space.over().keys()
            self._count_files(self.space, id.job, record, decision.verdict)
            for site in self.space.over().keys() - was_over:
                self.warn(excess_text(site, self.space.use()[site], self.plan.title(id.job)))
        self.journal.append(AttemptEnd(now, id.job, id.number, record))
        running = self._running.pop(id.job)
        for moved in record.get("transfers") or ():
            self.meter.bytes_moved += 0 if moved.get("found") else moved.get("bytes") or 0
        if decision.verdict is Verdict.DONE:
            self.history.checksums.learn(record)
            self.history.forget_failed(id.job)
            self.history.note_undeclared(id.job, record.get("undeclared") or [])
        elif decision.verdict is Verdict.RETRY:
            self.meter.retried += 1
            self.journal.append(Retry(now, id.job, id.number, decision.pause_s, served, more_mb or 0))
        elif decision.verdict is Verdict.INCOMPLETE:
            self.journal.append(Incomplete(now, id.job, id.number, served))
        elif decision.verdict is Verdict.GIVE_UP:
            why = NO_RETRY_LEFT
            if run_exit_code(record) is not None:
                why = "its exit code ends the run, as dagman.ABORT-DAG-ON says"
            elif more_mb == 0:
                why = f"it had {memory_text(record['memory_mb'])}, and there is no more for it"
            elif not is_worth:
                why = f"trying again would not help against {error_kind(record)!r}"
            self.journal.append(GiveUp(now, id.job, id.number, why, served, more_mb or 0))
            self.failures[id.job] = Failure(running.id, id.number, dict(record.get("error") or {}))
            if not self._keep_going and len(self.failures) == 1:
                self.warn(f"job {running.id!r} failed: no others are started, as --fail-fast says")
        if (exit_code := run_exit_code(record)) is not None and self._ending is None:
            self.exit_code = exit_code
            self.warn(f"job {running.id!r} ended the run, as its profile dagman.ABORT-DAG-ON says")
            self.journal.append(Remove(now))
            self._cancel("removed")
        return decision.pause_s

    def _count_files(self, space: ScratchSpace, position: int, record: Record, verdict: Verdict) -> None:
        """Count what an attempt put into a bounded scratch, or removed from it."""
        job, keeps_directory = self.plan.job(position), self._maker.keeps_failed
        if verdict is Verdict.DONE:
            space.removed(position, job.removes)
            space.succeeded(position, scratch_sizes(job, record))
        elif verdict is Verdict.INCOMPLETE:
            failed = self._described(self._failed_parents.get(position, ()))
            space.removed(position, partial_job(job, failed).job.removes)
        elif verdict is Verdict.GIVE_UP:
            space.gave_up(
                position,
                scratch_sizes(job, record),
                keeps_files=job.data == "sharedfs" and job.kind is Kind.COMPUTE,
                keeps_directory=keeps_directory,
            )
        else:
            space.returned(position, keeps_directory=keeps_directory and verdict is Verdict.RETRY)

    def _note_lack(self, space: ScratchSpace) -> None:
        """Record and say which job has no room, and how much it lacks."""
        short = min(space.shortages(), key=lambda one: one.lacking)
        why, hint = lack_text(short, self.plan.title(short.job), self.journal.path.parent)
        self.journal.append(NoRoom(self._clock.epoch(), short.job, why, hint))
        self.warn(f"{why}; {hint}")

    def _more_memory(self, job: int, record: Record) -> int | None:
        """Return what the next attempt asks for, after one that lacked memory: 0: there is no more. None: it did not.

        The record gets what that attempt was given. A job that starts as many tasks as fit into its memory is left
        alone: with more, it would start more.
        """
        if (
            error_kind(record) not in (ErrorKind.MEMORY, ErrorKind.SIGNAL)
            or not self.plan.header.retry_by_cause
        ):
            return None
        planned = self.plan.job(job)
        most_mb = 0 if planned.site in self._remote_sites else self._scheduler.slots.memory_mb
        given_mb = self.history.memory_mb.get(job, planned.memory_mb)
        given_mb = min(given_mb, most_mb) if most_mb else given_mb
        if planned.tasks_at_once or not lacked_memory(record, given_mb):
            return None
        record["memory_mb"] = given_mb
        return next_memory_mb(record, given_mb, most_mb)

    def _run_tasks_of(self, id: AttemptId, record: Record) -> float:
        """Take back an attempt that could not bring what an earlier run made: the next one runs the tasks."""
        self._run_tasks.add(id.job)
        error = record.get("error") or {}
        kind = ErrorKind.CANCELLED if error.get("kind") == ErrorKind.CANCELLED else ErrorKind.LOST
        self._take_back(id, kind, f"what an earlier run made cannot be had: {error.get('message', '')}")
        return 0.0

    def _learn_failed(self, job: int, record: Record) -> list[int]:
        """Take what an attempt left that failed; return the children that need nothing more of its job."""
        products = msgspec.convert(record, Products)
        self.history.learn_failed(job, products)
        if not products.transfers:
            return []
        planned = self.plan.job(job)
        if planned.kind not in TRANSFERS:
            return []
        self.history.checksums.learn_arrived(products.transfers)
        children = self._scheduler.children(self.id, job)
        arrived = {moved.lfn for moved in products.transfers}
        return served_children(planned, ((child, self.plan.job(child)) for child in children), arrived)

    def _described(self, failed: Sequence[int]) -> list[FailedParent]:
        arrived = self.history.arrived
        return [
            FailedParent(
                self.plan.job(parent),
                self._scheduler.state(self.id, parent),
                {moved.lfn for moved in arrived.get(parent, ())},
            )
            for parent in failed
        ]

    def _recover(self) -> None:
        """Get from the executors the states of the attempts that were under way when the last engine was killed."""
        by_site: dict[str, list[Attempt]] = {}
        for job, known in self.history.under_way.items():
            attempt = self._maker.make(AttemptId(self.id, job, self.history.attempts[job]))
            site = attempt.job.site
            running = self._running_job(attempt.job, attempt.id.number, known.start)
            if known.held:
                running = msgspec.structs.replace(running, held=known.reason)
                self._holds.held(attempt.id, known.reason, known.held)
            self._running[job] = running
            by_site.setdefault(site, []).append(attempt)
        for site, attempts in by_site.items():
            unreported = {attempt.id for attempt in attempts}
            for report in self._executors[site].recover(attempts):
                unreported.discard(report.id)
                if report.seen is Seen.LOST:
                    why = f": {report.reason}" if report.reason else ""
                    self._take_back(report.id, ErrorKind.LOST, f"the engine was killed while it ran{why}")
                else:
                    # No pause can follow: of each job, this is the first attempt that this engine sees end.
                    self.apply(report)
            if unreported:
                raise ExecutorError(
                    f"the executor of site {site!r} does not report {len(unreported)} attempts that were under way, "
                    f"such as {min(unreported)}",
                    hint="this is a bug in that executor",
                )

    def _cancel(self, ending: OutcomeState) -> None:
        self._ending = ending
        alive = set(self._scheduler.remove(self.id))
        for attempt in self.submission.withdraw():
            alive.discard(attempt.id)
            self._take_back(attempt.id, ErrorKind.CANCELLED, "cancelled before it was submitted")
        by_site: dict[str, list[AttemptId]] = {}
        for id in sorted(alive):
            by_site.setdefault(self._running[id.job].site, []).append(id)
        for site, ids in by_site.items():
            self._executors[site].cancel(ids)

    def _take_back(self, id: AttemptId, kind: str, message: str) -> None:
        self._scheduler.returned(id)
        if self.space is not None:
            self.space.returned(id.job)
        self._running.pop(id.job)
        self._holds.ended(id)
        self._offers.pop(id.job, None)
        self.journal.append(AttemptEnd(self._clock.epoch(), id.job, id.number, unseen_record(kind, message)))

    # -- helpers -----------------------------------------------------------------

    def _outcome(self, counts: Collection[int]) -> OutcomeState:
        by_state = list(counts)
        if by_state[State.SUCCEEDED] == sum(by_state):
            return "success"
        unfinished = by_state[State.WAITING] + by_state[State.READY] + by_state[State.PAUSED]
        if self._ending in ("removed", "interrupted") or (self._ending and unfinished):
            return self._ending
        return "failed"

    def _on_hold(self) -> list[str]:
        held = [job for job in self._running.values() if job.held]
        if not held:
            return []
        more = f", and {len(held) - 1} more" if len(held) > 1 else ""
        return [f"site {held[0].site!r} holds {titled(held[0].id, held[0].label)}{more}: {held[0].held}"]

    def warn(self, text: str) -> None:
        """Add a warning to the user, once."""
        if text not in self.warnings:
            self.warnings.append(text)


def _clamped(ids: list[str], slots: Slots) -> str:
    named = ", ".join(ids[:CLAMPED_SHOWN])
    named += f" and {len(ids) - CLAMPED_SHOWN} more" if len(ids) > CLAMPED_SHOWN else ""
    need = f"jobs {named} need" if len(ids) > 1 else f"job {named} needs"
    has = f"{cores_text(slots.cores)} and {memory_text(slots.memory_mb)}"
    return f"{need} more than there is, and this machine has {has}: {RUNS_ALONE}"
