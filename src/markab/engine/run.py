"""Running a submit directory: lock it, restore its state from the journal, run it to the end."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from markab.engine import slots as machine
from markab.engine.attempt_maker import AttemptMaker, run_context
from markab.engine.child_planner import ChildPlanner
from markab.engine.clock import Clock
from markab.engine.control import Requests
from markab.engine.earlier_results import EarlierResults
from markab.engine.loop import Loop
from markab.engine.lost_results import IsThere, is_there, lost_results
from markab.engine.missing_results import missing_results, missing_text, results_named
from markab.engine.needless_files import needless_files
from markab.engine.nested_runs import NestedRuns, OpenedChild
from markab.engine.open_run import Failure, OpenRun, recording_refusal
from markab.engine.progress_meter import Meter
from markab.engine.recorder import NoRecorder, Recorder
from markab.engine.recovered_space import recovered_space
from markab.engine.recovery import Recovery
from markab.engine.refresh import make_refresh
from markab.engine.rescue_file import write_rescue
from markab.engine.scheduler import Scheduler
from markab.engine.slots import Slots
from markab.errors import MarkabError, NotARun
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Executor, Seen
from markab.executors.file_limit import attempts_at_once
from markab.executors.registry import BACK_ENDS, Executors, MakeExecutor
from markab.formatting import count
from markab.journal.lifecycle import State
from markab.journal.lock import RunLock
from markab.journal.progress import Observer, read_progress
from markab.journal.records import AttemptEnd, OutcomeState, RunEnd, Undone
from markab.journal.writer import Journal
from markab.plan.braindump import original_of, read_braindump
from markab.plan.model import ENGINES, SUB_WORKFLOWS, GivenSlots, Header, Kind, PlanSite
from markab.plan.plan_file import PlanFile
from markab.plan.run_command import run_command
from markab.plan.submit_dir import SubmitDir
from markab.transfers.error_kinds import ErrorKind
from markab.transfers.run_passwords import read_passwords
from markab.worker.record import unseen_record

NAMES_SHOWN = 3
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Options of the user for one call of the engine. None: detect."""

    cores: int | None = None
    memory_mb: int | None = None
    gpus: int | None = None
    max_jobs: int | None = None
    """How many jobs may run at once, of any kind; the plan may set a lower limit."""
    max_scratch_bytes: int | None = None
    """The bound on each scratch, instead of that in the plan, which must have one."""
    keep_failed: bool = False
    """Keep the directory of the last failed attempt of each job; the plan may ask for that too."""
    restore: bool = False
    """Make results again that are missing where they were delivered."""
    refresh: bool = False
    """Take files from outside anew that were edited, and run again what depends on them."""
    keep_going: bool | None = None
    """After a job failed for good, continue with all that does not depend on it. None: as the plan says."""
    poll_s: float = 1.0
    """How often to check for halt and remove requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one call of the engine ended."""

    state: OutcomeState
    counts: Mapping[str, int]
    """Number of jobs by state ("succeeded", "failed", "skipped", "ready", "waiting", …) where it is not 0."""
    failed: list[Failure] = field(default_factory=list)
    """(id, attempt, error of that attempt), in the order of the plan."""
    was_complete: bool = False
    """All jobs had succeeded before; nothing was started."""
    warnings: list[str] = field(default_factory=list)
    rescue: Path | None = None
    """The rescue file that was written."""
    exit_code: int | None = None
    """What a job that ended the run says."""


