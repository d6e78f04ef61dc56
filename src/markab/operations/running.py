"""Starting runs, waiting for them, and stopping them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from markab.errors import RUN_EXIT_CODES
from markab.operations.run_names import Run, find_run
from markab.operations.status import follow_status, read_status

if TYPE_CHECKING:
    from markab.engine.background import Started
    from markab.journal.progress import Observer
    from markab.journal.records import OutcomeState
    from markab.reports.status import Status

Seen = TypeVar("Seen")
Sleep = Callable[[float], None]

FIRST_PAUSE_S = 0.1
"""So that waiting for a run of a second takes a second."""
REMOVAL_PAUSE_S = 0.05
REMOVAL_PATIENCE_S = 10.0


class Limits(NamedTuple):
    """What a run may use of this machine. None: detect."""

    cores: int | None = None
    memory_mb: int | None = None
    gpus: int | None = None
    max_jobs: int | None = None
    """How many jobs may run at once, of any kind; the plan may set a lower limit."""
    max_scratch_bytes: int | None = None
    """The bound on scratch, instead of that in the plan, which must have one."""


class Ended(NamedTuple):
    """How a call of `run` ended."""

    submit_dir: Path
    state: OutcomeState
    was_complete: bool
    """All jobs had succeeded before; nothing was started."""
    warnings: tuple[str, ...]
    exit_code: int
    """Of the command that runs it."""


def make_limits(
    cores: int | None, memory: str | int | None, gpus: int | None, max_jobs: int | None
) -> Limits:
    """Return limits as they are given in Python; memory is a size such as "8GB", or a number of MB.

    Raises:
        ValueError: one is not of its kind, or too small.
    """
    from markab.spec.units import amount_mb

    for name, number, least in (("cores", cores, 1), ("gpus", gpus, 0), ("max_jobs", max_jobs, 1)):
        if number is not None and (not isinstance(number, int) or number < least):
            raise ValueError(f"{name} is {number!r}, but must be a whole number, at least {least}")
    try:
        memory_mb = None if memory is None else amount_mb(str(memory), "MB")
    except ValueError:
        raise ValueError(f"memory is {memory!r}, but must be a size, such as '8GB' or '500 MB'") from None
    return Limits(cores, memory_mb, gpus, max_jobs)


def start(
    run: Run = None,
    limits: Limits | None = None,
    keep_failed: bool = False,
    restore: bool = False,
    refresh: bool = False,
    fail_fast: bool | None = None,
) -> Started:
    """Start an engine for a run in the background; return its pid once it has accepted every job, and whether that was needless.

    It continues after the caller has ended, and writes its messages to `run.log`. The arguments are those of `run`.

    Raises:
        NotARun: there is no such run.
        RunBusy: another engine runs it.
        StorageError: `run.log` cannot be written.
        JobRejected: jobs request GPUs, or a site an executor, that does not exist here.
        MarkabError: any other error of the engine before it accepted the run, with its exit code.
    """
    from markab.engine import background

    given = (("--keep-failed", keep_failed), ("--restore", restore), ("--refresh", refresh))
    flags = [flag for flag, is_given in given if is_given]
    if fail_fast is not None:
        flags.append("--fail-fast" if fail_fast else "--keep-going")
    return background.start(find_run(run), (*_flags(limits), *flags))


def run(
    run: Run = None,
    limits: Limits | None = None,
    observer: Observer | None = None,
    on_end: Callable[[Ended], None] | None = None,
    keep_failed: bool = False,
    restore: bool = False,
    refresh: bool = False,
    fail_fast: bool | None = None,
    *,
    report_start: int | None = None,
) -> Ended:
    """Run the jobs that have not succeeded yet in this process, until the run ends.

    With `keep_failed`, the directory of the last failed attempt of each job is kept; with `restore`,
    results that are missing where they were delivered are made again; with `refresh`, files from outside
    that were edited since the run took them are taken anew, and what depends on them runs again; with `fail_fast`,
    no job is started after one failed for good (None: as the plan says).
    `observer` is called with the progress at most ten times a second. `on_end` is called as soon as the run has ended; the update of its database may take a moment
    longer, and its errors are among the warnings that are returned. `report_start` is the
    pipe to the process that called `start`.

    Raises:
        NotARun, CorruptPlan, NewerFormat: the plan cannot be read.
        RunBusy: another engine runs it.
        CorruptJournal: the journal is damaged.
        JobRejected: jobs request GPUs, or a site an executor, that does not exist here.
        StorageError: the journal cannot be written, or a file to refresh cannot be read.
        ChecksumMismatch: the replica catalog has a checksum of an edited file.
    """
    from markab.engine import run as engine
    from markab.engine.slots import detect
    from markab.engine.start_report import reporting_start
    from markab.hooks.hook_runner import running_hooks
    from markab.operations.planner_processes import PlannerProcesses, planners_for
    from markab.plan.plan_file import read_header
    from markab.plan.run_command import dag_of
    from markab.plan.submit_dir import SubmitDir
    from markab.provenance.follower import following

    submit_dir = find_run(run)
    if dag_of(submit_dir) is not None:  # before anything of the run is written
        engine.check_engine(read_header(SubmitDir(submit_dir).plan), submit_dir)
    options = engine.RunOptions(
        **(limits or Limits())._asdict(),
        keep_failed=keep_failed,
        restore=restore,
        refresh=refresh,
        keep_going=None if fail_fast is None else not fail_fast,
    )
    with (
        reporting_start(report_start) as accepted,
        running_hooks(submit_dir) as hooks,
        following(submit_dir) as follower,
    ):
        outcome = engine.run(
            submit_dir,
            options,
            observer,
            recorder=follower,
            on_accepted=accepted,
            make_planner=lambda: PlannerProcesses(planners_for(detect().cores)),
        )

    def ended() -> Ended:
        warnings = (*outcome.warnings, *follower.warnings, *(hooks.warnings if hooks else ()))
        exit_code = RUN_EXIT_CODES[outcome.state] if outcome.exit_code is None else outcome.exit_code
        return Ended(submit_dir, outcome.state, outcome.was_complete, warnings, exit_code)

    if on_end is not None:
        on_end(ended())
    follower.finish()
    if hooks is not None:
        hooks.finish()
    if not follower.error:
        return ended()
    late = f"{follower.error}; the missing records are in the journal, and are added by the next update"
    return ended()._replace(warnings=(*ended().warnings, late))


def wait(
    run: Run = None,
    on_status: Callable[[Status], None] | None = None,
    *,
    pauses: Iterable[float] = repeat(1.0),
    why: bool = False,
    sleep: Sleep = time.sleep,
) -> Status:
    """Wait until no engine is running a run; return its status then.

    `on_status` is called with each status that is read; it may raise to end the
    waiting. `pauses` are the seconds between two readings; when they end, so does the
    waiting. A run that was never started has not ended, and is waited for.

    Raises:
        NotARun: there is no such run.
        CorruptJournal, CorruptPlan: it cannot be read.
    """
    look = follow_status(run, why=why)

    def seen() -> Status:
        status = look()
        if on_status is not None:
            on_status(status)
        return status

    return poll(seen, lambda status: status.is_over, pauses, sleep)


def growing_pauses(longest_s: float) -> Iterator[float]:
    """Yield pauses for `wait` that are short at first, and later `longest_s`."""
    pause_s = FIRST_PAUSE_S
    while pause_s < longest_s:
        yield pause_s
        pause_s *= 2
    yield from repeat(longest_s)


def poll(
    look: Callable[[], Seen],
    is_over: Callable[[Seen], bool],
    pauses: Iterable[float],
    sleep: Sleep = time.sleep,
) -> Seen:
    """Call `look` after each pause until its result is over, or the pauses end; return the last result."""
    seen = look()
    for pause_s in pauses:
        if is_over(seen):
            break
        sleep(pause_s)
        seen = look()
    return seen


def halt(run: Run = None) -> bool:
    """Request the engine of a run to start no new jobs; running jobs end. Return False if there is no engine.

    Raises:
        NotARun: there is no such run.
        StorageError: the request cannot be written.
    """
    from markab.engine.control import request_halt

    return request_halt(find_run(run))


Removal = Literal["removed", "removing", "marked", "succeeded", "not started"]
"""The progress of a removal: the engine has ended; its jobs have not all ended yet; there was no
engine, and the run is marked as removed; there was none, and the run has succeeded, or was never started."""


def remove(run: Run = None, *, patience_s: float = REMOVAL_PATIENCE_S, sleep: Sleep = time.sleep) -> Removal:
    """End a run and its running jobs; wait for that at most `patience_s`, which may be 0.

    Results are kept, no file is deleted, and running it again continues it.

    Raises:
        NotARun: there is no such run.
        StorageError: the request cannot be written.
        CorruptJournal: there is no engine, and the journal is damaged.
    """
    from markab.engine import control

    submit_dir = find_run(run)
    if not control.request_remove(submit_dir):
        state = read_status(submit_dir).state
        return "succeeded" if state == "Success" else "not started" if state == "Not started" else "marked"
    pauses = repeat(REMOVAL_PAUSE_S, int(patience_s / REMOVAL_PAUSE_S))
    pid = poll(lambda: control.engine_pid(submit_dir), lambda pid: pid is None, pauses, sleep)
    return "removed" if pid is None else "removing"


def _flags(limits: Limits | None) -> tuple[str, ...]:
    """Return the flags of `markab run` that give these limits."""
    flags = ("--cores", "--memory", "--gpus", "--max-jobs", "--max-scratch")
    given = zip(flags, limits or Limits(), strict=True)
    return tuple(word for flag, value in given if value is not None for word in (flag, str(value)))
