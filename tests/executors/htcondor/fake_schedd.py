"""A schedd in memory, which writes the log of events as HTCondor does, and fails on demand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from markab.errors import ExecutorUnavailable
from markab.executors.htcondor.event_log import JobId
from markab.executors.htcondor.schedd import (
    COMPLETED,
    HELD,
    IDLE,
    REMOVED,
    RUNNING,
    Ad,
    SubmissionRefused,
)

SUCCESS = '{"ok": true, "host": "node7", "start": 1.0, "end": 2.0}'


@dataclass
class FakeSchedd:
    """See `Schedd`."""

    jobs: dict[JobId, dict[str, Any]] = field(default_factory=dict)
    ended: list[dict[str, Any]] = field(default_factory=list)
    refuses: str = ""
    """Why submissions are refused for ever."""
    silent: int = 0
    """So many calls of any kind fail first."""
    swallows: int = 0
    """So many submissions are accepted, and the answer is lost."""
    writes_log: bool = True
    removals: list[str] = field(default_factory=list)
    retrieved: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    """The submit files."""
    log: Path = Path()
    clusters: int = 0

    # -- what the executor calls --

    def submit(self, path: Path) -> int:
        self._answer()
        if self.refuses:
            raise SubmissionRefused(self.refuses)
        text = path.read_text()
        self.texts.append(text)
        self.log = Path(_value(text, "log"))
        self.clusters += 1
        for proc, line in enumerate(path.with_suffix(".items").read_text().splitlines()):
            job, number, _ = line.split(" ", 2)
            id_ = JobId(self.clusters, proc)
            self.jobs[id_] = {
                "ClusterId": self.clusters,
                "ProcId": proc,
                "MarkabRun": _value(text, "My.MarkabRun").strip('"'),
                "MarkabJob": int(job),
                "MarkabAttempt": int(number),
                "JobStatus": IDLE,
                "Directory": self.log.parent / f"{job}.{number}",
            }
            self.write(id_, "SubmitEvent", LogNotes=f"markab {job} {number}")
        if self.swallows:
            self.swallows -= 1
            raise ExecutorUnavailable("no answer")
        return self.clusters

    def query(self, constraint: str) -> Sequence[Ad]:
        self._answer()
        return [job for job in self.jobs.values() if f'"{job["MarkabRun"]}"' in constraint]

    def history(self, constraint: str) -> Sequence[Ad]:
        self._answer()
        return [job for job in self.ended if f'"{job["MarkabRun"]}"' in constraint]

    def retrieve(self, constraint: str) -> None:
        self._answer()
        self.retrieved.append(constraint)
        for job in self.jobs.values():
            if job["JobStatus"] == COMPLETED:
                _put_record(job["Directory"], job["Record"])

    def remove(self, constraint: str) -> None:
        self._answer()
        self.removals.append(constraint)
        for cluster, procs in re.findall(r"ClusterId == (\d+) && \(([^)]*)\)", constraint):
            for proc in re.findall(r"\d+", procs):
                if (id_ := JobId(int(cluster), int(proc))) in self.jobs:
                    self.abort(id_, "via condor_rm (by user ada)")

    def close(self) -> None:
        pass

    def _answer(self) -> None:
        if self.silent:
            self.silent -= 1
            raise ExecutorUnavailable("Failed to connect to schedd")

    # -- what happens in the pool --

    def write(self, job: JobId, type_: str, **attributes: Any) -> None:
        if not self.writes_log:
            return
        texts = {"MyType": type_, "Cluster": job.cluster, "Proc": job.proc, **attributes}
        lines = [f'    <a n="{name}">{_xml(value)}</a>\n' for name, value in texts.items()]
        with open(self.log, "a") as log:
            log.write("<c>\n" + "".join(lines) + "</c>\n")

    def find(self, position: int, number: int = 1) -> JobId:
        """Return the last job of an attempt."""
        keys = [
            id_
            for id_, job in self.jobs.items()
            if (job["MarkabJob"], job["MarkabAttempt"]) == (position, number)
        ]
        return max(keys)

    def execute(self, job: JobId) -> None:
        self.jobs[job]["JobStatus"] = RUNNING
        self.write(job, "ExecuteEvent", SlotName="slot1_1@node7")

    def evict(self, job: JobId) -> None:
        self.jobs[job]["JobStatus"] = IDLE
        self.write(job, "JobEvictedEvent")

    def hold(self, job: JobId, code: int, reason: str, subcode: int = 0) -> None:
        self.jobs[job].update(
            JobStatus=HELD, HoldReasonCode=code, HoldReasonSubCode=subcode, HoldReason=reason
        )
        self.write(job, "JobHeldEvent", HoldReasonCode=code, HoldReasonSubCode=subcode, HoldReason=reason)

    def release(self, job: JobId) -> None:
        self.jobs[job]["JobStatus"] = IDLE
        self.write(job, "JobReleaseEvent")

    def abort(self, job: JobId, reason: str) -> None:
        self._leave(job, JobStatus=REMOVED, RemoveReason=reason)
        self.write(job, "JobAbortedEvent", Reason=reason)

    def terminate(self, job: JobId, code: int = 0, record: str | None = "", signal: int = 0) -> None:
        """Let a job end; what comes back is a record of success, the one given, or none."""
        directory: Path = self.jobs[job]["Directory"]
        if record is not None:
            _put_record(directory, record or SUCCESS)
        ended = {"ExitSignal": signal} if signal else {"ExitCode": code}
        self._leave(job, JobStatus=COMPLETED, ExitBySignal=bool(signal), **ended)
        end = {"TerminatedBySignal": signal} if signal else {"ReturnValue": code}
        self.write(job, "JobTerminatedEvent", TerminatedNormally=not signal, **end)

    def complete(self, job: JobId) -> None:
        """Let a job of a schedd elsewhere end: it stays in the queue, with its files."""
        self.jobs[job].update(JobStatus=COMPLETED, ExitCode=0, ExitBySignal=False, Record=SUCCESS)

    def _leave(self, job: JobId, **attributes: Any) -> None:
        self.ended.append(self.jobs.pop(job) | attributes)


def _put_record(directory: Path, text: str) -> None:
    (directory / "attachments").mkdir(parents=True, exist_ok=True)
    (directory / "attachments/record.json").write_text(text)


def _value(text: str, command: str) -> str:
    return next(line.split(" = ", 1)[1] for line in text.splitlines() if line.startswith(f"{command} = "))


def _xml(value: object) -> str:
    if isinstance(value, bool):
        return f'<b v="{"t" if value else "f"}"/>'
    return f"<i>{value}</i>" if isinstance(value, int) else f"<s>{escape(str(value))}</s>"