def run(
    submit_dir: Path,
    options: RunOptions | None = None,
    observer: Observer | None = None,
    *,
    recorder: Recorder | None = None,
    on_accepted: Callable[[bool], None] = lambda is_complete: None,
    back_ends: Mapping[str, MakeExecutor] = BACK_ENDS,
    clock: Clock | None = None,
    open_journal: Callable[..., Journal] = Journal.open,
    look: IsThere = is_there,
    make_planner: Callable[[], ChildPlanner] | None = None,
) -> Outcome:
    """Run the workflow planned in `submit_dir` to its end, or continue it; return how it ended.

    What succeeded before is kept. The first SIGINT, SIGTERM or SIGHUP cancels what
    runs and ends cleanly ("interrupted"); the second raises KeyboardInterrupt at
    once. Either way, and after a kill -9, calling it again continues.

    `make_planner` makes what plans sub-workflows; their runs join this one.

    Prints nothing. `observer` is called at most ten times a second, in this thread;
    `on_accepted` once, when every job has been accepted and the journal says that this engine
    runs them; with True if the run is complete, and there is nothing to run. Nothing new is started unless `recorder.may_start`.

    Raises:
        NotARun, CorruptPlan, NewerFormat: there is no plan here that can be run.
        RunBusy: another engine runs it.
        CorruptJournal: the history is damaged in the middle.
        JobRejected: jobs need GPUs, or a site an executor, that are not available.
        StorageError: the journal cannot be written.
    """
    options, clock = options or RunOptions(), clock or Clock()
    nested = _Nesting(options, clock, open_journal, look, make_planner)
    back_ends = {**back_ends, SUB_WORKFLOWS: nested.make} if make_planner else back_ends
    with ExitStack() as stack, closing(Executors(back_ends)) as executors:
        opened = open_run(
            submit_dir,
            executors,
            stack,
            options,
            observer,
            recorder=recorder,
            clock=clock,
            open_journal=open_journal,
            look=look,
        )
        if opened.history.is_complete:
            on_accepted(True)
            return _already_complete(opened, clock)
        given = opened.plan.header.slots
        slots = _slots(options, given)
        if (options.cores or given.cores or 0) > slots.cores:
            opened.warnings.append(
                f"at most {slots.cores} jobs run at once on this machine: the limit of open files "
                "(`ulimit -Hn`) allows no more"
            )
        loop = Loop(Scheduler(slots), clock, options.poll_s, nested.finished)
        nested.prepare(loop, executors, stack)
        nested.add(opened)
        opened.journal.flush()
        on_accepted(False)
        gc.freeze()  # what was built for the plan is needed to the end: the collector need not search it
        stack.callback(gc.unfreeze)
        with _stopping_on_signals(loop):
            loop.run()
        return outcome_of(opened, clock)


class _Nesting:
    """The sub-workflows of one call of the engine: what is needed to open their runs."""

    def __init__(
        self,
        options: RunOptions,
        clock: Clock,
        open_journal: Callable[..., Journal],
        look: IsThere,
        make_planner: Callable[[], ChildPlanner] | None,
    ) -> None:
        # What is missing of the results of one that runs again, its parent needs.
        self._options = replace(options, max_scratch_bytes=None, restore=True)
        self._clock = clock
        self._open_journal = open_journal
        self._look = look
        self._make_planner = make_planner
        self._runs: NestedRuns | None = None
        self._loop: Loop
        self._executors: Executors
        self._stack: ExitStack

    def prepare(self, loop: Loop, executors: Executors, stack: ExitStack) -> None:
        """Set what runs are added to, and what they share."""
        self._loop, self._executors, self._stack = loop, executors, stack

    def make(self, site: PlanSite) -> NestedRuns:
        """Make the executor of sub-workflows; a run that has some needs it."""
        assert self._make_planner is not None
        self._runs = NestedRuns(self._make_planner(), self, self.open, self.ended)
        return self._runs

    def finished(self, run: OpenRun) -> None:
        """Take the end of a run of the loop."""
        if self._runs is not None:
            self._runs.finished(run)

    def find(self, run: str) -> OpenRun:
        """See `Runs`."""
        return self._loop.find(run)

    def add(self, run: OpenRun) -> None:
        """See `Runs`."""
        if self._runs is not None:
            run.on_halt = self._runs.halted
        self._loop.add(run)

    def open(self, submit_dir: Path, is_refreshed: bool, given: Mapping[str, str]) -> OpenedChild:
        """Open the run of a sub-workflow. Raises as `run`."""
        options = replace(self._options, refresh=self._options.refresh or is_refreshed)
        with ExitStack() as files:
            run = open_run(
                submit_dir,
                self._executors,
                files,
                options,
                clock=self._clock,
                open_journal=self._open_journal,
                look=self._look,
                given=given,
            )
            if run.history.is_complete:
                _already_complete(run, self._clock)
            kept = self._stack.enter_context(files.pop_all())
        return OpenedChild(run, kept)

    def ended(self, run: OpenRun) -> None:
        """Write what is left of the run of a sub-workflow."""
        outcome_of(run, self._clock)


