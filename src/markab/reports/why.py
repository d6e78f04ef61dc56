"""The report of `why JOB`: the planner's pass that made a job, what it waited for, and how its attempts ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from markab.diagnosis.failed_ancestors import failed_ancestors
from markab.diagnosis.failure_analysis import Analyzer
from markab.diagnosis.reuse_verdict import reuse_verdict
from markab.diagnosis.waiting import Waiting, WaitingReasons
from markab.formatting import (
    clipped,
    count,
    duration,
    moment,
    parameters_text,
    printable_line,
    shown_path,
    titled,
)
from markab.journal.attempt_story import AttemptStory, read_attempts
from markab.journal.lifecycle import State
from markab.plan.child_directory import child_runs
from markab.plan.job_lookup import find_job
from markab.plan.model import Kind, PlannedJob
from markab.reports.reused_task import ReusedTaskReport, find_reused_task
from markab.reports.status import current_status

PARENTS_SHOWN = 20
PARENTS_NAMED = 3
"""Number of parents in the sentence; all of them are listed below it."""


class Relative(NamedTuple):
    """A job before the explained one."""

    job: str
    label: str
    state: str

    @property
    def title(self) -> str:
        """Its name with its label."""
        return titled(self.job, self.label)


@dataclass
class JobExplanation:
    """The explanation of one job."""

    job: PlannedJob
    origin: str
    """The planner's pass that made it, and its purpose."""
    verdict: str
    """Its state and the reason for it, in a sentence."""
    parents: list[Relative]
    failed_ancestors: list[Relative] = field(default_factory=list)
    """Failed jobs without which it cannot start."""
    attempts: list[tuple[AttemptStory, str]] = field(default_factory=list)
    """Attempt, how it ended."""
    reason: str = ""
    """Why the last attempt failed."""
    remedy: str = ""
    again: str = ""
    """With reuse by content: why its task was to be run, or which earlier job made its outputs."""
    inside: Path | None = None
    """The submit directory of the sub-workflow that the job is."""
    parameters: dict[str, str] = field(default_factory=dict)
    """Those of the script that built the workflow."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "job": self.job.id,
            "label": self.job.label,
            "kind": self.job.kind.value,
            "site": self.job.site,
            "origin": self.origin,
            **({"again": self.again} if self.again else {}),
            **({"inside": str(self.inside)} if self.inside else {}),
            **({"parameters": self.parameters} if self.parameters else {}),
            "verdict": self.verdict,
            "remedy": self.remedy,
            "parents": [one._asdict() for one in self.parents],
            "because_of": [one.job for one in self.failed_ancestors],
            "attempts": [
                {"attempt": a.number, "start": a.start, "end": a.end, "ended": ended, "after": a.after}
                for a, ended in self.attempts
            ],
        }

    def text(self) -> str:
        """Return it as text."""
        job = self.job
        lines = [f"{job.id} ({job.kind.value} at {job.site}) {self.verdict}"]
        if job.label:
            lines.append(f"  label     {printable_line(job.label)}")
        lines.append(f"  made by   {self.origin}")
        if self.inside:
            lines.append(f"  inside    {shown_path(self.inside)}, the submit directory of the sub-workflow")
        if self.again:
            lines.append(f"  reuse     {self.again}")
        if self.parameters:
            lines.append(f"  given     {parameters_text(self.parameters)}")
        if self.remedy:
            lines.append(f"  help      {self.remedy}")
        for one in self.failed_ancestors[:PARENTS_SHOWN]:
            lines.append(f"  because   {one.title} failed")
        if len(self.failed_ancestors) > PARENTS_SHOWN:
            lines.append(f"  because   … and {len(self.failed_ancestors) - PARENTS_SHOWN:,} more failed")
        # Parents that succeeded are counted, the others are listed by name.
        done = [one.title for one in self.parents if one.state == "succeeded"]
        others = [one for one in self.parents if one.state != "succeeded"]
        if done:
            shown = ", ".join(done) if len(done) <= 3 else count(len(done), "job")
            lines.append(f"  after     {shown} (succeeded)")
        lines += [f"  after     {one.title} ({one.state})" for one in others[:PARENTS_SHOWN]]
        if len(others) > PARENTS_SHOWN:
            lines.append(f"  after     … and {len(others) - PARENTS_SHOWN:,} more that did not succeed")
        if not self.parents:
            lines.append("  after     nothing: it may start at once")
        before = 0.0
        for attempt, ended in self.attempts:
            if before and attempt.start - before >= 1:
                lines.append(f"  pause     {duration(attempt.start - before)}")
            lines.append(f"  attempt {attempt.number} {_when(attempt)}: {clipped(ended, 300)}")
            if attempt.after:
                lines.append(f"            then {attempt.after}")
            before = attempt.end
        return "\n".join(lines) + "\n"


def read_why(
    submit_dir: str | Path | None, job_id: str, now: float | None = None
) -> JobExplanation | ReusedTaskReport:
    """Return the explanation of a job, named by its id or its task's; or of a task that the plan left out.

    Raises:
        NotARun: no submit directory.
        MarkabError: the plan has no such job.
    """
    run = Analyzer(submit_dir)
    try:
        status = current_status(run)
        if (reused := find_reused_task(run, job_id)) is not None:
            return reused
        position = find_job(run.plan, job_id)
        job = run.plan.job(position)
        now = time.time() if now is None else now
        waits = WaitingReasons(
            run.plan, run.history, status.state, now, status.held, status.on_hold, status.in_queue
        )
        running = status.state == "Running"
        words = {
            State.SUCCEEDED: "succeeded",
            State.FAILED: "failed",
            State.SKIPPED: "skipped",
            State.INCOMPLETE: "done in part",
        }
        states = run.job_states()

        def standing(one: int) -> str:
            if one in run.history.under_way:
                if not running and run.history.under_way[one].site in run.plan.header.remote_sites:
                    return "left at its site"
                return "under way" if running else "lost with the engine"
            return words.get(State(states[one]), "waiting" if running else "not started")

        story = JobExplanation(
            job,
            _origin(job),
            "",
            [_relative(run, parent, standing(parent)) for parent in job.parents],
            failed_ancestors=[
                _relative(run, one, "failed")
                for one in failed_ancestors(run.plan, run.history.states, position)
            ],
            parameters=run.plan.header.parameters,
        )
        story.again = reuse_verdict(run, position)
        if job.kind is Kind.SUBWORKFLOW:
            below = child_runs(run.place.path, run.plan)
            story.inside = next((child.path for child in below if child.position == position), None)
        for attempt in read_attempts(run.place.journal, position):
            story.attempts.append((attempt, _ended(run, story, attempt, running)))
        story.verdict = _verdict(status.state, waits.of(position), standing(position), story)
        return story
    finally:
        run.close()


def _origin(job: PlannedJob) -> str:
    if job.why:
        return job.why
    if job.kind is not Kind.COMPUTE:
        return "the planner"
    tasks = [task.id for task in job.tasks]
    return f"the workflow: {'task ' + tasks[0] if len(tasks) == 1 else count(len(tasks), 'task')}"


def _ended(run: Analyzer, story: JobExplanation, attempt: AttemptStory, running: bool) -> str:
    record = attempt.record
    if record is None:
        at_site = f" at site {attempt.site!r}" if attempt.site in run.plan.header.remote_sites else ""
        if at_site:
            at_site += f", {attempt.native_id}" if attempt.native_id else ""
            at_site += f" on {attempt.host}" if attempt.host else ""
            at_site += f", held: {attempt.held}" if attempt.held else ""
            return f"{'under way' if running else 'left'}{at_site}"
        return "under way" if running else "lost: the engine ended while it ran"
    took = duration(attempt.end - attempt.start) if attempt.end and attempt.start else ""
    on = f" on {record['host']}" if record.get("host") else ""
    if record.get("ok"):
        story.reason = story.remedy = ""
        return f"succeeded after {took}{on}"
    cause = run.cause(story.job, record)
    story.reason, story.remedy = cause.title, cause.remedy
    return f"{cause.title}{f', after {took}' if took else ''}{on}"


def _verdict(run_state: str, waiting: Waiting | None, standing: str, story: JobExplanation) -> str:
    tries = len(story.attempts)
    if standing in ("succeeded", "failed", "done in part"):
        verdict = f"was {standing}" if standing == "done in part" else standing
        verdict += f" after {count(tries, 'attempt')}" if tries > 1 else ""
        if standing != "succeeded" and story.reason:
            verdict += f": {clipped(story.reason, 200)}"
        return verdict
    if waiting is not None and waiting.word in ("on-hold", "queue"):
        return f"waits: {waiting.reason}"
    if standing in ("under way", "lost with the engine", "left at its site"):
        return f"is {standing}" if standing == "under way" else f"was {standing}; running it again continues"
    if story.failed_ancestors:
        return "skipped: a job before it failed"
    if waiting is None:
        return standing
    if waiting.word != "parents":
        return f"waits: {waiting.reason}"
    if run_state == "Not started":
        return "waits: the run is not started yet"
    if run_state == "Refused":
        return "waits: the run was refused"
    left = [f"{one.title} ({one.state})" for one in story.parents if one.state != "succeeded"]
    shown = ", ".join(left[:PARENTS_NAMED]) + (", …" if len(left) > PARENTS_NAMED else "")
    return (
        f"waits for {shown}" if run_state == "Running" else f"was not started: the run ended before {shown}"
    )


def _relative(run: Analyzer, position: int, state: str) -> Relative:
    job = run.plan.job(position)
    return Relative(job.id, job.label, state)


def _when(attempt: AttemptStory) -> str:
    return moment(attempt.start) if attempt.start else "?"
