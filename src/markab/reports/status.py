"""The progress of a run, for `status`: counts of jobs by state, and the jobs under way.

The columns are those of Pegasus' status. PRE and POST are 0 in a run of Markab: what Pegasus
does in scripts before and after a job is part of the attempt here. QUEUED counts
attempts that an executor has, whether they run or wait there; jobs that will
never run because a parent failed stay UNREADY.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from markab.errors import CorruptJournal
from markab.formatting import count, duration, titled
from markab.journal.lifecycle import State
from markab.journal.progress import Progress, RunningJob, ScratchUse, read_progress
from markab.journal.reader import JournalReader, last_body
from markab.journal.records import Refused, decode
from markab.journal.run_reader import STATES, RunReader
from markab.journal.run_times import RunTimes
from markab.plan.run_command import run_command
from markab.plan.submit_dir import SubmitDir
from markab.reports.hook_failures import hook_warnings

if TYPE_CHECKING:
    from markab.diagnosis.waiting import Waiting

COLUMNS = ("unready", "ready", "pre", "queued", "post", "succeeded", "failed")
HEADER = ("UNREADY", "READY", "PRE", "QUEUED", "POST", "SUCCESS", "FAILURE", "%DONE")
LONG_HEADER = ("UNRDY", "READY", "PRE", "IN_Q", "POST", "DONE", "FAIL", "%DONE", "STATE", "DAGNAME")
FRESH_S = 2.5
"""The engine writes `status.json` each second; an older one is outdated, and the journal is read."""
HALTING = "halting: running jobs end, no others start"
REMOVING = "being removed"
JOBS_SHOWN = 50
"""Jobs under way that `text` lists; there may be thousands."""

LEGEND = """\
UNREADY (UNRDY)  a parent has not succeeded yet, or never will
READY            may start as soon as there is room
PRE, POST        scripts of Pegasus at work; 0 in a run of Markab, where they are part of the job
QUEUED (IN_Q)    with an executor: running, or waiting there
SUCCESS (DONE)   ended well
FAILURE (FAIL)   ended badly, and will not be tried again before the next run
%DONE            SUCCESS, in percent of all jobs
"""


@dataclass(frozen=True)
class UnderWay:
    """A job that an executor has."""

    id: str
    site: str
    state: str
    """`Run` or `Idle`."""
    attempt: int
    since: float
    label: str = ""
    """As `PlannedJob.label`."""
    native_id: str = ""
    """The site's own id of it."""
    host: str = ""
    """Where it runs, as its site says."""
    held: str = ""
    """Why its site holds it."""
    reason: str = ""
    """Why it waits in the queue of its site."""

    def site_words(self) -> dict[str, str]:
        """Return what its site says of it, for programs."""
        words = {"native_id": self.native_id, "host": self.host, "held": self.held, "reason": self.reason}
        return {key: text for key, text in words.items() if text}

    @property
    def at_site(self) -> str:
        """What its site says of it, in a few words; nothing if it says nothing."""
        where = [f"{self.native_id} on {self.host}".strip() if self.host else self.native_id]
        words = [*where, f"held: {self.held}" if self.held else self.reason]
        return ", ".join(word for word in words if word)


