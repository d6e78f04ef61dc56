"""How far a run is, for `status`: counts of jobs by state, and what is under way.

The columns are those of Pegasus' status. PRE and POST are always 0: what Pegasus
does in scripts before and after a job is part of the attempt here. QUEUED counts
attempts that an executor has, whether they run or wait there; jobs that will
never run because a parent failed stay UNREADY.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from markab.formatting import count, duration
from markab.journal.history import History, Tail
from markab.journal.lifecycle import State
from markab.journal.lock import holder
from markab.journal.progress import Progress
from markab.journal.progress import read_status as read_progress
from markab.journal.reader import last_body
from markab.journal.records import decode
from markab.journal.writer import bodies
from markab.plan.braindump import Braindump, read_braindump
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import SubmitDir, find_submit_dir

if TYPE_CHECKING:
    from markab.diagnosis.waiting import Waiting

STATES = {
    "success": "Success",
    "failed": "Failure",
    "halted": "Halted",
    "interrupted": "Halted",
    "removed": "Removed",
}
"""How the last engine ended → the state shown."""

COLUMNS = ("unready", "ready", "pre", "queued", "post", "succeeded", "failed")
HEADER = ("UNREADY", "READY", "PRE", "QUEUED", "POST", "SUCCESS", "FAILURE", "%DONE")
LONG_HEADER = ("UNRDY", "READY", "PRE", "IN_Q", "POST", "DONE", "FAIL", "%DONE", "STATE", "DAGNAME")
FRESH_S = 2.5
"""The engine writes `status.json` each second; older than this, it is busy and the journal is asked."""
JOBS_SHOWN = 50
"""Jobs under way that `text` lists; there may be thousands."""

LEGEND = """\
UNREADY (UNRDY)  a parent has not succeeded yet, or never will
READY            may start as soon as there is room
PRE, POST        always 0: what comes before and after is part of the job
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


