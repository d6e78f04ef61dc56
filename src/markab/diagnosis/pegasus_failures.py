"""The failures of a run of Pegasus: its failed jobs grouped by cause, and the other jobs counted by state.

Jobs and states are those of `provenance/pegasus_record.py`, details those of the database, and of
the files of each job if that cannot be read. Failed jobs of sub-workflows are in the groups too.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from markab.diagnosis.cause_group import CauseGroup
from markab.diagnosis.causes import Cause, cause_of
from markab.errors import MarkabError
from markab.plan.model import Kind, PlannedJob
from markab.planner.graph import children_of
from markab.provenance import pegasus_queries as queries
from markab.provenance import pegasus_record as record
from markab.provenance.pegasus_database import PegasusDatabase, open_pegasus_database
from markab.provenance.pegasus_directory import PegasusDirectory
from markab.provenance.pegasus_record import PegasusRecord, read_record
from markab.provenance.stampede_text import without_marks
from markab.transfers.beneath import open_regular
from markab.transfers.error_kinds import ErrorKind

_TAIL_BYTES = 1 << 16
_OUTPUT = re.compile(r"\.(\d{3})$")


@dataclass(frozen=True)
class PegasusAttempt:
    """The last attempt of a job that failed; what is not recorded is empty."""

    job: str
    kind: str
    state: str
    """The last state in the log, or in the database."""
    site: str = ""
    host: str = ""
    work_dir: str = ""
    submit_file: str = ""
    stdout_file: str = ""
    stderr_file: str = ""
    executable: str = ""
    argv: str = ""
    submit_dir: str = ""
    subworkflow_dir: str = ""
    stdout: str = ""
    stderr: str = ""
    reason: str = ""
    exitcode: int | None = None
    """Raw wait status."""
    attempts: int = 0
    processes: tuple[Any, ...] = ()
    """Rows of `pegasus_queries.processes`, without the post script."""


@dataclass
class PegasusAnalysis:
    """The failures of a run of Pegasus."""

    state: str
    total: int
    left: dict[str, int]
    """State of the jobs of the workflow → their number; as `failure_analysis.LEFT`."""
    held: int
    groups: list[CauseGroup]
    """Their jobs are positions in `PegasusFailureReader.failed`."""
    notes: list[str] = field(default_factory=list)

    @property
    def has_failure(self) -> bool:
        """There is a failure that no DAGMan will retry."""
        return bool(self.left["failed"] or self.left["lost"] or self.groups) or self.state == "Failure"


@dataclass(frozen=True)
class _Failed:
    """A job that failed, and where its details are."""

    job: str
    kind: Kind
    attempt: int = 0
    """Number in the database; 0: its details are in files."""
    workflow: str = ""
    """The name of its sub-workflow; empty: it belongs to the workflow itself."""


class PegasusFailureReader:
    """A run of Pegasus that is read for its failures. Close it."""

    def __init__(self, directory: PegasusDirectory) -> None:
        """Open a run.

        Raises:
            StorageError: neither its files nor its database can be read.
        """
        self.directory = directory
        self.record: PegasusRecord = read_record(directory, with_transformations=True)
        self.failed: list[_Failed] = []
        self._stack = ExitStack()
        self._database: PegasusDatabase | None = None
        self._why_no_database = ""
        try:
            self._database = self._stack.enter_context(open_pegasus_database(directory))
        except MarkabError as error:
            self._why_no_database = str(error)

    def close(self) -> None:
        """Close the database."""
        self._stack.close()

    def analyze(self) -> PegasusAnalysis:
        """Return the failures of the run."""
        states = self.record.states()
        self.failed = self._failed(states)
        groups: dict[tuple[str, str], CauseGroup] = {}
        for position, one in enumerate(self.failed):
            cause, xform = self.cause(position), self._xform(one)
            key = xform, cause.signature(one.job)
            groups.setdefault(key, CauseGroup(cause, xform)).jobs.append(position)
        blocked = self._count_blocked(states, list(groups.values()))
        notes = list(self.record.notes)
        if self._why_no_database and self.record.is_known:
            notes.append(f"hosts, commands and sub-workflows are not known: {self._why_no_database}")
        return PegasusAnalysis(
            state=self.record.state,
            total=len(states),
            left=_left(self.record, states, blocked),
            held=self._held(states),
            groups=sorted(groups.values(), key=lambda group: -(group.blocked + len(group.jobs))),
            notes=list(dict.fromkeys(notes)),
        )

    def attempt(self, position: int) -> PegasusAttempt:
        """Return the details of a failed job."""
        one = self.failed[position]
        if one.attempt and self._database is not None:
            return _from_database(self._database, one.attempt, str(self.directory.path))
        return self._from_files(one)

    def cause(self, position: int) -> Cause:
        """Return why a job failed."""
        return cause_of_attempt(self.attempt(position))

    def _failed(self, states: Sequence[str]) -> list[_Failed]:
        """Return the jobs that failed for good: of the workflow as their states say, and of those below it."""
        dag, database = self.record.dag, self._database
        stored = queries.failed_attempts(database) if database is not None else []
        own = database.workflow.wf_id if database is not None else 0
        attempt = {row.exec_job_id: row.job_instance_id for row in stored if row.wf_id == own}
        found = [
            _Failed(job, kind, attempt.get(job, 0))
            for job, kind, state in zip(dag.ids, self.record.kinds, states, strict=True)
            if state == record.FAILED
        ]
        names = {one.wf_id: one.name for one in database.members} if database is not None else {}
        return found + [
            _Failed(
                row.exec_job_id, record.kind_of_type(row.type_desc), row.job_instance_id, names[row.wf_id]
            )
            for row in stored
            if row.wf_id != own
        ]

    def _xform(self, one: _Failed) -> str:
        number = None if one.workflow else self.record.dag.number.get(one.job)
        return record.xform_of_name(one.job, one.kind) if number is None else self.record.xforms[number]

    def _held(self, states: Sequence[str]) -> int:
        if self._database is not None:
            return queries.held_jobs(self._database)
        return sum(seen.held for seen in self.record.history.jobs.values())

    def _count_blocked(self, states: Sequence[str], groups: Sequence[CauseGroup]) -> int:
        """Set how many jobs each group holds up; return how many are held up in total."""
        dag = self.record.dag
        children = children_of(dag.parents)
        every: set[int] = set()
        for group in groups:
            own = (self.failed[position] for position in group.jobs if not self.failed[position].workflow)
            stack = [dag.number[one.job] for one in own if one.job in dag.number]
            seen: set[int] = set()
            while stack:
                for child in children[stack.pop()]:
                    if child not in seen and states[child] in (record.UNREADY, record.READY):
                        seen.add(child)
                        stack.append(child)
            group.blocked = len(seen)
            every |= seen
        return len(every)

    def _from_files(self, one: _Failed) -> PegasusAttempt:
        """Return what the log and the files of a job have."""
        seen, number = self.record.history.jobs.get(one.job), self.record.dag.number.get(one.job)
        submit_file = self.record.dag.submit_files[number] if number is not None else ""
        base = self.directory.path / (submit_file.removesuffix(".sub") or one.job)
        out, err = _newest(base, ".out"), _newest(base, ".err")
        return PegasusAttempt(
            job=one.job,
            kind=one.kind.value,
            state=seen.state if seen else "",
            site=seen.site if seen else "",
            submit_file=submit_file,
            stdout_file=str(out or ""),
            stderr_file=str(err or ""),
            submit_dir=str(self.directory.path),
            stderr=_end_of(err),
            attempts=seen.attempt if seen else 0,
        )


def cause_of_attempt(attempt: PegasusAttempt) -> Cause:
    """Return why an attempt of Pegasus failed. Pure."""
    status = attempt.exitcode
    worst = [one for one in attempt.processes if one.exitcode] or list(attempt.processes)
    if worst and worst[-1].exitcode:
        status = worst[-1].exitcode
    by_signal = status is not None and status > 0 and status & 0x7F
    error = {"kind": ErrorKind.SIGNAL if by_signal else ErrorKind.EXIT, "message": _last_words(attempt)}
    process: dict[str, Any] = {"status": max(0, status or 0)}
    if worst and worst[-1].maxrss:
        process["maxrss_kb"] = worst[-1].maxrss
    planned = PlannedJob(id=attempt.job, kind=Kind.COMPUTE, site=attempt.site)
    found = cause_of({"error": error, "invocations": [process]}, planned, attempt.stderr, attempt.stdout)
    if attempt.processes and not any(one.exitcode for one in attempt.processes):
        title = f"its processes ended with 0, and its post script refused it: {_last_words(attempt)}"
        found = changed(found, title=title)
    elif status is None and found.name == ErrorKind.EXIT:
        found = changed(found, title=_last_words(attempt))
    # a remedy that types a command of Markab is one for its own runs
    return changed(found, remedy="" if "markab " in found.remedy else found.remedy)


def _last_words(attempt: PegasusAttempt) -> str:
    last = attempt.reason or f"its last state is {attempt.state}" if attempt.state else attempt.reason
    return last or "no reason is recorded"


def _left(run: PegasusRecord, states: Sequence[str], blocked: int) -> dict[str, int]:
    number = Counter(states)
    seen = run.history.jobs
    failing = sum(
        state == record.READY and job in seen for job, state in zip(run.dag.ids, states, strict=True)
    )
    unsubmitted = number[record.UNREADY] + number[record.READY] - failing - blocked
    under_way = sum(number[state] for state in (record.PRE, record.QUEUED, record.RUNNING, record.POST))
    return {
        "succeeded": number[record.SUCCEEDED],
        "failed": number[record.FAILED],
        "failing": failing,
        "running": under_way,
        "lost": number[record.LOST],
        "blocked": blocked,
        "unsubmitted": unsubmitted,
    }


def _from_database(database: PegasusDatabase, number: int, submit_dir: str) -> PegasusAttempt:
    row = queries.attempt_details(database, number)
    out, marked_err = without_marks(_text(row.stdout_text))
    return PegasusAttempt(
        job=row.exec_job_id,
        kind=row.type_desc,
        state=row.state or "",
        site=row.site or "",
        host=row.hostname or "",
        work_dir=row.work_dir or "",
        submit_file=row.submit_file or "",
        stdout_file=row.stdout_file or "",
        stderr_file=row.stderr_file or "",
        executable=row.executable or "",
        argv=row.argv or "",
        submit_dir=row.submit_dir or submit_dir,
        subworkflow_dir=row.subwf_dir or "",
        stdout=out,
        stderr=_text(row.stderr_text) or marked_err,
        reason=row.reason or "",
        exitcode=row.exitcode,
        attempts=row.attempts,
        processes=tuple(one for one in queries.processes(database, number) if one.task_submit_seq >= -1),
    )


def _text(stored: str | None) -> str:
    """Return text of the database without its percent escapes."""
    return unquote(stored or "", errors="replace")


def _newest(base: Path, suffix: str) -> Path | None:
    """Return the output of the last attempt: the file with the highest number, `<job>.err.001`."""
    beginning = f"{base.name}{suffix}"
    try:
        names = [name for name in os.listdir(base.parent) if name.startswith(beginning)]
    except OSError:
        return None
    numbered = [(int(match[1]), name) for name in names if (match := _OUTPUT.search(name))]
    if numbered:
        return base.parent / max(numbered)[1]
    return base.parent / beginning if beginning in names else None


def _end_of(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        with open(path, "rb", opener=open_regular) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
