"""What the waiting jobs of a run wait for, and how much they lack: the nearest miss of each reason.

The reasons are those of `diagnosis/waiting.py`, which come from a scheduler rebuilt from the journal.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from shlex import quote
from typing import Any

from markab.diagnosis.error_rules import rule_of_error
from markab.diagnosis.failed_ancestors import failed_ancestors
from markab.diagnosis.failure_analysis import Analyzer
from markab.diagnosis.failure_rules import RULES
from markab.diagnosis.waiting import UNITS, Waiting, WaitingReasons
from markab.errors import MarkabError
from markab.formatting import count, duration, shown_path, size
from markab.insight.verdict import NextStep
from markab.journal.lifecycle import State
from markab.operations.run_names import Run, find_run
from markab.operations.tree_jobs import run_of_job
from markab.plan.child_directory import root_directory, runs_below
from markab.plan.job_lookup import find_job
from markab.plan.model import PlannedJob
from markab.plan.run_command import run_command
from markab.reports.status import status_of
from markab.transfers.error_kinds import ErrorKind

NAMED = 3


@dataclass
class IdleJobs:
    """Jobs that wait for the same."""

    word: str
    """As `Waiting.word`."""
    reason: str
    jobs: int
    examples: list[str]
    lacks: list[str] = field(default_factory=list)
    """How near the first of them is to starting, a line each."""
    rule: str = ""
    """Of a job that its site holds: what `diagnosis/failure_rules.py` calls that."""
    steps: list[NextStep] = field(default_factory=list)
    workflow: str = ""
    """The jobs on the way to its sub-workflow; empty: the run itself."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "why": self.word,
            "reason": self.reason,
            "workflow": self.workflow,
            "jobs": self.jobs,
            "examples": self.examples,
            "lacks": self.lacks,
            **({"rule": self.rule} if self.rule else {}),
            "steps": [step.to_json() for step in self.steps],
        }


@dataclass
class IdleReport:
    """What the waiting jobs of a run wait for."""

    run: str
    workflow: str
    state: str
    groups: list[IdleJobs]
    running: int = 0
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        head = {"run": self.run, "workflow": self.workflow, "state": self.state, "under_way": self.running}
        return head | {"waiting": [group.to_json() for group in self.groups], "note": self.note}

    def text(self) -> str:
        """Return it as text."""
        waiting = sum(group.jobs for group in self.groups)
        state = {"Running": "is running", "Success": "succeeded", "Failure": "failed"}.get(
            self.state, self.state.lower()
        )
        lines = [
            f"{self.workflow} in {self.run}: {state}, {count(waiting, 'job')} "
            f"{'waits' if waiting == 1 else 'wait'}, {self.running:,} under way"
        ]
        lines += [f"  note: {self.note}"] if self.note else []
        for group in self.groups:
            more = ", …" if group.jobs > len(group.examples) else ""
            inside = f" in {group.workflow}" if group.workflow else ""
            rule = f" ({group.rule} {RULES[group.rule].title})" if group.rule else ""
            lines += ["", f"● {count(group.jobs, 'job')}{inside}: {group.reason}{rule}"]
            lines.append(f"  Jobs    {', '.join(group.examples)}{more}")
            lines += [f"  {'Lacks' if n == 0 else '':<7} {line}" for n, line in enumerate(group.lacks)]
            for number, step in enumerate(group.steps):
                lines.append(
                    f"  {'Do' if number == 0 else '':<7} {step.text}"
                    + (f": {step.command}" if step.command else "")
                )
        return "\n".join(lines) + "\n"


def why_idle(run: Run = None, job: str | None = None, now: float | None = None) -> IdleReport:
    """Return what the waiting jobs of a run, or one of them, wait for, and what each lacks.

    Raises:
        MarkabError: the run has no such job, or that one does not wait.
        NotARun, CorruptPlan, CorruptJournal: the run cannot be read.
    """
    place = find_run(run)
    now = time.time() if now is None else now
    if job is not None:
        place, job = run_of_job(place, job)
    with closing(Analyzer(place)) as reader:
        report = _report(reader, now, job)
    if job is None:
        for below in runs_below(place):
            with closing(Analyzer(below.path)) as inner:
                one = _report(inner, now, None)
            for group in one.groups:
                group.workflow = below.name
            report.groups += one.groups
            report.running += one.running
    return report


def _report(run: Analyzer, now: float, job: str | None) -> IdleReport:
    run.read()
    status = status_of(run)
    waits = WaitingReasons(
        run.plan, run.history, status.state, now, status.held, status.on_hold, status.in_queue
    )
    if job is None:
        groups = waits.groups()
    else:
        position = find_job(run.plan, job)
        found = waits.of(position)
        if found is None:
            at_work = position in run.history.under_way
            raise MarkabError(
                f"job {run.plan.title(position)!r} does not wait: it {'is under way' if at_work else 'has ended'}",
                hint=f"`markab why {shown_path(run.place.path)} {quote(job)}` tells its history",
            )
        found.jobs, found.examples = 1, [run.plan.outline[position].id]
        groups = [found]
    return IdleReport(
        shown_path(run.place.path),
        run.plan.header.workflow,
        status.state,
        [_idle(run, group, now) for group in groups],
        running=len(run.history.under_way) if status.state == "Running" else 0,
        note=status.note,
    )