def open_run(
    submit_dir: Path,
    executors: Executors,
    stack: ExitStack,
    options: RunOptions | None = None,
    observer: Observer | None = None,
    *,
    recorder: Recorder | None = None,
    clock: Clock | None = None,
    open_journal: Callable[..., Journal] = Journal.open,
    look: IsThere = is_there,
    given: Mapping[str, str] = {},
) -> OpenRun:
    """Lock a submit directory, and restore its state; `Loop.add` starts or continues the run that is returned.

    `given` are the checksums of files that it gets from the run above: what it has of them with others is taken anew.

    What was opened is closed by `stack`, after the executors are closed: all runs of a loop
    are opened with the same `executors`. Raises as `run`.
    """
    options, clock = options or RunOptions(), clock or Clock()
    directory = SubmitDir(Path(submit_dir).resolve())
    plan = PlanFile(directory.plan)
    stack.callback(plan.close)
    check_engine(plan.header, directory.path)
    stack.enter_context(RunLock(directory.lock))
    uuid = read_braindump(directory.braindump).get("wf_uuid") or ""
    history = Recovery(plan.header)
    if options.max_scratch_bytes is not None and not plan.header.scratch:
        raise MarkabError(
            "--max-scratch: the plan has no bound on scratch that could be changed",
            hint="plan the workflow again, with `--cleanup constraint`",
        )
    if SUB_WORKFLOWS in plan.header.sites and not executors.has(SUB_WORKFLOWS):
        raise NotARun("the plan has sub-workflows, which cannot be run here", hint="run it with `markab run`")
    _ = plan.outline  # every line is checked: no journal is begun for a plan that is damaged
    journal = open_journal(directory.journal, history.read)
    stack.callback(journal.close)
    requests = Requests(directory.path)
    requests.clear()
    is_outdated = any(history.checksums.get(lfn, sha256) != sha256 for lfn, sha256 in given.items())
    warnings = (
        _refresh(directory, plan, history, journal, clock, given) if options.refresh or is_outdated else []
    )
    for lfn, sha256 in given.items():
        if history.checksums.get(lfn) is None:
            history.checksums.add(lfn, sha256)
    history.was_complete = history.is_complete
    context = run_context(directory, plan.header, uuid, options.keep_failed)
    by_site: Mapping[str, Executor] = {}
    passwords: Mapping[str, str] = {}
    missing = _missing(plan, history, look)
    restored = missing if options.restore else {}
    if not history.is_complete or restored:
        _refuse_copy(directory, "--restore" if restored else "")
        with recording_refusal(journal, clock):
            by_site = _executors_by_site(plan.header, executors)
        passwords = read_passwords(context.passwords)
    maker = AttemptMaker(
        plan,
        context,
        history.checksums,
        history.arrived,
        history.done,
        history.sizes,
        history.old_checkpoints,
        history.memory_mb,
    )
    earlier = None
    if plan.header.reuse is not None and not history.is_complete:
        earlier = EarlierResults(plan.header.reuse, plan, directory, uuid)
        stack.callback(earlier.close)
    opened = OpenRun(
        uuid,
        plan,
        history,
        journal,
        maker,
        by_site,
        Meter(plan.header.workflow, uuid, directory.status, observer, history.bytes_moved),
        requests,
        recorder or NoRecorder(),
        clock,
        _smaller(options.max_jobs, plan.header.max_jobs),
        not plan.header.fail_fast if options.keep_going is None else options.keep_going,
        earlier,
    )
    opened.warnings += warnings
    lost: Mapping[int, str] = {}
    needless = needless_files(plan, history) if any(history.attempts) else {}
    if (restored or not history.is_complete) and any(history.succeeded):
        lost = _may_run_again(lost_results(plan, history, passwords, look, restored, needless), plan, history)
    if again := {**history.refreshed, **lost}:
        _undo(again, uuid, history, journal, plan.header.local_sites, by_site, maker, clock)
    if lost:
        opened.warnings.append(_redone(plan, lost, restored))
    maker.needless = needless_files(plan, history) if lost else needless
    if not history.is_complete:
        opened.space = recovered_space(plan, history, options.max_scratch_bytes)
    if missing and not restored:
        opened.warnings.append(missing_text(missing, directory.path))
    return opened