@dataclass(frozen=True, kw_only=True)
class Status:
    """The progress of a run."""

    unready: int
    ready: int
    queued: int
    succeeded: int
    failed: int
    total: int
    skipped: int = 0
    """The part of `unready` below a job that failed."""
    incomplete: int = 0
    """The part of `unready` that was done in part, because of parents that failed."""
    running: int
    """The part of `queued` that has started to run."""
    state: str
    """`Not started`, `Refused`, `Running`, `Success`, `Failure`, `Halted` or `Removed`."""
    pre: int = 0
    post: int = 0
    note: str = ""
    """Further information for the user, such as that the engine ended unexpectedly."""
    held: str = ""
    """Why the engine starts nothing new at the moment; also in `note`."""
    warnings: tuple[str, ...] = ()
    """Warnings of the running engine, and of hooks that failed."""
    on_hold: Mapping[str, str] = field(default_factory=dict)
    """Id of a job that its site holds → the site's reason; as far as the engine lists the job."""
    in_queue: Mapping[str, str] = field(default_factory=dict)
    """Id of a job that waits in the queue of its site → the site's reason, if it gives one; as far as the engine lists the job."""
    workflow: str = ""
    submit_dir: Path = Path()
    uuid: str = ""
    dag: str = ""
    """The name of the run in Pegasus' tools: its name and `.dag`."""
    started: float = 0.0
    ended: float = 0.0
    active_s: float = 0.0
    """The active time until `active_until`."""
    active_until: float = 0.0
    jobs: tuple[UnderWay, ...] = field(default=())
    waiting: tuple[Waiting, ...] = field(default=())
    """Why jobs wait, the most common reason first; only on request."""
    scratch: Mapping[str, ScratchUse] = field(default_factory=dict)
    """By site, as the last engine reported it; of a run with a bound on scratch."""
    inner: tuple[tuple[str, Status], ...] = ()
    """Those of its sub-workflows, each by the names of the jobs on the way to it; the counts above are without theirs."""

    @property
    def percent_done(self) -> float:
        """Share of jobs that succeeded, in percent; 100 for a workflow without jobs."""
        return round(100 * self.succeeded / self.total, 2) if self.total else 100.0

    @property
    def is_over(self) -> bool:
        """No engine is running it, and one has, or has refused to."""
        return self.state not in ("Running", "Not started")

    def times(self, now: float) -> RunTimes:
        """Return elapsed and active time; `now` counts while an engine is running it."""
        if not self.started:
            return RunTimes()
        more_s = 0.0 if self.ended else max(0.0, now - self.active_until)
        return RunTimes(max(0.0, (self.ended or now) - self.started), self.active_s + more_s)

    def to_json(self, queue: bool = True) -> dict[str, Any]:
        """Return it with the keys of Pegasus' status."""
        dags = {"root": self._counts() | {"state": self.state, "dagname": self.dag}}
        for name, one in self.inner:
            dags[name] = one._counts() | {"state": one.state, "dagname": one.dag}
        shown: dict[str, Any] = {"totals": self._with_inner()._counts(), "dags": dags}
        if queue and self.jobs:
            ads: list[dict[str, Any]] = [
                {
                    "DAGNodeName": job.id,
                    "pegasus_site": job.site,
                    "JobStatus": 5 if job.held else 2 if job.state == "Run" else 1,
                    "EnteredCurrentStatus": int(job.since),
                    "NumJobStarts": job.attempt,
                }
                | ({"label": job.label} if job.label else {})
                | job.site_words()
                for job in self.jobs
            ]
            shown["condor_jobs"] = {self.uuid: {"DAG_NAME": self.dag, "DAG_CONDOR_JOBS": ads}}
        else:
            shown["condor_jobs"] = {}
        if self.waiting:
            shown["waiting"] = [group.to_json() for group in self.waiting]
        if self.scratch:
            shown["scratch"] = {site: msgspec.structs.asdict(use) for site, use in self.scratch.items()}
        if self.note:
            shown["note"] = self.note
        if self.warnings:
            shown["warnings"] = list(self.warnings)
        return shown

    def _counts(self) -> dict[str, Any]:
        counts: dict[str, Any] = {name: getattr(self, name) for name in COLUMNS}
        return counts | {"percent_done": self.percent_done, "total": self.total}

    def _with_inner(self) -> Status:
        """Return it with the counts of the whole tree."""
        every = (self, *(one for _, one in self.inner))
        return replace(
            self, **{name: sum(getattr(one, name) for one in every) for name in (*COLUMNS, "total")}
        )

    def text(
        self,
        long: bool = False,
        queue: bool = True,
        legend: bool = False,
        directories: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> str:
        """Return it as tables: the jobs under way, then the counts."""
        name = str(self.submit_dir) if directories else self.dag
        parts = [LEGEND] if legend else []
        if queue and self.jobs:
            parts.append(self._queue_text(clock()))
        cells = self._with_inner()._cells()
        header = LONG_HEADER if long else HEADER
        widths = [max(len(word), len(cell), 6) + 1 for word, cell in zip(header, cells, strict=False)]
        heads = "".join(word.rjust(width) for word, width in zip(header, widths, strict=False))
        rows = [_row(cells, widths)]
        if long:
            width = max(*(len(one.state) for one in (self, *(one for _, one in self.inner))), 7)
            heads += f"  {'STATE':<{width}} DAGNAME"
            total = rows if self.inner else []
            rows = [
                f"{_row(one._cells(), widths)}  {one.state:<{width}} {shown}"
                for shown, one in ((name, self), *self._inner_names(directories))
            ] + [f"{row}  {'':<{width}} TOTALS" for row in total]
        parts.append("\n".join([heads, *rows, f"Summary: {self._dags()}{self._times(clock())}\n"]))
        if self.waiting:
            parts.append("".join(f"  {group.line()}\n" for group in self.waiting))
        if self.scratch:
            parts.append("".join(f"{use.text(site)}\n" for site, use in self.scratch.items()))
        if self.note:
            parts.append(self.note + "\n")
        if self.warnings:
            parts.append("".join(f"warning: {warning}\n" for warning in self.warnings))
        return "\n".join(parts)

    def _cells(self) -> list[str]:
        return [f"{getattr(self, column):,}" for column in COLUMNS] + [f"{self.percent_done:.1f}"]

    def _inner_names(self, directories: bool) -> Iterator[tuple[str, Status]]:
        for name, one in self.inner:
            yield str(one.submit_dir) if directories else name, one

    def _dags(self) -> str:
        states = Counter(one.state for one in (self, *(one for _, one in self.inner)))
        shown = ", ".join(f"{state}:{number}" for state, number in states.items())
        return f"{count(states.total(), 'DAG')} total ({shown})"

    def _queue_text(self, now: float) -> str:
        lines = [
            f"{'STAT':<5} {'IN_STATE':>9}  JOB",
            f"{'Run':<5} {duration(now - self.started):>9}  {self.workflow}",
        ]
        for position, job in enumerate(self.jobs[:JOBS_SHOWN]):
            branch = "└─" if position == len(self.jobs) - 1 else "├─"
            again = f"  (attempt {job.attempt})" if job.attempt > 1 else ""
            again += f"  [{job.site}: {job.at_site}]" if job.at_site else ""
            lines.append(
                f"{job.state:<5} {duration(now - job.since):>9}   {branch}{titled(job.id, job.label)}{again}"
            )
        alive = max(self.queued, len(self.jobs))
        if alive > JOBS_SHOWN:
            lines.append(f"{'':<5} {'':>9}   └─… and {alive - JOBS_SHOWN:,} more")
        idle = alive - self.running
        letters = ", ".join(
            f"{letter}:{number}" for letter, number in (("I", idle), ("R", self.running)) if number
        )
        lines.append(f"Summary: {count(alive, 'job')} total ({letters})\n")
        return "\n".join(lines)

    def _times(self, now: float) -> str:
        return f", {self.times(now).text()}" if self.started else ""


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))