def _idle(run: Analyzer, group: Waiting, now: float) -> IdleJobs:
    found = IdleJobs(group.word, group.reason, group.jobs, list(group.examples))
    position = run.plan.positions[group.examples[0]]
    job = run.plan.job(position)
    place = shown_path(run.place.path)
    match group.word:
        case "parents":
            _parents(run, found, position, now)
        case "failed-parent":
            above = failed_ancestors(run.plan, run.history.states, position)
            found.lacks.append(f"{job.id} needs {_named(run, above)}, which failed")
            found.steps.append(NextStep("see why", f"markab explain {place} {quote(job.id)}"))
        case "slot":
            _slot(run, found, job)
        case "throttle":
            _throttle(run, found, job, place)
        case "retry":
            found.lacks.append(f"{job.id} starts again in {duration(run.history.paused[position] - now)}")
            found.steps.append(NextStep("see why it failed", f"markab explain {place} {quote(job.id)}"))
        case "on-hold":
            found.rule, _ = rule_of_error(ErrorKind.HELD, group.reason)
            found.steps.append(NextStep("see what was tried", f"markab why {place} {quote(job.id)}"))
        case "queue":
            found.steps.append(NextStep("see since when", f"markab why {place} {quote(job.id)}"))
        case "engine" | "halt" | "fail-fast" | "held" | "space":
            if run.has_engine:
                found.steps.append(NextStep("see how far it is", f"markab status {place}"))
            else:
                command = run_command(root_directory(run.place))
                found.steps.append(NextStep("run it, or go on with it", command, mutating=True))
    return found


def _named(run: Analyzer, positions: Sequence[int]) -> str:
    names = ", ".join(run.plan.title(one) for one in positions[:NAMED])
    return names + (f" and {len(positions) - NAMED:,} more" if len(positions) > NAMED else "")


def _parents(run: Analyzer, found: IdleJobs, position: int, now: float) -> None:
    """Add which parents are not done, and what keeps the last of the chain: a job that runs, or that waits for something else."""
    states, outline = run.history.states, run.plan.outline
    left = [one for one in outline[position].parents if states[one] != State.SUCCEEDED]
    total = len(outline[position].parents)
    found.lacks.append(
        f"{outline[position].id} lacks {len(left)} of {count(total, 'parent')}: {_named(run, left)}"
    )
    seen, stack = set(left), list(left)
    roots = []
    while stack:
        one = stack.pop()
        above = [parent for parent in outline[one].parents if states[parent] != State.SUCCEEDED]
        if not above:
            roots.append(one)
        new = [parent for parent in above if parent not in seen]
        seen.update(new)
        stack += new
    for root in sorted(roots)[:NAMED]:
        at_work = run.history.under_way.get(root)
        if at_work is not None:
            found.lacks.append(
                f"{run.plan.title(root)} is under way for {duration(max(0.0, now - at_work.since))}"
            )
        else:
            found.lacks.append(f"{run.plan.title(root)} has no parent left and waits itself: see below")


def _slot(run: Analyzer, found: IdleJobs, job: PlannedJob) -> None:
    room = dict(zip(("cores", "memory_mb", "gpus"), run.history.room, strict=True))
    used = dict.fromkeys(room, 0)
    for position in run.history.under_way:
        other = run.plan.job(position)
        if other.site in run.plan.header.local_sites:
            used["cores"] += other.cores
            used["memory_mb"] += run.history.memory_mb.get(position, other.memory_mb)
            used["gpus"] += other.gpus
    wanted = {"cores": job.cores, "memory_mb": job.memory_mb, "gpus": job.gpus}
    for resource, total in room.items():
        free = total - used[resource]
        if total and wanted[resource] > free:
            short = wanted[resource] - free
            found.lacks.append(
                f"{job.id} asks for {_amount(resource, wanted[resource])}; {_amount(resource, max(0, free))} of "
                f"{_amount(resource, total)} are free: {_amount(resource, short)} too little"
            )
    place = shown_path(run.place.path)
    found.steps.append(NextStep("see what runs", f"markab status {place} -l"))


def _amount(resource: str, number: int) -> str:
    if resource == "memory_mb":
        return size(number * 2**20)
    return f"{number} {UNITS[resource]}"


def _throttle(run: Analyzer, found: IdleJobs, job: PlannedJob, place: str) -> None:
    at_work = [one for one in run.history.under_way if run.plan.job(one).category == job.category]
    limit = run.plan.header.limits.get(job.category, 0)
    if job.category and limit:
        found.lacks.append(f"{len(at_work)} of category {job.category!r} are under way, and {limit} may be")
        found.steps.append(NextStep(f"plan with another dagman.{job.category}.maxjobs to change the limit"))
    else:
        found.lacks.append(f"{count(len(run.history.under_way), 'job')} are under way")
    found.steps.append(NextStep("see what runs", f"markab status {place} -l"))
