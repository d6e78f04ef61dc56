"""The journal as rows: attempts, their states, processes, hosts, checks, and the files they made.

`Happened` takes records one by one and keeps the rows until `write`. What it
remembers between records is little, and all of it can be read back from the
database (`Place`, `Open`, the hosts): so a journal taken in line by line, by
many processes one after the other, gives the same rows as one taken in at once.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from markab.errors import CorruptJournal
from markab.plan.model import Kind
from markab.provenance.planned import Briefs
from markab.provenance.records import End, Invocation, Record, RunEnd, Running, RunStart, Start
from markab.provenance.states import EXECUTE, SUBMIT, escaped, exit_status, last_states, reason
from markab.provenance.tail import Line
from markab.provenance.writer import Row, Writer

STATUSES = {"success": 0}
"""How a run ended → `workflowstate.status`; everything else is 1."""
_NOT_PLAIN = re.compile(r"[^\w@%+=:,./-]", re.ASCII)
_UNKNOWN_IP = ""
_INSTANCE_COLUMNS = (
    "host_id",
    "work_dir",
    "cluster_start",
    "cluster_duration",
    "local_duration",
    "stdout_file",
    "stdout_text",
    "stderr_file",
    "stderr_text",
    "exitcode",
)
"""What is known only when an attempt has ended."""


@dataclass(slots=True)
class Place:
    """How far a journal was taken in, and what counts on from there."""

    journal_bytes: int = 0
    last_line: str = ""
    submit_seq: int = 0
    restarts: int = 0
    state_time: float = 0.0


@dataclass(slots=True)
class Open:
    """An attempt that has not ended."""

    id: int
    """Its row in `job_instance`."""
    site: str
    submitted: float
    executed: float | None
    states: int
    """How many it has been in."""
    row: list[Any] | None
    """The row itself, as long as it is not written; host … exit code are filled in at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What does not change while a run goes on."""

    wf_id: int
    first_job_id: int
    jobs: int
    user: str | None
    executors: Mapping[str, str]
    """Site → its executor; the local one runs at once what it is given."""
    briefs: Briefs


class Happened:
    """Takes in records; `write` hands the rows over."""

    def __init__(
        self,
        run: RunFacts,
        place: Place,
        open_attempts: dict[int, Open],
        hosts: dict[tuple[str, str], int],
        writer: Writer,
        lfn_ids: dict[str, int],
    ) -> None:
        """Go on from `place`. `open_attempts` (by position), `hosts` and `lfn_ids` are kept up to date."""
        self.place = place
        self._run = run
        self._open = open_attempts
        self._hosts = hosts
        self._writer = writer
        self._lfn_ids = lfn_ids
        self._begin()
        self._next_instance = writer.new_ids("job_instance", 0)
        self._next_invocation = writer.new_ids("invocation", 0)
        self._next_integrity = writer.new_ids("integrity", 0)

    def _begin(self) -> None:
        self._workflow_states: list[Row] = []
        self._new_hosts: list[Row] = []
        self._instances: list[list[Any]] = []
        self._ended: list[Row] = []
        self._states: list[Row] = []
        self._invocations: list[Row] = []
        self._integrity: list[Row] = []
        self._tags: list[Row] = []
        self._attempts: list[Row] = []
        self._made: dict[str, tuple[int | None, str | None]] = {}
        """File → size and checksum, as last seen."""
        self._delivered: list[tuple[str, str, str]] = []

    def handlers(self) -> dict[type, Callable[[Any, Line], None]]:
        """Return what to call with a record and its line, by the class of the record; nothing for the others.

        Each raises CorruptJournal for a job that the plan does not have, and for the
        end of what never started.
        """
        return {
            RunStart: self._run_start,
            Start: self._start,
            Running: self._running,
            End: self._end,
            RunEnd: self._run_end,
        }

    def write(self) -> None:
        """Hand all rows over, parents first, and begin anew."""
        writer, wf_id = self._writer, self._run.wf_id
        writer.insert("workflowstate", self._workflow_states)
        writer.insert("host", self._new_hosts)
        writer.new_ids("job_instance", len(self._instances))
        writer.insert("job_instance", self._instances)
        writer.update("job_instance", "job_instance_id", _INSTANCE_COLUMNS, self._ended)
        writer.insert("jobstate", self._states)
        writer.new_ids("invocation", len(self._invocations))
        writer.insert("invocation", self._invocations)
        writer.new_ids("integrity", len(self._integrity))
        writer.insert("integrity", self._integrity)
        if self._tags:
            first = writer.new_ids("tag", len(self._tags))
            writer.insert("tag", [(first + n, wf_id, *tag) for n, tag in enumerate(self._tags)])
        writer.insert("markab_attempt", self._attempts)
        self._write_files()
        for attempt in self._open.values():
            attempt.row = None
        self._begin()

    def _write_files(self) -> None:
        writer, found = self._writer, self._lfn_ids
        wanted = {lfn for lfn in self._made if lfn not in found}
        wanted.update(lfn for lfn, _, _ in self._delivered if lfn not in found)
        if wanted:
            found = found | writer.ids_of_lfns(wanted)
        meta: list[Row] = []
        for lfn, (size_bytes, sha256) in self._made.items():
            if (number := found.get(lfn)) is None:  # no file of this plan
                continue
            if sha256 is not None:
                meta += ((number, "checksum.type", "sha256"), (number, "checksum.value", sha256))
            if size_bytes is not None:
                meta.append((number, "size", str(size_bytes)))
        writer.put("rc_meta", meta)
        if self._delivered:
            first = writer.new_ids("rc_pfn", len(self._delivered))
            rows = [(first + n, found[lfn], pfn, site) for n, (lfn, pfn, site) in enumerate(self._delivered)]
            writer.add_missing("rc_pfn", rows)

    # -- one kind of record each ---------------------------------------------------

    def _run_start(self, it: RunStart, line: Line) -> None:
        place = self.place
        place.restarts += 1
        self._workflow_state("WORKFLOW_STARTED", it.time, None, None)

    def _run_end(self, it: RunEnd, line: Line) -> None:
        status = STATUSES.get(it.outcome, 1)
        self._workflow_state("WORKFLOW_TERMINATED", it.time, status, it.outcome if status else None)

    def _workflow_state(self, state: str, time: float, status: int | None, why: str | None) -> None:
        place = self.place
        # Part of the key. An engine that started and ended within a microsecond did both.
        place.state_time = time = max(time, round(place.state_time + 1e-6, 6))
        restart = max(0, place.restarts - 1)
        self._workflow_states.append((self._run.wf_id, state, time, restart, status, why))

    def _start(self, it: Start, line: Line) -> None:
        run, position, time = self._run, it.job, it.time
        if not 0 <= position < run.jobs:
            raise CorruptJournal(
                f"the journal tells of a job at position {position}, and the plan has {run.jobs} jobs",
                hint="plan.jsonl and journal.jsonl are not of the same run: bring the right plan back",
            )
        self.place.submit_seq = seq = self.place.submit_seq + 1
        id = self._next_instance
        self._next_instance = id + 1
        row = [id, run.first_job_id + position, None, seq, f"{seq}.0", it.site, run.user]
        row += (None, None, None, None, None, None, None, None, None, None, 1, None)
        self._instances.append(row)
        self._states.append((id, SUBMIT, time, 1, None))
        attempt = Open(id, it.site, time, None, 1, row)
        if run.executors.get(it.site) == "local":
            attempt.executed, attempt.states = time, 2
            self._states.append((id, EXECUTE, time, 2, None))
        self._open[position] = attempt

    def _running(self, it: Running, line: Line) -> None:
        attempt = self._open.get(it.job)
        if attempt is not None and attempt.executed is None:
            attempt.executed = it.time
            attempt.states += 1
            self._states.append((attempt.id, EXECUTE, it.time, attempt.states, None))

    def _end(self, it: End, line: Line) -> None:
        attempt = self._open.pop(it.job, None)
        if attempt is None:
            raise CorruptJournal(
                f"the journal tells of the end of job {it.job}, attempt {it.attempt}, which never started",
                hint="something was cut out of journal.jsonl: bring the whole file back",
            )
        record, id, time = it.record, attempt.id, it.time
        add = self._states.append
        number = attempt.states
        if (executed := attempt.executed) is None and record.start is not None:
            executed = min(max(record.start, attempt.submitted), time)
            number += 1
            add((id, EXECUTE, executed, number, None))
        for state, is_why in last_states(record):
            number += 1
            add((id, state, time, number, reason(record) if is_why else None))
        brief = self._run.briefs[it.job]
        host = self._host(attempt, record)
        self._end_instance(attempt, record, host, None if executed is None else time - executed)
        self._add_invocations(id, record, brief, time)
        if record.outputs or record.checked is not None:
            self._add_checks(id, record)
        if record.transfers or not record.ok:
            self._add_attempt(id, it, line)
        if record.outputs or record.transfers:
            self._note_files(it.job, record, brief.kind)

    def _add_attempt(self, id: int, it: End, line: Line) -> None:
        """Note what the schema has no column for; only of attempts that have something of the kind."""
        moved, error = it.record.transfers, it.record.error
        kind = None if it.record.ok else error.kind if error is not None else "internal"
        size_bytes = sum([file.bytes or 0 for file in moved])
        took_s = sum([file.duration_s for file in moved])
        row = (id, it.attempt, *line[:2], kind, len(moved), size_bytes, took_s)
        self._attempts.append(row)

    # -- parts of an end -----------------------------------------------------------

    def _host(self, attempt: Open, record: Record) -> int | None:
        if not record.host:
            return None
        key = attempt.site, record.host
        if (number := self._hosts.get(key)) is None:
            number = self._hosts[key] = self._writer.new_ids("host", 1)
            self._new_hosts.append((number, self._run.wf_id, *key, _UNKNOWN_IP, None, None))
        return number

    def _end_instance(self, attempt: Open, record: Record, host: int | None, duration: float | None) -> None:
        cluster_start = cluster_duration = None
        if len(record.invocations) > 1:
            first, last = record.invocations[0], record.invocations[-1]
            cluster_start = first.start
            cluster_duration = last.start + last.duration_s - first.start
        out = escaped(record.stdout) if record.stdout is not None else None
        err = escaped(record.stderr) if record.stderr is not None else None
        status = 0 if record.ok else exit_status(record)
        row = attempt.row
        if row is None:
            self._ended.append(
                (
                    host,
                    record.cwd,
                    cluster_start,
                    cluster_duration,
                    duration,
                    record.stdout_file,
                    out,
                    record.stderr_file,
                    err,
                    status,
                    attempt.id,
                )
            )
            return
        row[2] = host
        row[7:11] = record.cwd, cluster_start, cluster_duration, duration
        row[12:16] = record.stdout_file, out, record.stderr_file, err
        row[18] = status

    def _add_invocations(self, id: int, record: Record, brief: Any, time: float) -> None:
        wf_id, number = self._run.wf_id, self._next_invocation
        add = self._invocations.append
        if brief.kind in ("compute", "subworkflow"):
            for seq, it in enumerate(record.invocations, start=1):
                transformation, executable = brief.tasks[seq - 1] if seq <= len(brief.tasks) else ("", "")
                cpu = None if it.utime_s is None else it.utime_s + it.stime_s
                duration = it.duration_s
                add(
                    (
                        number,
                        wf_id,
                        id,
                        seq,
                        it.start,
                        duration,
                        cpu,
                        it.status,
                        transformation,
                        it.argv[0] if it.argv else executable,
                        _words(it),
                        it.task,
                        it.maxrss_kb,
                        cpu / duration if cpu is not None and duration > 0 else None,
                    )
                )
                number += 1
        elif record.start is not None:
            transformation, executable = brief.tasks[0]
            end = time if record.end is None else record.end
            took, status = max(0.0, end - record.start), exit_status(record)
            row = (number, wf_id, id, 1, record.start, took, None, status, transformation, executable)
            add((*row, None, None, None, None))
            number += 1
        self._next_invocation = number

    def _add_checks(self, id: int, record: Record) -> None:
        number = self._next_integrity
        if (checked := record.checked) is not None:
            row = (number, self._run.wf_id, id, "check", "input", checked.count, checked.duration_s)
            self._integrity.append(row)
            number += 1
            if checked.failed:
                self._tags.append((id, "int.error", checked.failed))
        hashed = sum([file.sha256 is not None for file in record.outputs]) if record.outputs else 0
        if hashed:
            took = record.hashed.duration_s if record.hashed is not None else 0.0
            self._integrity.append((number, self._run.wf_id, id, "compute", "output", hashed, took))
            number += 1
        self._next_integrity = number

    def _note_files(self, position: int, record: Record, kind: str) -> None:
        for file in record.outputs:
            self._made[file.lfn] = file.size, file.sha256
        if not record.ok or not record.transfers:
            return
        if kind == Kind.STAGE_OUT:
            arrived = {moved.lfn for moved in record.transfers}
            self._delivered += [
                (transfer.lfn, place.url, place.site)
                for transfer in self._run.briefs.facts(position).transfers
                if transfer.lfn in arrived
                for place in transfer.destinations
            ]
        elif kind == Kind.STAGE_IN:
            for moved in record.transfers:
                self._made[moved.lfn] = moved.bytes, moved.sha256


def _words(it: Invocation) -> str:
    """Return the arguments as a command line."""
    words = it.argv[1:]
    return " ".join([word if word and not _NOT_PLAIN.search(word) else shlex.quote(word) for word in words])