def status_of(run: RunReader, why: bool = False) -> Status:
    """Return the progress of a run at its last `read`; with `why`, also why jobs wait."""
    progress = run.engine_progress()
    held = ""
    warnings: tuple[str, ...] = ()
    on_hold: dict[str, str] = {}
    in_queue: dict[str, str] = {}
    if progress is not None and progress.outcome is None and progress.uuid == run.uuid:
        held, warnings = progress.held, tuple(progress.warnings)
        on_hold, in_queue = _on_hold(progress), _in_queue(progress)
    warnings += hook_warnings(run.plan.header, run.place.path)
    status = replace(
        _counted(run, _note(run) or held, held, warnings),
        on_hold=on_hold,
        in_queue=in_queue,
        scratch=_scratch(run, progress),
    )
    if not why:
        return status
    from markab.diagnosis.waiting import WaitingReasons

    waits = WaitingReasons(run.plan, run.history, run.state, time.time(), held, on_hold, in_queue)
    return replace(status, waiting=tuple(waits.groups()))


def _scratch(run: RunReader, progress: Progress | None) -> Mapping[str, ScratchUse]:
    """Return how full the bounded scratch directories of a run are."""
    if not run.plan.header.scratch:
        return {}
    last = progress or read_progress(run.place.status)
    return last.scratch if last is not None and last.uuid == run.uuid else {}