def check_engine(header: Header, submit_dir: Path) -> None:
    """Raise NotARun if another engine than this one runs the plan."""
    if header.engine != ENGINES[0]:
        raise NotARun(
            f"{str(submit_dir)!r} is planned for DAGMan, which runs it",
            hint=f"start it, and go on with it: `{run_command(submit_dir)}`",
        )


def outcome_of(opened: OpenRun, clock: Clock) -> Outcome:
    """Return how a finished run ended; write a rescue file if it did not succeed."""
    assert opened.outcome is not None
    rescue = None
    if opened.outcome != "success":
        plan, directory = opened.plan, opened.journal.path.parent
        rescue = write_rescue(directory, plan.header.workflow, plan.outline, opened.states, clock.epoch())
    return Outcome(
        state=opened.outcome,
        counts=opened.counts,
        failed=[failure for _, failure in sorted(opened.failures.items())],
        warnings=opened.warnings,
        rescue=rescue,
        exit_code=opened.exit_code,
    )


def _already_complete(opened: OpenRun, clock: Clock) -> Outcome:
    """Return its outcome; record the end in the journal if the last engine was killed before it did."""
    history, journal = opened.history, opened.journal
    total = len(history.succeeded)
    counts = {"succeeded": total} if total else {}
    if history.outcome != "success":
        journal.append(RunEnd(history.last_time, "success", counts))  # that engine worked no longer
        journal.sync()
    now = clock.epoch()
    opened.meter.journal_bytes = journal.size_bytes
    opened.meter.engine_started, opened.meter.active_before_s = now, history.times().active_s
    if (last := read_progress(SubmitDir(journal.path.parent).status)) is not None:
        opened.meter.scratch = last.scratch
    by_state = [total if state is State.SUCCEEDED else 0 for state in State]
    opened.meter.publish(clock.monotonic(), now, by_state, {}, (), "success")
    return Outcome(state="success", counts=counts, was_complete=True, warnings=opened.warnings)


def _slots(options: RunOptions, given: GivenSlots) -> Slots:
    slots = machine.slots_for(given, options.cores, options.memory_mb, options.gpus)
    return slots._replace(cores=min(attempts_at_once(), slots.cores))


def _smaller(*limits: int | None) -> int | None:
    """Return the smallest limit; None and anything below 1 are none."""
    return min((limit for limit in limits if limit is not None and limit > 0), default=None)


def _refresh(
    directory: SubmitDir,
    plan: PlanFile,
    history: Recovery,
    journal: Journal,
    clock: Clock,
    given: Mapping[str, str],
) -> list[str]:
    """Record which edited files are taken anew; return what is to be said of it. Raises as `make_refresh`."""
    _refuse_copy(directory, "--refresh")
    found = make_refresh(plan, history, directory.journal, clock.epoch(), given)
    if found.record:
        journal.append(found.record)
        journal.sync()
        history.apply(found.record)
        history.learn_refreshed(found.record)
    return found.warnings


