"""The failed attempts of a run, found in its journal as it grows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markab.diagnosis.attempt_cause import attempt_cause, failed_task
from markab.diagnosis.failure_patterns import CARRIAGE_RETURN
from markab.formatting import clipped, output_lines, titled
from markab.journal.attempt_story import captured, error_lines, log_texts
from markab.journal.reader import JournalReader, whole_bytes
from markab.journal.records import AttemptEnd, Entry, GiveUp, RunStart, decode
from markab.journal.search import beginning, records_success
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import SubmitDir
from markab.transfers.error_kinds import ErrorKind

OUTPUT_LINES = 10
LINE_CHARACTERS = 500
"""A command line, or a progress bar drawn over and over, may be a megabyte long."""

_RELEVANT = (beginning(AttemptEnd), beginning(GiveUp), beginning(RunStart))


@dataclass
class FailedAttempt:
    """An attempt that failed."""

    job: str
    attempt: int
    record: dict[str, Any]
    given_up: bool = False
    """This engine will not retry the job."""
    arguments: str = ""
    """The command line as planned."""
    plan: PlanFile | None = None
    """The plan of the run, in which the cause is looked up."""
    position: int = 0
    label: str = ""
    """As `PlannedJob.label`."""

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        record = self.record
        return {
            "job": self.job,
            "label": self.label,
            "attempt": self.attempt,
            "error": record.get("error"),
            "also": record.get("also", []),
            "invocations": record.get("invocations", []),
            "stdout_file": record.get("stdout_file"),
            "stderr_file": record.get("stderr_file"),
        }

    def line(self) -> str:
        """Return the failure in one line, for a log."""
        errors = [line for line in error_lines(self.record) if not line.startswith("  ")] or [
            "no reason is recorded"
        ]
        then = "given up" if self.given_up else "will be tried again"
        return f"{titled(self.job, self.label)}, attempt {self.attempt}: {'; '.join(errors)} ({then})"

    def text(self, submit_dir: Path) -> str:
        """Return the failure with the last lines of the task's output."""
        lines = [f"{titled(self.job, self.label)} failed (attempt {self.attempt})"]
        lines += [f"  {line}" for line in self._errors(submit_dir)]
        if self.arguments:
            lines.append(f"  command: {clipped(self.arguments, LINE_CHARACTERS)}")
        printed = [(stream, captured(self.record, stream, submit_dir)) for stream in ("stderr", "stdout")]
        printed += [(f"log {name}", text) for name, text in log_texts(self.record)]
        for name, text in printed:
            if text := text.rstrip():
                lines.append(f"  {name}:")
                shown = output_lines(text, OUTPUT_LINES)
                lines += [f"    {clipped(line, LINE_CHARACTERS)}" for line in shown]
                break  # the end of stderr nearly always has the error; others are shown only without it
        return "\n".join(lines)

    def _errors(self, submit_dir: Path) -> list[str]:
        """Return the errors, one a line; below the first, if it has no hint, the remedy that `analyze` names."""
        lines = error_lines(self.record)
        if self.plan is None or not lines:
            return lines
        cause = attempt_cause(self.plan, self.plan.job(self.position), self.record, submit_dir)
        has_hint = bool((self.record.get("error") or {}).get("hint"))
        if not cause.remedy or (has_hint and cause.name != CARRIAGE_RETURN):
            return lines
        return [lines[0], f"  hint: {cause.remedy}", *lines[2 if has_hint else 1 :]]


class FailedAttempts:
    """The failures of a run from now on, or (with `from_start`) since its last engine started."""

    def __init__(self, submit_dir: Path, *, from_start: bool = False) -> None:
        self._place = SubmitDir(submit_dir)
        self._plan: PlanFile | None = None
        self._journal = JournalReader(
            self._place.journal, 0 if from_start else whole_bytes(self._place.journal)
        )
        self.by_job: dict[int, FailedAttempt] = {}
        """Position → the last failure of that job in this call of the engine."""

    def new(self) -> Iterator[FailedAttempt]:
        """Yield the attempts that failed since the last call; reads only what was written since."""
        fresh: list[FailedAttempt] = []
        for body in self._journal.bodies():
            if body.startswith(_RELEVANT) and not records_success(body):
                fresh += self._take(decode(body))
        yield from fresh

    def final(self) -> list[FailedAttempt]:
        """Return the last failures of the jobs that were given up, in the plan's order."""
        list(self.new())
        return [self.by_job[job] for job in sorted(self.by_job) if self.by_job[job].given_up]

    def _take(self, entry: Entry) -> Iterator[FailedAttempt]:
        """Process a relevant record; yield the failure that it is."""
        match entry:
            case AttemptEnd(record={"error": {"kind": ErrorKind.INCOMPLETE}}):
                pass  # no failure of that job: another is the cause
            case AttemptEnd(job=job):
                self.by_job[job] = failure = self._failure(entry)
                yield failure
            case GiveUp(job=job) if job in self.by_job:  # else it failed before reading began
                self.by_job[job].given_up = True
            case RunStart():
                self.by_job.clear()

    def _failure(self, end: AttemptEnd[dict[str, Any]]) -> FailedAttempt:
        if self._plan is None:
            self._plan = PlanFile(self._place.plan)
        job = self._plan.job(end.job)
        task = failed_task(job, end.record)
        command = f"{task.executable} {task.arguments}".strip() if task is not None else ""
        return FailedAttempt(
            job.id, end.attempt, end.record, False, command, self._plan, end.job, label=job.label
        )