def current_status(run: RunReader, why: bool = False) -> Status:
    """Read the new records, and return the present progress of a run; as `status_of`.

    Raises:
        CorruptJournal: the journal is damaged.
    """
    run.read()
    return status_of(run, why)


def quick_status(run: RunReader) -> Status:
    """Return the present progress of a run, from the engine's status file if it is current, else from the journal."""
    has_engine = run.look_for_engine()
    progress = run.engine_progress() if has_engine else read_progress(run.place.status)
    if progress is None or not _is_current(run, progress):
        return current_status(run)
    if progress.scratch and not has_engine and progress.outcome != "success":
        return current_status(run)  # the journal says which job had no room
    return _from_progress(run, progress)


def missing_journal(place: SubmitDir) -> str:
    """Return a note if a run was started and its journal is missing; else an empty text."""
    if place.journal.exists() or not place.status.exists():
        return ""
    return (
        f"{place.journal.name} is missing, and with it the history of the run: "
        "restore it, or all jobs run again"
    )


# -- from the journal --------------------------------------------------------------


def _note(run: RunReader) -> str:
    if run.has_engine:
        note = {"halt": HALTING, "remove": REMOVING}.get(run.history.requested_stop, "")
    elif refusal := run.history.refusal:
        note = f"refused: {refusal.why}" + (f"\n  hint: {refusal.hint}" if refusal.hint else "")
    elif lack := run.history.no_room:
        note = f"stopped: {lack.why}\n  hint: {lack.hint}"
    else:
        note = (
            f"stopped: its engine ended unexpectedly; `{run_command(run.place.path)}` continues"
            if run.engine_crashed
            else ""
        )
    return note or missing_journal(run.place)


def _counted(run: RunReader, note: str, held: str, warnings: tuple[str, ...]) -> Status:
    history, total = run.history, len(run.plan)
    succeeded, failed = history.count(State.SUCCEEDED), history.count(State.FAILED)
    queued = len(history.under_way) if run.has_engine else 0
    ready = _count_ready(run) if succeeded + failed + queued < total else 0
    jobs = _under_way(run) if run.has_engine else ()
    states = run.job_states()
    return Status(
        unready=total - ready - queued - succeeded - failed,
        ready=ready,
        queued=queued,
        succeeded=succeeded,
        failed=failed,
        skipped=states.count(State.SKIPPED),
        incomplete=states.count(State.INCOMPLETE),
        total=total,
        running=sum(job.state == "Run" for job in jobs),
        state=run.state,
        note=note,
        held=held,
        warnings=warnings,
        workflow=run.plan.header.workflow,
        submit_dir=run.place.path,
        uuid=run.uuid,
        dag=run.dag,
        started=history.started,
        ended=0.0 if run.has_engine or not history.runs else history.ended or history.last_time,
        active_s=history.times().active_s,
        active_until=history.last_time,
        jobs=jobs,
    )


def _count_ready(run: RunReader) -> int:
    """Return how many jobs could start if there were free slots."""
    states, final = run.history.states, (State.SUCCEEDED, State.FAILED)
    under_way = run.history.under_way if run.has_engine else {}
    return sum(
        states[position] not in final
        and position not in under_way
        and all(states[parent] == State.SUCCEEDED for parent in job.parents)
        for position, job in enumerate(run.plan.outline)
    )


