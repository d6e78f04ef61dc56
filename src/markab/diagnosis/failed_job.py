"""The details of one failed job: its command, how each attempt ended, and the nearest sibling that succeeded."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field
from typing import Any

from markab.diagnosis.attempt_cause import failed_invocation, failed_task
from markab.diagnosis.causes import Cause, peak_memory_mb
from markab.diagnosis.failure_analysis import Analyzer
from markab.diagnosis.siblings import differences, nearest_sibling
from markab.formatting import clipped, count, size
from markab.journal.attempt_story import captured, read_attempts
from markab.plan.model import PlannedJob
from markab.transfers.error_kinds import ErrorKind

SHOWN_FROM_MB = 256
"""A smaller use of memory is shown only of jobs that requested memory."""
INPUT_ERRORS = frozenset(
    {ErrorKind.MISSING_INPUT, ErrorKind.CHECKSUM, ErrorKind.TRANSFER, ErrorKind.INPUT_CHANGED}
)
_SIZE = re.compile(r"\d[\d.]* [KMGT]?B")


@dataclass
class FailedJob:
    """A failed job."""

    job: PlannedJob
    position: int
    record: dict[str, Any]
    """The worker's record of its last attempt."""
    cause: Cause
    stdout: str
    stderr: str
    tries: list[str]
    """How its attempts ended, oldest first, equal ones that follow each other folded."""
    inputs: list[str]
    """Errors of files that it reads."""
    sibling: str = ""
    """Id of the nearest job like it that succeeded."""
    sibling_label: str = ""
    differs: list[str] = field(default_factory=list)
    native_id: str = ""
    """The site's own id of its last attempt; "": none is known."""

    @property
    def failed_command(self) -> str:
        """The command line of the task that failed, as it ran or as planned."""
        if argv := failed_invocation(self.record).get("argv"):
            return shlex.join(argv)
        task = failed_task(self.job, self.record)
        return f"{task.executable} {task.arguments}".strip() if task is not None else ""

    @property
    def host(self) -> str:
        """The host it ran on."""
        return str(self.record.get("host", ""))

    @property
    def directory(self) -> str:
        """Its working directory, which may have been deleted."""
        return str(self.record.get("cwd", ""))

    @property
    def memory(self) -> str:
        """Peak and requested memory as text; empty if both are small."""
        peak_mb, asked_mb = peak_memory_mb(self.record), self.job.memory_mb
        if not peak_mb or (not asked_mb and peak_mb < SHOWN_FROM_MB and self.cause.name != "memory"):
            return ""
        asked = f"asked for {size(asked_mb * 2**20)}" if asked_mb else "asked for no amount"
        return f"{size(peak_mb * 2**20)} at most; {asked}"

    def files(self) -> list[tuple[str, str]]:
        """Return the files and directories that still exist: label, path."""
        found = [
            (stream, str(self.record[f"{stream}_file"]))
            for stream in ("stderr", "stdout")
            if self.record.get(f"{stream}_file")
        ]
        if self.directory and os.path.isdir(self.directory):
            found.append(("directory", self.directory))
        return found


def examine_failed_job(run: Analyzer, position: int) -> FailedJob:
    """Return the details of a job of which an attempt failed."""
    job = run.plan.job(position)
    records = run.records(position)
    record = records[-1]
    cause = run.cause(job, record)
    found = FailedJob(
        job,
        position,
        record,
        cause,
        stdout=captured(record, "stdout", run.place.path),
        stderr=captured(record, "stderr", run.place.path),
        tries=_folded([run.cause(job, one).title for one in records]),
        inputs=[
            clipped(error["message"], 400)
            for error in [record.get("error") or {}, *record.get("also", ())]
            if error.get("kind") in INPUT_ERRORS
        ],
    )
    if job.site in run.plan.header.remote_sites and (attempts := read_attempts(run.place.journal, position)):
        found.native_id = attempts[-1].native_id
    other = nearest_sibling(run.plan, run.history.states, position)
    if other is not None:
        sibling = run.plan.job(other)
        found.sibling, found.sibling_label = sibling.id, sibling.label
        its = run.record_at(run.ok_at[other]) if run.ok_at[other] >= 0 else {}
        found.differs = differences(job, record, sibling, its)
    return found


def _folded(titles: list[str]) -> list[str]:
    """Return how each attempt ended; attempts that differ only in a size are one line."""
    ends = [_SIZE.sub("#", title) for title in titles]
    lines: list[str] = []
    begin = 0
    for number in range(1, len(titles) + 1):
        if number < len(titles) and ends[number] == ends[begin]:
            continue
        if begin == 0 and number == len(titles):
            return [f"{count(number, 'attempt')}, all with the same end"] if number > 1 else []
        which = f"attempt {begin + 1}" if number == begin + 1 else f"attempts {begin + 1} to {number}"
        lines.append(f"{which}: {titles[begin]}")
        begin = number
    return lines