def _missing(plan: PlanFile, history: Recovery, look: IsThere) -> dict[int, str]:
    """Return the jobs that succeeded and whose results are missing; what was done in part is done again anyway."""
    done = history.succeeded
    found = missing_results(plan, history, look) if any(done) else {}
    return {position: path for position, path in found.items() if done[position]}


def _refuse_copy(directory: SubmitDir, option: str) -> None:
    original = original_of(directory.braindump)
    if original is not None:
        raise NotARun(
            f"{str(directory.path)!r} is a copy of {str(original)!r}, and both would work in the same scratch directory",
            hint=f"continue that one: `{run_command(directory.path, option)}`; or plan the workflow again",
        )


def _executors_by_site(header: Header, executors: Executors) -> dict[str, Executor]:
    if not header.sites:
        raise NotARun("the plan names no site to run on", hint="plan the workflow again")
    return {name: executors.find(site, name) for name, site in header.sites.items()}


def _may_run_again(lost: Mapping[int, str], plan: PlanFile, history: Recovery) -> dict[int, str]:
    """Leave out the parents of a remote job that may still run: two attempts must not write one file.

    If that job fails because the file is missing, the next call of the engine makes the file again.
    """
    remote_sites = plan.header.remote_sites - {SUB_WORKFLOWS}
    under_way = map(plan.job, history.under_way)
    in_use = {parent for job in under_way if job.site in remote_sites for parent in job.parents}
    return {position: why for position, why in lost.items() if position not in in_use}


def _undo(
    lost: Mapping[int, str],
    run: str,
    history: Recovery,
    journal: Journal,
    local_sites: Collection[str],
    executors: Mapping[str, Executor],
    maker: AttemptMaker,
    clock: Clock,
) -> None:
    """Record that jobs run again, after ending their children that the last engine left running here."""
    under_way: dict[str, list[Attempt]] = {}
    for job in list(history.under_way):
        attempt = maker.make(AttemptId(run, job, history.attempts[job]))
        if attempt.job.site == SUB_WORKFLOWS:
            record = unseen_record(ErrorKind.LOST, "the engine was killed while it ran")
            journal.append(AttemptEnd(clock.epoch(), job, attempt.id.number, record))
            history.under_way.pop(job)
        elif attempt.job.site in local_sites:
            under_way.setdefault(attempt.job.site, []).append(attempt)
    for name, attempts in under_way.items():
        for report in executors[name].recover(attempts):
            if report.seen is Seen.LOST:
                record = unseen_record(ErrorKind.LOST, "the engine was killed while it ran")
                journal.append(AttemptEnd(clock.epoch(), report.id.job, report.id.number, record))
                history.under_way.pop(report.id.job)
    for position, why in sorted(lost.items()):
        undone = Undone(clock.epoch(), position, history.attempts[position], why)
        journal.append(undone)
        history.apply(undone)
    journal.flush()


def _redone(plan: PlanFile, lost: Mapping[int, str], restored: Mapping[int, str]) -> str:
    """Return which jobs run again, those that run tasks first, and why."""
    order = sorted(lost, key=lambda position: (plan.outline[position].kind is not Kind.COMPUTE, position))
    names = ", ".join(map(plan.title, order[:NAMES_SHOWN]))
    more = f" and {count(hidden, 'more job')}" if (hidden := len(order) - NAMES_SHOWN) > 0 else ""
    if restored:
        made = "are made again" if len(restored) > 1 else "is made again"
        return f"{results_named(restored)} {made} by {names}{more}"
    if len(order) == 1:
        return f"{names} runs again: {lost[order[0]]}"
    return f"{names}{more} run again; {plan.title(order[0])}, because {lost[order[0]]}"


@contextmanager
def _stopping_on_signals(loop: Loop) -> Iterator[None]:
    """The first signal requests that the loop end, the second ends it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    requested = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True
        loop.interrupt()

    # An ignored signal stays ignored: `nohup markab run …` must outlive its terminal.
    handled = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, stop) for number in handled}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
