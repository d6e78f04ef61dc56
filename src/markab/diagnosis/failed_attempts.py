"""The attempts of a run that fail, found in its journal as they happen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markab.formatting import clipped, tail
from markab.journal.attempt_record import Verdict
from markab.journal.attempt_story import captured, error_lines
from markab.journal.reader import JournalReader, whole_bytes
from markab.journal.records import AttemptEnd, GiveUp, RunStart, decode, decoder
from markab.journal.search import beginning
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import SubmitDir

OUTPUT_LINES = 10
LINE_CHARACTERS = 500
"""A command line, or a progress bar drawn over and over, may be a megabyte long."""

_LOOKED_AT = (beginning(AttemptEnd), beginning(GiveUp), beginning(RunStart))
_decode_verdict = decoder(Verdict)


@dataclass
class Failure:
    """An attempt that failed."""

    job: str
    attempt: int
    record: dict[str, Any]
    given_up: bool = False
    """There will be no other in this call of the engine."""
    arguments: str = ""
    """The command line as planned."""

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        record = self.record
        return {
            "job": self.job,
            "attempt": self.attempt,
            "error": record.get("error"),
            "also": record.get("also", []),
            "invocations": record.get("invocations", []),
            "stdout_file": record.get("stdout_file"),
            "stderr_file": record.get("stderr_file"),
        }

    def line(self) -> str:
        """Return it in one line, for a log."""
        errors = [line for line in error_lines(self.record) if not line.startswith("  ")] or [
            "no reason was given"
        ]
        then = "given up" if self.given_up else "will be tried again"
        return f"{self.job}, attempt {self.attempt}: {'; '.join(errors)} ({then})"

    def text(self, submit_dir: Path) -> str:
        """Return it with the end of what the task printed."""
        lines = [f"{self.job} failed (attempt {self.attempt})"]
        lines += [f"  {line}" for line in error_lines(self.record)]
        if self.arguments:
            lines.append(f"  command: {clipped(self.arguments, LINE_CHARACTERS)}")
        for stream in ("stderr", "stdout"):
            if text := captured(self.record, stream, submit_dir).rstrip():
                lines.append(f"  {stream}:")
                shown = tail(text, OUTPUT_LINES).split("\n")
                lines += [f"    {clipped(line, LINE_CHARACTERS)}" for line in shown]
                break  # the end of stderr nearly always says it; stdout only when there is none
        return "\n".join(lines)


class Failures:
    """The failures of a run from now on, or (with `from_start`) since its last engine started."""

    def __init__(self, submit_dir: Path, *, from_start: bool = False) -> None:
        self._place = SubmitDir(submit_dir)
        self._plan: PlanFile | None = None
        self._journal = JournalReader(
            self._place.journal, 0 if from_start else whole_bytes(self._place.journal)
        )
        self.by_job: dict[int, Failure] = {}
        """Position → the last failure of that job in this call of the engine."""

    def new(self) -> Iterator[Failure]:
        """Yield the attempts that failed since the last call; reads only what was written since."""
        fresh: list[Failure] = []
        for body in self._journal.bodies():
            if body.startswith(_LOOKED_AT):
                fresh += self._take(body)
        yield from fresh

    def final(self) -> list[Failure]:
        """Return the failures after which nothing was tried any more, in the plan's order."""
        list(self.new())
        return [self.by_job[job] for job in sorted(self.by_job) if self.by_job[job].given_up]

    def _take(self, body: bytes) -> Iterator[Failure]:
        """Take in a record of a kind that is looked at; yield the failure that it is."""
        match _decode_verdict(body):
            case AttemptEnd(job=job, record=Verdict(ok=False)):
                end = decode(body)
                assert isinstance(end, AttemptEnd)
                self.by_job[job] = failure = self._failure(end)
                yield failure
            case GiveUp(job=job) if job in self.by_job:  # else it ended before we began to look
                self.by_job[job].given_up = True
            case RunStart():
                self.by_job.clear()

    def _failure(self, end: AttemptEnd[dict[str, Any]]) -> Failure:
        if self._plan is None:
            self._plan = PlanFile(self._place.plan)
        job = self._plan.job(end.job)
        command = " ".join(f"{task.executable} {task.arguments}".strip() for task in job.tasks[:1])
        return Failure(job.id, end.attempt, end.record, arguments=command)
