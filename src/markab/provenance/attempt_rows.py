"""The journal as rows: attempts, their states, processes, hosts, checks, and the files they made.

`AttemptRows` takes records one by one and keeps the rows until `write`. The state it
keeps between records is small, and all of it can be read back from the database
(`ProjectionState`, `OpenAttempt`, the hosts): a journal that is projected line by line,
by many processes one after the other, gives the same rows as one projected at once.
"""

from __future__ import annotations

import re
import shlex
from collections import ChainMap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from markab.errors import CorruptJournal
from markab.journal.attempt_record import AttemptRecord, Invocation
from markab.journal.history import another_plan
from markab.journal.reader import Line
from markab.journal.records import (
    AttemptEnd,
    AttemptHeld,
    AttemptReleased,
    AttemptRunning,
    AttemptStart,
    RunEnd,
    RunStart,
)
from markab.plan.model import SUB_WORKFLOWS, Kind
from markab.provenance.plan_rows import JobDescriptions
from markab.provenance.row_writer import Row, Writer
from markab.provenance.stampede_states import (
    EXECUTE,
    HELD,
    RELEASED,
    SUBMIT,
    exit_status,
    is_in_part,
    last_states,
    reason,
)
from markab.provenance.stampede_text import marked_output, percent_escaped
from markab.transfers.error_kinds import ErrorKind

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

# The columns of an attempt that has not ended, of most that have, and of any.
# NULLs are written in the statement: binding a None from Python takes ten times as long.
_BEGUN = ((..., ..., None, ..., ..., ..., ..., *[None] * 10, 1, None),)
_PLAIN = ((..., ..., ..., ..., ..., ..., ..., ..., None, None, ..., *[None] * 6, 1, 0),)
_WHOLE = ((*[...] * 11, None, *[...] * 4, None, 1, ...),)

_STATE = ((..., ..., ..., ..., None),)
_WELL = (
    (..., EXECUTE, ..., 2, None),
    (..., "JOB_SUCCESS", ..., 4, None),
    (..., "JOB_TERMINATED", ..., 3, None),
    (..., SUBMIT, ..., 1, None),
)
"""The states of an attempt that succeeded, in the order of the key."""
_MADE = ((..., "checksum.type", "sha256"), (..., "checksum.value", ...), (..., "size", ...))
"""The metadata of a file whose checksum was computed."""


@dataclass(slots=True)
class ProjectionState:
    """How far a journal was projected, and the counters that continue from there."""

    journal_bytes: int = 0
    last_line: str = ""
    submit_seq: int = 0
    restarts: int = 0
    state_time: float = 0.0