def _under_way(run: RunReader) -> tuple[UnderWay, ...]:
    states, progress = run.history.states, run.engine_progress()
    listed = {job.id: job for job in progress.jobs} if progress is not None else {}
    nothing = RunningJob("", "", 0, 0.0)

    def seen(position: int) -> RunningJob:
        return listed.get(run.plan.outline[position].id, nothing)

    return tuple(
        UnderWay(
            native_id=seen(position).native_id,
            host=seen(position).host,
            held=attempt.reason,
            reason=seen(position).reason,
            id=run.plan.outline[position].id,
            site=attempt.site,
            state="Run" if states[position] == State.RUNNING else "Idle",
            attempt=attempt.number,
            since=attempt.since,
            label=run.plan.job(position).label,
        )
        for position, attempt in sorted(run.history.under_way.items())
    )


# -- from the status file ----------------------------------------------------------


def _is_current(run: RunReader, progress: Progress) -> bool:
    """Return whether the engine's status file is current, so that the journal need not be read.

    It is if the journal has not grown since, or if the engine is running and wrote it a moment ago.
    """
    if progress.uuid != run.uuid:
        return False
    try:
        is_last = run.place.journal.stat().st_size == progress.journal_bytes
    except OSError:
        return False
    return (is_last and progress.outcome is not None) or (
        run.has_engine and progress.outcome is None and 0 <= time.time() - progress.time < FRESH_S
    )


def _from_progress(run: RunReader, progress: Progress) -> Status:
    lives = run.has_engine
    ended = 0.0 if lives else _last_time(run.place.journal, progress.time)
    stopping = {"halted": HALTING, "removed": REMOVING}.get(progress.ending or "")
    return Status(
        unready=progress.unready + progress.skipped + progress.incomplete,
        ready=progress.ready,
        queued=progress.queued + progress.running,
        succeeded=progress.succeeded,
        failed=progress.failed,
        skipped=progress.skipped,
        incomplete=progress.incomplete,
        total=progress.total,
        running=progress.running,
        state="Running" if lives else STATES.get(progress.outcome or "", "Halted"),
        note=(stopping or progress.held) if lives else "",
        held=progress.held if lives else "",
        on_hold=_on_hold(progress) if lives else {},
        in_queue=_in_queue(progress) if lives else {},
        warnings=(
            *(progress.warnings if lives else ()),
            *hook_warnings(run.plan.header, run.place.path),
        ),
        workflow=run.plan.header.workflow,
        submit_dir=run.place.path,
        uuid=progress.uuid,
        dag=run.dag,
        scratch=progress.scratch,
        started=_first_time(run.place.journal),
        ended=ended,
        active_s=progress.active_s(ended or progress.time),
        active_until=progress.time,
        jobs=tuple(
            UnderWay(
                id=job.id,
                site=job.site,
                state="Idle" if job.queued else "Run",
                attempt=job.attempt,
                since=job.start,
                label=job.label,
                native_id=job.native_id,
                host=job.host,
                held=job.held,
                reason=job.reason,
            )
            for job in progress.jobs
        )
        if lives
        else (),
    )


def _in_queue(progress: Progress) -> dict[str, str]:
    return {job.id: job.reason for job in progress.jobs if job.queued and job.reason}


def _on_hold(progress: Progress) -> dict[str, str]:
    return {job.id: job.held for job in progress.jobs if job.held}


def _first_time(journal: Path) -> float:
    """Return when the run began: the time of the first record of an engine that did not refuse it."""
    entries = map(decode, JournalReader(journal).bodies())
    return next((entry.time for entry in entries if not isinstance(entry, Refused)), 0.0)


def _last_time(journal: Path, otherwise: float) -> float:
    """Return when the run ended: the time of its journal's last record, if that is valid.

    The status file may be newer: the last engine may have found nothing left to run.
    """
    try:
        return decode(last_body(journal)).time
    except CorruptJournal:
        return otherwise