@dataclass(frozen=True, kw_only=True)
class Status:
    """How far a run is."""

    unready: int
    ready: int
    queued: int
    succeeded: int
    failed: int
    total: int
    running: int
    """Of `queued`: those seen running."""
    state: str
    """`Not started`, `Running`, `Success`, `Failure`, `Halted` or `Removed`."""
    pre: int = 0
    post: int = 0
    note: str = ""
    """What else the user should know, such as that the engine died."""
    held: str = ""
    """Why the engine starts nothing new at the moment; `note` says it too."""
    warnings: tuple[str, ...] = ()
    """What the engine at work warns of."""
    on_hold: Mapping[str, str] = field(default_factory=dict)
    """Id of a job that its site holds → the site's reason; as far as the engine lists the job."""
    workflow: str = ""
    submit_dir: Path = Path()
    uuid: str = ""
    dag: str = ""
    """What Pegasus' tools call the run: its name and `.dag`."""
    started: float = 0.0
    ended: float = 0.0
    jobs: tuple[UnderWay, ...] = field(default=())
    waiting: tuple[Waiting, ...] = field(default=())
    """Why jobs wait, the most common reason first; only when that was asked for."""

    @property
    def percent_done(self) -> float:
        """Jobs that succeeded, of all; a workflow without jobs is done."""
        return round(100 * self.succeeded / self.total, 2) if self.total else 100.0

    @property
    def is_over(self) -> bool:
        """No engine is at work on it, and one has been."""
        return self.state not in ("Running", "Not started")

    def to_json(self, queue: bool = True) -> dict[str, Any]:
        """Return it in the shape that Pegasus' status has."""
        counts: dict[str, Any] = {name: getattr(self, name) for name in COLUMNS}
        counts |= {"percent_done": self.percent_done, "total": self.total}
        root = counts | {"state": self.state, "dagname": self.dag}
        shown: dict[str, Any] = {"totals": counts, "dags": {"root": root}}
        if queue and self.jobs:
            ads = [
                {
                    "DAGNodeName": job.id,
                    "pegasus_site": job.site,
                    "JobStatus": 2 if job.state == "Run" else 1,
                    "EnteredCurrentStatus": int(job.since),
                    "NumJobStarts": job.attempt,
                }
                for job in self.jobs
            ]
            shown["condor_jobs"] = {self.uuid: {"DAG_NAME": self.dag, "DAG_CONDOR_JOBS": ads}}
        else:
            shown["condor_jobs"] = {}
        if self.waiting:
            shown["waiting"] = [group.to_json() for group in self.waiting]
        if self.note:
            shown["note"] = self.note
        if self.warnings:
            shown["warnings"] = list(self.warnings)
        return shown

    def text(
        self,
        long: bool = False,
        queue: bool = True,
        legend: bool = False,
        directories: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> str:
        """Return it as tables: what is under way, then the counts."""
        name = str(self.submit_dir) if directories else self.dag
        parts = [LEGEND] if legend else []
        if queue and self.jobs:
            parts.append(self._queue_text(clock()))
        cells = [f"{getattr(self, column):,}" for column in COLUMNS] + [f"{self.percent_done:.1f}"]
        header = LONG_HEADER if long else HEADER
        widths = [max(len(word), len(cell), 6) + 1 for word, cell in zip(header, cells, strict=False)]
        heads = "".join(word.rjust(width) for word, width in zip(header, widths, strict=False))
        row = "".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        if long:
            width = max(len(self.state), 7)
            heads += f"  {'STATE':<{width}} DAGNAME"
            row += f"  {self.state:<{width}} {name}"
        parts.append(f"{heads}\n{row}\nSummary: 1 DAG total ({self.state}:1){self._times(clock())}\n")
        if self.waiting:
            parts.append("".join(f"  {group.line()}\n" for group in self.waiting))
        if self.note:
            parts.append(self.note + "\n")
        if self.warnings:
            parts.append("".join(f"warning: {warning}\n" for warning in self.warnings))
        return "\n".join(parts)

    def _queue_text(self, now: float) -> str:
        lines = [
            f"{'STAT':<5} {'IN_STATE':>9}  JOB",
            f"{'Run':<5} {duration(now - self.started):>9}  {self.workflow}",
        ]
        for position, job in enumerate(self.jobs[:JOBS_SHOWN]):
            branch = "└─" if position == len(self.jobs) - 1 else "├─"
            again = f"  (attempt {job.attempt})" if job.attempt > 1 else ""
            lines.append(f"{job.state:<5} {duration(now - job.since):>9}   {branch}{job.id}{again}")
        if len(self.jobs) > JOBS_SHOWN:
            lines.append(f"{'':<5} {'':>9}   └─… and {len(self.jobs) - JOBS_SHOWN:,} more")
        idle = len(self.jobs) - self.running
        letters = ", ".join(
            f"{letter}:{number}" for letter, number in (("I", idle), ("R", self.running)) if number
        )
        lines.append(f"Summary: {count(len(self.jobs), 'job')} total ({letters})\n")
        return "\n".join(lines)

    def _times(self, now: float) -> str:
        if not self.started:
            return ""
        return f", {duration((self.ended or now) - self.started)}"


class Follower:
    """A run looked at again and again; each `read` costs only what happened since the last."""

    def __init__(self, submit_dir: str | Path | None) -> None:
        """Open a run.

        Raises:
            NotARun: there is none.
            NewerFormat, CorruptPlan: its plan cannot be read.
        """
        self.place: SubmitDir = find_submit_dir(submit_dir)
        self.plan = PlanFile(self.place.plan)
        executors = {name: site.executor for name, site in self.plan.header.sites.items()}
        self.history = History(len(self.plan), executors)
        self._tail = Tail(self.place.journal)
        self._progress: Progress | None = None
        self._braindump: Braindump = (
            read_braindump(self.place.braindump) if self.place.braindump.exists() else {}
        )

    def read(self, why: bool = False) -> Status:
        """Return how far it is now; with `why`, also why jobs wait.

        Raises:
            CorruptJournal: the journal is damaged.
        """
        lives = holder(self.place.lock) is not None
        # The lock is looked at before the journal: an engine that ends in between has written its last word.
        for body in self._tail.new():
            self._take(body)
        status = self._status(lives)
        progress = last_word(self.place) if lives else None
        if progress is not None and progress.outcome is None and progress.uuid == status.uuid:
            status = replace(
                status,
                note=status.note or progress.held,
                held=progress.held,
                warnings=tuple(progress.warnings),
                on_hold={job.id: job.held for job in progress.jobs if job.held},
            )
        if not why:
            return status
        from markab.diagnosis.waiting import Waits

        waits = Waits(self.plan, self.history, status.state, time.time(), status.held, status.on_hold)
        return replace(status, waiting=tuple(waits.groups()))

    def glance(self) -> Status:
        """Return how far it is without reading the journal, where the engine's last word will do."""
        lives = holder(self.place.lock) is not None
        return self._quick_status(lives) if self._progress_counts(lives) else self.read()

    def _progress_counts(self, lives: bool) -> bool:
        """Say whether the engine's own last word will do, so that the journal need not be read.

        It will if nothing was written since, or while the engine lives and spoke a moment ago.
        """
        self._progress = progress = last_word(self.place) if lives else read_progress(self.place.status)
        if progress is None or progress.uuid != (self._braindump.get("wf_uuid") or ""):
            return False
        try:
            is_last = self.place.journal.stat().st_size == progress.journal_bytes
        except OSError:
            return False
        return (is_last and progress.outcome is not None) or (
            lives and progress.outcome is None and 0 <= time.time() - progress.time < FRESH_S
        )

    def _quick_status(self, lives: bool) -> Status:
        progress = self._progress
        assert progress is not None
        state = "Running" if lives else STATES.get(progress.outcome or "", "Halted")
        asked = {"halted": "halting: running jobs end, no others start", "removed": "being removed"}
        return Status(
            unready=progress.unready + progress.skipped,
            ready=progress.ready,
            queued=progress.queued + progress.running,
            succeeded=progress.succeeded,
            failed=progress.failed,
            total=progress.total,
            running=progress.running,
            state=state,
            note=(asked.get(progress.ending or "") or progress.held) if lives else "",
            held=progress.held if lives else "",
            warnings=tuple(progress.warnings) if lives else (),
            workflow=self.plan.header.workflow,
            submit_dir=self.place.path,
            uuid=progress.uuid,
            dag=self._dag(),
            started=self._first_time(),
            ended=0.0 if lives else self._last_time(progress.time),
            jobs=tuple(
                UnderWay(id=job.id, site=job.site, state="Run", attempt=job.attempt, since=job.start)
                for job in progress.jobs
            )
            if lives
            else (),
        )

    def _first_time(self) -> float:
        """Return when the run began: the time of its journal's first record."""
        body = next(iter(bodies(self.place.journal)), None)
        return decode(body).time if body is not None else 0.0

    def _last_time(self, said: float) -> float:
        """Return when the run ended: the time of its journal's last record, if that is sound.

        When the engine `said` its last word may be later: it may have found nothing left to do.
        """
        try:
            return float(decode(last_body(self.place.journal)).time)
        except msgspec.DecodeError:
            return said

    def _dag(self) -> str:
        name = self._braindump.get("pegasus_wf_name") or self.plan.header.workflow
        return self._braindump.get("dag") or f"{name}.dag"

    def _take(self, body: bytes) -> None:
        """Take the next record; who wants to know more of it than the history does begins here."""
        self.history.take(body)

    def _status(self, lives: bool) -> Status:
        history = self.history
        state, note = run_state(history, lives)
        note = note or gone_journal(self.place)
        succeeded, failed = history.count(State.SUCCEEDED), history.count(State.FAILED)
        queued = len(history.alive) if state == "Running" else 0
        ready = self._count_ready(state == "Running") if succeeded + failed + queued < len(self.plan) else 0
        jobs = self._under_way() if state == "Running" else ()
        return Status(
            unready=len(self.plan) - ready - queued - succeeded - failed,
            ready=ready,
            queued=queued,
            succeeded=succeeded,
            failed=failed,
            total=len(self.plan),
            running=sum(job.state == "Run" for job in jobs),
            state=state,
            note=note,
            workflow=self.plan.header.workflow,
            submit_dir=self.place.path,
            uuid=self._braindump.get("wf_uuid") or "",
            dag=self._dag(),
            started=history.started,
            ended=0.0 if lives or not history.calls else history.ended or history.heard,
            jobs=jobs,
        )

    def _count_ready(self, running: bool) -> int:
        """Return how many jobs nothing but room keeps from starting."""
        states, final = self.history.states, (State.SUCCEEDED, State.FAILED)
        alive = self.history.alive if running else {}
        return sum(
            states[position] not in final
            and position not in alive
            and all(states[parent] == State.SUCCEEDED for parent in job.parents)
            for position, job in enumerate(self.plan.outline)
        )

    def _under_way(self) -> tuple[UnderWay, ...]:
        states = self.history.states
        return tuple(
            UnderWay(
                id=self.plan.outline[position].id,
                site=attempt.site,
                state="Run" if states[position] == State.RUNNING else "Idle",
                attempt=attempt.attempt,
                since=attempt.since,
            )
            for position, attempt in sorted(self.history.alive.items())
        )


def run_state(history: History, engine_lives: bool) -> tuple[str, str]:
    """Return the state of a run, and a note for the user."""
    if engine_lives:
        asked = {"halt": "halting: running jobs end, no others start", "remove": "being removed"}
        return "Running", asked.get(history.asked, "")
    if not history.calls:
        return "Not started", ""
    if history.outcome:
        return STATES.get(history.outcome, "Halted"), ""
    return "Halted", "stopped: its engine died without a word; run it again to continue"


def last_word(place: SubmitDir) -> Progress | None:
    """Return what the living engine said last; None when it said nothing yet, whatever one before it said.

    It says nothing before it has taken the lock. The file system's clock is asked for both.
    """
    try:
        is_its_own = place.status.stat().st_mtime_ns >= place.lock.stat().st_mtime_ns
    except OSError:
        return None
    return read_progress(place.status) if is_its_own else None


def gone_journal(place: SubmitDir) -> str:
    """Return a note when an engine was at work on a run and its journal is gone; else an empty text."""
    if place.journal.exists() or not place.status.exists():
        return ""
    return f"{place.journal.name} is gone, and with it what happened here: bring it back, or everything runs again"


def read_status(submit_dir: str | Path | None = None) -> Status:
    """Return how far a run is.

    Raises:
        NotARun: `submit_dir` (None: the current directory) is no submit directory.
        CorruptJournal: the journal is damaged.
    """
    return Follower(submit_dir).glance()