class OpenAttempt(msgspec.Struct, gc=False):
    """An attempt that has not ended."""

    id: int
    """Its row in `job_instance`."""
    site: str
    submitted: float
    executed: float | None
    submit_seq: int = 0
    """0: its row and its states so far are written."""
    native_id: str = ""
    """The site's own id of it."""
    held_states: int = 0
    """How many states it has because its site held it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConstants:
    """The facts about a run that do not change while it runs."""

    wf_id: int
    first_job_id: int
    jobs: int
    user: str | None
    local_sites: frozenset[str]
    """Sites whose executor runs an attempt as soon as it gets it."""
    descriptions: JobDescriptions


class AttemptRows:
    """Converts journal records into rows; `write` inserts them."""

    def __init__(
        self,
        run: RunConstants,
        state: ProjectionState,
        open_attempts: dict[int, OpenAttempt],
        hosts: dict[tuple[str, str], int],
        writer: Writer,
        lfn_ids: dict[str, int],
    ) -> None:
        """Continue from `state`. `open_attempts` (by position), `hosts` and `lfn_ids` are kept up to date."""
        self.state = state
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
        self._begun: list[Row] = []
        self._plain: list[tuple[Any, ...]] = []
        self._instances: list[tuple[Any, ...]] = []
        self._ended: list[Row] = []
        self._native: list[Row] = []
        self._well: list[tuple[Any, ...]] = []
        self._states: list[Row] = []
        self._reasons: list[Row] = []
        self._invocations: list[Row] = []
        self._checked_and_hashed: list[Row] = []
        self._integrity: list[Row] = []
        self._tags: list[Row] = []
        self._attempts: list[Row] = []
        self._made: dict[str, tuple[int | None, str | None]] = {}
        """File → size and checksum, as last seen."""
        self._made_again: dict[str, dict[str, str]] = {}
        """Files made by a retry, with size or checksum unknown → their metadata in the plan."""
        self._delivered: list[tuple[str, str, str]] = []

    @property
    def records_at_once(self) -> int:
        """How many records to process before each `write`."""
        return 2 * self._writer.jobs_at_once

    def handlers(self) -> dict[type, Callable[[Any, Line], None]]:
        """Return the handler of each class of records that has one; it takes the record and its line.

        A handler raises CorruptJournal for a job that is not in the plan, and for the
        end of an attempt that never started.
        """
        return {
            RunStart: self._run_start,
            AttemptStart: self._start,
            AttemptRunning: self._running,
            AttemptHeld: self._held,
            AttemptReleased: self._released,
            AttemptEnd: self._end,
            RunEnd: self._run_end,
        }

    def write(self, *, is_last: bool = False) -> None:
        """Insert the rows, parents first, and clear them.

        Attempts that have not ended are kept until `is_last`: most end soon, and
        a row that is written once costs less than one that is changed later.
        """
        writer, wf_id = self._writer, self._run.wf_id
        writer.insert("workflowstate", self._workflow_states)
        writer.insert("host", self._new_hosts)
        if is_last:
            for position, attempt in self._open.items():
                self._add_begun(position, attempt)
        writer.new_ids("job_instance", self._next_instance - writer.new_ids("job_instance", 0))
        writer.insert("job_instance", self._begun, _BEGUN)
        writer.insert("job_instance", sorted(self._plain), _PLAIN)
        writer.insert("job_instance", sorted(self._instances), _WHOLE)
        writer.update("job_instance", "job_instance_id", ("sched_id",), self._native)
        writer.update("job_instance", "job_instance_id", _INSTANCE_COLUMNS, self._ended)
        writer.insert("jobstate", sorted(self._well), _WELL)
        writer.insert("jobstate", self._states, _STATE)
        writer.insert("jobstate", self._reasons)
        writer.new_ids("invocation", len(self._invocations))
        writer.insert("invocation", self._invocations)
        writer.new_ids("integrity", self._next_integrity - writer.new_ids("integrity", 0))
        check, make = (
            (..., wf_id, ..., "check", "input", ..., ...),
            (..., wf_id, ..., "compute", "output", ..., ...),
        )
        writer.insert("integrity", self._checked_and_hashed, (check, make))
        writer.insert("integrity", self._integrity)
        if self._tags:
            first = writer.new_ids("tag", len(self._tags))
            writer.insert("tag", [(first + n, wf_id, *tag) for n, tag in enumerate(self._tags)])
        writer.insert("markab_attempt", self._attempts)
        self._write_files()
        self._begin()

    def _add_begun(self, position: int, attempt: OpenAttempt) -> None:
        """Add an attempt that has not ended, and its states, unless they are written."""
        if seq := attempt.submit_seq:
            job_id = self._run.first_job_id + position
            native_id = attempt.native_id or f"{seq}.0"
            self._begun.append((attempt.id, job_id, seq, native_id, attempt.site, self._run.user))
            self._add_first_states(attempt)
            attempt.submit_seq = 0

    def _add_first_states(self, attempt: OpenAttempt) -> None:
        self._states.append((attempt.id, SUBMIT, attempt.submitted, 1))
        if attempt.executed is not None:
            self._states.append((attempt.id, EXECUTE, attempt.executed, 2))

    def _write_files(self) -> None:
        writer, known, made = self._writer, self._lfn_ids, self._made
        wanted = {lfn for lfn in made if lfn not in known}
        wanted.update(lfn for lfn, _, _ in self._delivered if lfn not in known)
        found = ChainMap(known, writer.ids_of_lfns(wanted)) if wanted else known
        whole: list[Row] = []
        parts: list[Row] = []
        outdated: list[Row] = []
        for lfn, (size_bytes, sha256) in made.items():
            if (number := found.get(lfn)) is None:  # no file of this plan
                continue
            if sha256 is not None and size_bytes is not None:
                whole.append((number, number, sha256, number, str(size_bytes)))
            elif sha256 is not None:
                parts += ((number, "checksum.type", "sha256"), (number, "checksum.value", sha256))
            elif size_bytes is not None:
                parts.append((number, "size", str(size_bytes)))
            if lfn in self._made_again:
                planned = self._made_again[lfn]
                unknown = [] if sha256 is not None else ["checksum.type", "checksum.value"]
                unknown += [] if size_bytes is not None else ["size"]
                outdated += [(number, key) for key in unknown]
                parts += [(number, key, planned[key]) for key in unknown if key in planned]
        writer.remove("rc_meta", outdated)
        writer.put("rc_meta", whole, _MADE)
        writer.put("rc_meta", parts)
        if self._delivered:
            first = writer.new_ids("rc_pfn", len(self._delivered))
            rows = [(first + n, found[lfn], pfn, site) for n, (lfn, pfn, site) in enumerate(self._delivered)]
            writer.add_missing("rc_pfn", rows)

    # -- one kind of record each ---------------------------------------------------

    def _run_start(self, it: RunStart, line: Line) -> None:
        self.state.restarts += 1
        self._workflow_state("WORKFLOW_STARTED", it.time, None, None)

    def _run_end(self, it: RunEnd, line: Line) -> None:
        status = STATUSES.get(it.outcome, 1)
        self._workflow_state("WORKFLOW_TERMINATED", it.time, status, it.outcome if status else None)

    def _workflow_state(self, name: str, time: float, status: int | None, why: str | None) -> None:
        state = self.state
        # Part of the key, so two states within a microsecond get different times.
        state.state_time = time = max(time, round(state.state_time + 1e-6, 6))
        restart = max(0, state.restarts - 1)
        self._workflow_states.append((self._run.wf_id, name, time, restart, status, why))

    def _start(self, it: AttemptStart, line: Line) -> None:
        run, position, time = self._run, it.job, it.time
        if not 0 <= position < run.jobs:
            raise another_plan(position, run.jobs)
        self.state.submit_seq = seq = self.state.submit_seq + 1
        if (left := self._open.get(position)) is not None:  # its end was not recorded
            self._add_begun(position, left)
        id = self._next_instance
        self._next_instance = id + 1
        executed = time if it.site in run.local_sites else None
        site = "local" if it.site == SUB_WORKFLOWS else it.site
        self._open[position] = OpenAttempt(id, site, time, executed, seq)

    def _running(self, it: AttemptRunning, line: Line) -> None:
        attempt = self._open.get(it.job)
        if attempt is not None and attempt.executed is None:
            attempt.executed = it.time
            if not attempt.submit_seq:
                self._states.append((attempt.id, EXECUTE, it.time, 2 + attempt.held_states))
        if attempt is not None:
            self._note_native(attempt, it.native_id)

    def _held(self, it: AttemptHeld, line: Line) -> None:
        if (attempt := self._open.get(it.job)) is not None:
            self._note_native(attempt, it.native_id)
            row = self._hold(it.job, attempt, HELD, it.time)
            self._reasons.append((*row, it.reason))

    def _released(self, it: AttemptReleased, line: Line) -> None:
        if (attempt := self._open.get(it.job)) is not None:
            self._states.append(self._hold(it.job, attempt, RELEASED, it.time))

    def _hold(self, position: int, attempt: OpenAttempt, state: str, time: float) -> Row:
        """Return the row of a state that an attempt has because its site holds it; those before it are written first."""
        self._add_begun(position, attempt)
        attempt.held_states += 1
        number = attempt.held_states + (1 if attempt.executed is None else 2)
        return attempt.id, state, time, number

    def _note_native(self, attempt: OpenAttempt, native_id: str) -> None:
        if native_id and native_id != attempt.native_id:
            attempt.native_id = native_id
            if not attempt.submit_seq:
                self._native.append((native_id, attempt.id))

    def _end(self, it: AttemptEnd[AttemptRecord], line: Line) -> None:
        attempt = self._open.pop(it.job, None)
        if attempt is None:
            raise CorruptJournal(
                f"the journal has the end of job {it.job}, attempt {it.attempt}, but not its start",
                hint="lines are missing in journal.jsonl: restore the whole file",
            )
        record, id, time = it.record, attempt.id, it.time
        executed = self._add_states(attempt, record, time)
        description = self._run.descriptions[it.job]
        host = self._host(attempt, record)
        self._end_instance(it.job, attempt, record, host, None if executed is None else time - executed)
        self._add_invocations(id, record, description, time)
        if record.outputs or record.checked is not None:
            self._add_checks(id, record)
        if record.transfers or not record.ok:
            self._add_attempt(id, it, line)
        if record.outputs or record.transfers:
            self._note_files(it, record, description.kind)

    def _add_attempt(self, id: int, it: AttemptEnd[AttemptRecord], line: Line) -> None:
        """Add the facts for which the schema has no column; only attempts that failed or moved files have such."""
        moved, error = [one for one in it.record.transfers if not one.found], it.record.error
        kind = None if it.record.ok else error.kind if error is not None else ErrorKind.INTERNAL
        size_bytes = sum([file.bytes or 0 for file in moved])
        took_s = sum([file.duration_s for file in moved])
        row = (id, it.attempt, *line[:2], kind, len(moved), size_bytes, took_s)
        self._attempts.append(row)

    # -- parts of an end -----------------------------------------------------------

    def _add_states(self, attempt: OpenAttempt, record: AttemptRecord, time: float) -> float | None:
        """Add the states that are not written yet; return when it was executed."""
        id, submitted, executed = attempt.id, attempt.submitted, attempt.executed
        is_derived = executed is None and record.start is not None
        if executed is None and record.start is not None:
            executed = min(max(record.start, submitted), time)
        if record.ok and attempt.submit_seq and executed is not None:
            self._well.append((id, executed, id, time, id, time, id, submitted))
            return executed
        if attempt.submit_seq:
            self._add_first_states(attempt)
        number = attempt.held_states + (1 if executed is None else 2)
        if is_derived:
            self._states.append((id, EXECUTE, executed, number))
        for state, is_why in last_states(record):
            number += 1
            if is_why and (why := reason(record)) is not None:
                self._reasons.append((id, state, time, number, why))
            else:
                self._states.append((id, state, time, number))
        return executed

    def _host(self, attempt: OpenAttempt, record: AttemptRecord) -> int | None:
        if not record.host:
            return None
        key = attempt.site, record.host
        if (number := self._hosts.get(key)) is None:
            number = self._hosts[key] = self._writer.new_ids("host", 1)
            self._new_hosts.append((number, self._run.wf_id, *key, _UNKNOWN_IP, None, None))
        return number

    def _end_instance(
        self,
        position: int,
        attempt: OpenAttempt,
        record: AttemptRecord,
        host: int | None,
        duration: float | None,
    ) -> None:
        run, id, seq = self._run, attempt.id, attempt.submit_seq
        native_id = attempt.native_id or f"{seq}.0"
        start = (id, run.first_job_id + position, host, seq, native_id, attempt.site, run.user)
        out, err, invocations = record.stdout, record.stderr, record.invocations
        if (
            seq
            and record.ok
            and out is err is record.stdout_file is record.stderr_file is None
            and len(invocations) < 2
        ):
            self._plain.append((*start, record.cwd, duration))
            return
        cluster_start = cluster_duration = None
        if len(invocations) > 1:
            first, last = invocations[0], invocations[-1]
            cluster_start = first.start
            cluster_duration = last.start + last.duration_s - first.start
        ended = (
            record.cwd,
            cluster_start,
            cluster_duration,
            duration,
            record.stdout_file,
            percent_escaped(marked_output(out, err)),
            record.stderr_file,
            None,
            None if is_in_part(record) else exit_status(record),
        )
        if seq:
            self._instances.append((*start, *ended))
        else:
            self._ended.append((host, *ended, id))

    def _add_invocations(self, id: int, record: AttemptRecord, description: Any, time: float) -> None:
        wf_id, number = self._run.wf_id, self._next_invocation
        add = self._invocations.append
        if description.kind in ("compute", "subworkflow"):
            for seq, it in enumerate(record.invocations, start=1):
                transformation, executable = (
                    description.tasks[seq - 1] if seq <= len(description.tasks) else ("", "")
                )
                add((number, wf_id, id, seq, *_process(it, transformation, executable, it.task)))
                number += 1
            for seq, name, script in ((-1, "dagman::pre", record.pre), (-2, "dagman::post", record.post)):
                if script is not None:
                    add((number, wf_id, id, seq, *_process(script, name, "", None)))
                    number += 1
        elif record.start is not None:
            transformation, executable = description.tasks[0]
            end = time if record.end is None else record.end
            took = max(0.0, end - record.start)
            status = 0 if is_in_part(record) else exit_status(record)
            row = (number, wf_id, id, 1, record.start, took, None, status, transformation, executable)
            add((*row, None, None, None, None))
            number += 1
        self._next_invocation = number

    def _add_checks(self, id: int, record: AttemptRecord) -> None:
        number, wf_id, checked = self._next_integrity, self._run.wf_id, record.checked
        hashed = sum([file.sha256 is not None for file in record.outputs]) if record.outputs else 0
        took = record.hashed.duration_s if record.hashed is not None else 0.0
        if checked is not None and hashed:
            row = (number, id, checked.count, checked.duration_s, number + 1, id, hashed, took)
            self._checked_and_hashed.append(row)
            number += 2
        elif checked is not None:
            self._integrity.append((number, wf_id, id, "check", "input", checked.count, checked.duration_s))
            number += 1
        elif hashed:
            self._integrity.append((number, wf_id, id, "compute", "output", hashed, took))
            number += 1
        if checked is not None and checked.failed:
            self._tags.append((id, "int.error", checked.failed))
        self._next_integrity = number

    def _note_files(self, it: AttemptEnd[AttemptRecord], record: AttemptRecord, kind: str) -> None:
        for file in record.outputs:
            self._made[file.lfn] = file.size, file.sha256
            if it.attempt > 1 and (file.size is None or file.sha256 is None):
                outputs = self._run.descriptions.facts(it.job).outputs
                self._made_again[file.lfn] = next(
                    (use.metadata for use in outputs if use.lfn == file.lfn), {}
                )
        if not record.ok or not record.transfers:
            return
        if kind == Kind.STAGE_OUT:
            arrived = {moved.lfn for moved in record.transfers}
            self._delivered += [
                (transfer.lfn, place.url, place.site)
                for transfer in self._run.descriptions.facts(it.job).transfers
                if transfer.lfn in arrived
                for place in transfer.destinations
            ]
        elif kind == Kind.STAGE_IN:
            for moved in record.transfers:
                size_bytes, sha256 = self._made.get(moved.lfn, (None, None))
                self._made[moved.lfn] = (
                    size_bytes if moved.bytes is None else moved.bytes,
                    sha256 if moved.sha256 is None else moved.sha256,
                )


def _process(it: Invocation, transformation: str, executable: str, task: str | None) -> tuple[object, ...]:
    """Return the columns of `invocation` from `start_time` on."""
    cpu = None if it.utime_s is None else it.utime_s + it.stime_s
    duration = it.duration_s
    return (
        it.start,
        duration,
        cpu,
        it.status,
        transformation,
        it.argv[0] if it.argv else executable,
        _command_line(it),
        task,
        it.maxrss_kb,
        cpu / duration if cpu is not None and duration > 0 else None,
    )


def _command_line(it: Invocation) -> str:
    """Return the arguments as a command line."""
    words = it.argv[1:]
    if all(words) and not _NOT_PLAIN.search("".join(words)):
        return " ".join(words)
    return " ".join([word if word and not _NOT_PLAIN.search(word) else shlex.quote(word) for word in words])
