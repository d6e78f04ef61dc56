"""Projecting plan and journal into rows: incremental, idempotent, and safe to be killed at any instant.

How far the journal was projected is stored in the database (`markab_projection`), in
the transaction that adds the rows. So a second pass adds nothing twice, and a pass that
is killed changes nothing. Any number of processes may project at once: one holds the
lock, the others wait and find little or nothing left to do.

The position is a byte offset and the checksum of the line that ends there. When the
journal no longer has that line (it was cut after a power loss, or by hand), all
rows of the run are rebuilt.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from markab.errors import CorruptJournal
from markab.journal.attempt_record import AttemptRecord
from markab.journal.reader import JournalReader, Line, is_still_there, mark_of, whole_bytes
from markab.journal.records import decoder
from markab.plan.braindump import Braindump, read_braindump
from markab.plan.child_directory import ChildRun, child_runs
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import SubmitDir
from markab.provenance import schema
from markab.provenance.attempt_rows import AttemptRows, OpenAttempt, ProjectionState, RunConstants
from markab.provenance.database import (
    PATIENCE_S,
    UnreadableDatabase,
    connected,
    create_indexes,
    create_tables,
    has_tables,
    transaction,
    translated_errors,
)
from markab.provenance.database_file import locked, remove
from markab.provenance.database_location import Target, target_of
from markab.provenance.plan_rows import JobDescriptions, PlanRows
from markab.provenance.row_writer import Writer
from markab.spec.gc_pause import without_garbage_collection

_decode = decoder(AttemptRecord)


class _Stale(Exception):
    """The rows in the database were made from another journal, or by another version of this module."""


class Projector:
    """Keeps a database current with one run. May be used repeatedly; `close` closes the plan.

    The database has its sub-workflows, too. Keeps between passes what would otherwise be read back from the database.
    """

    def __init__(
        self, submit_dir: Path, target: Target | None = None, parent: Projector | None = None
    ) -> None:
        """Open the run in `submit_dir`; without `target`, its properties name the database.

        `parent` keeps the run of which it is a sub-workflow.

        Raises:
            NotARun, CorruptPlan: no run there.
            StorageError: the properties name no usable database.
        """
        self.directory = SubmitDir(Path(submit_dir).resolve())
        self.braindump = read_braindump(self.directory.braindump)
        self.target = target or target_of(self.directory, self.braindump)
        self._parent = parent
        self._children: dict[Path, Projector] = {}
        self._linked: dict[Path, int] = {}
        """Sub-workflow → bytes of its parent's journal when its attempts were linked to it."""
        self._seen_bytes = -1
        """Of the journal, when the database had all of it."""
        self._plan: PlanFile | None = None
        self._descriptions: JobDescriptions | None = None
        self._remembered: tuple[int, str, dict[int, OpenAttempt]] | None = None

    def close(self) -> None:
        """Close the plan; may be called twice."""
        for child in self._children.values():
            child.close()
        self._children.clear()
        self._linked.clear()
        if self._plan is not None:
            self._plan.close()
        self._plan = self._descriptions = self._remembered = None

    @property
    def uuid(self) -> str:
        """The UUID of the run."""
        return self.braindump.get("wf_uuid") or ""

    @property
    def plan(self) -> PlanFile:
        """The plan; opened on first access."""
        if self._plan is None:
            self._plan = PlanFile(self.directory.plan)
            self._descriptions = JobDescriptions(self._plan)
        return self._plan

    # -- one pass ------------------------------------------------------------------

    def update(self, *, patience_s: float = PATIENCE_S) -> None:
        """Open the database, project the new records, close it. A damaged file that holds only this run is rebuilt.

        Raises:
            DatabaseLocked: another process has been writing for longer than `patience_s`.
            StorageError, NewerFormat: the database cannot be read or written.
            CorruptPlan, CorruptJournal: the run cannot be read.
        """
        with locked(self.target.file, patience_s):
            try:
                self._update(patience_s)
            except (_Stale, UnreadableDatabase):
                self._erase(patience_s)
                self._update(patience_s)

    def erase(self, *, patience_s: float = PATIENCE_S) -> None:
        """Delete what the database has of the run; the next update makes it again. Raises as `update`."""
        with locked(self.target.file, patience_s):
            if self.target.file is None or self.target.file.exists():
                self._erase(patience_s)

    def _erase(self, patience_s: float) -> None:
        self.close()
        if self.target.is_ours and self.target.file is not None:
            remove(self.target.file)
        else:
            self._delete_rows(patience_s)

    def _update(self, patience_s: float) -> None:
        with connected(self.target, patience_s=patience_s) as connection:
            self.project(connection)

    def _delete_rows(self, patience_s: float) -> None:
        """Delete the rows of this run and of its sub-workflows, and no others."""
        with connected(self.target, patience_s=patience_s) as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA foreign_keys = ON")
            with transaction(connection):
                create_tables(connection)
                number = connection.execute(_NUMBER, {"uuid": self.uuid}).scalar()
                below = schema.workflow.c.root_wf_id == number
                connection.execute(
                    schema.workflow.delete().where(below & (schema.workflow.c.wf_id != number))
                )
                connection.execute(schema.workflow.delete().where(schema.workflow.c.wf_uuid == self.uuid))

    def is_current(self, connection: Connection) -> bool:
        """Return whether the whole journal is in the database, and those of its sub-workflows. Takes no lock."""
        return self._has_own(connection) and all(
            child.is_current(connection) for _, child in self._find_children()
        )

    def descendants(self) -> Iterator[Projector]:
        """Yield those of all sub-workflows that the last pass found."""
        for child in self._children.values():
            yield child
            yield from child.descendants()

    def _has_own(self, connection: Connection) -> bool:
        if not has_tables(connection) or not inspect(connection).has_table("markab_projection"):
            return False
        row = connection.execute(_PLACE, {"uuid": self.uuid}).one_or_none()
        return (
            row is not None
            and row.format == schema.FORMAT
            and row.journal_bytes == whole_bytes(self.directory.journal)
            and is_still_there(self.directory.journal, row.journal_bytes, row.last_line)
        )

    def find(self, connection: Connection, uuid: str | None = None) -> int:
        """Return the number of the run, or of another of its tree, in a database; 0: it is not there."""
        if not has_tables(connection) or not inspect(connection).has_table("markab_projection"):
            return 0
        row = connection.execute(_PLACE, {"uuid": uuid or self.uuid}).one_or_none()
        return int(row.wf_id) if row is not None else 0

    def project(self, connection: Connection) -> None:
        """Bring an open database up to date. Raises as `update`."""
        size_bytes = whole_bytes(self.directory.journal)
        damage: CorruptJournal | None = None
        if size_bytes != self._seen_bytes:
            with translated_errors(self.target):
                if not self._has_own(connection):
                    with without_garbage_collection():
                        damage = self._project(connection)
            self._seen_bytes = size_bytes
        for child_run, child in self._find_children():
            if child_run.path not in self._children:
                self._children[child_run.path] = child
            child.project(connection)
            if self._linked.get(child_run.path) != size_bytes:
                self._link(connection, child_run.position, child)
                self._linked[child_run.path] = size_bytes
        if damage is not None:
            raise damage

    def _find_children(self) -> Iterator[tuple[ChildRun, Projector]]:
        """Yield the sub-workflows that have plans, and are in the database of this run."""
        for found in child_runs(self.directory.path, self.plan):
            if found.is_inside:
                yield (
                    found,
                    self._children.get(found.path) or Projector(found.path, self.target, self),
                )

    def _link(self, connection: Connection, position: int, child: Projector) -> None:
        """Enter which workflow the attempts of a job were."""
        with translated_errors(self.target), transaction(connection):
            connection.execute(
                _LINK, {"uuid": self.uuid, "position": position, "child": child.uuid, "format": schema.FORMAT}
            )

    def _project(self, connection: Connection) -> CorruptJournal | None:
        """Project the new records; return the error in the journal at which that ended early."""
        with transaction(connection):
            is_new = not has_tables(connection)
            lacking = create_tables(connection, indexed=not is_new)
            writer = Writer(connection)
            writer.lock()
            lfn_ids: dict[str, int] = {}
            facts, state = self._find(connection) or self._begin(connection, writer, lfn_ids)
            known = self._open_attempts(connection, facts, state)
            hosts = {
                (row.site, row.hostname): row.host_id
                for row in connection.execute(_HOSTS, {"wf_id": facts.wf_id})
            }
            rows = AttemptRows(facts, state, known, hosts, writer, lfn_ids)
            self._remembered = None  # valid again only after the commit
            damage = self._read(rows)
            connection.execute(
                schema.projection.update()
                .where(schema.projection.c.wf_id == facts.wf_id)
                .values(
                    journal_bytes=state.journal_bytes,
                    last_line=state.last_line,
                    submit_seq=state.submit_seq,
                    restarts=state.restarts,
                    state_time=state.state_time,
                )
            )
            create_indexes(connection, lacking)
            writer.keep_sequences()
        self._remembered = state.journal_bytes, state.last_line, known
        return damage

    def _read(self, rows: AttemptRows) -> CorruptJournal | None:
        """Process the records from the stored position on; return the error at the first damaged one."""
        state = rows.state
        last: Line | None = None
        damage: CorruptJournal | None = None
        waiting = 0
        handlers, at_once = rows.handlers(), rows.records_at_once
        try:
            for line in JournalReader(self.directory.journal, state.journal_bytes).lines():
                entry = _decode(line[2])
                if (handler := handlers.get(entry.__class__)) is not None:
                    handler(entry, line)
                last = line
                waiting += 1
                if waiting == at_once:
                    rows.write()
                    waiting = 0
        except CorruptJournal as error:
            damage = error
        rows.write(is_last=True)
        if last is not None:
            state.journal_bytes = last[0] + last[1]
            state.last_line = mark_of(last)
        return damage

    # -- what is there already -----------------------------------------------------

    def _find(self, connection: Connection) -> tuple[RunConstants, ProjectionState] | None:
        """Return the run as it is in the database, or None.

        Raises:
            _Stale: its rows have to be rebuilt.
        """
        row = connection.execute(_PLACE, {"uuid": self.uuid}).one_or_none()
        if row is None:
            return None
        plan = self.plan
        if (
            row.format != schema.FORMAT
            or row.jobs != len(plan)
            or not is_still_there(self.directory.journal, row.journal_bytes, row.last_line)
        ):
            raise _Stale
        if row.submit_dir != str(self.directory.path):  # it was moved
            connection.execute(
                schema.workflow.update()
                .where(schema.workflow.c.wf_id == row.wf_id)
                .values(submit_dir=str(self.directory.path))
            )
        state = ProjectionState(
            row.journal_bytes, row.last_line, row.submit_seq, row.restarts, row.state_time
        )
        return self._facts(row.wf_id, row.first_job_id), state

    def _begin(
        self, connection: Connection, writer: Writer, lfn_ids: dict[str, int]
    ) -> tuple[RunConstants, ProjectionState]:
        """Write the rows of the plan."""
        wf_id = writer.new_ids("workflow", 1)
        above: dict[str, object] = {"wf_id": wf_id, "root_wf_id": wf_id}
        if self._parent is not None:
            root = self._parent
            while root._parent is not None:
                root = root._parent
            numbers = [
                connection.execute(_NUMBER, {"uuid": one.uuid}).scalar() for one in (root, self._parent)
            ]
            above |= {"root_wf_id": numbers[0], "parent_wf_id": numbers[1]}
        values = workflow_values(self.braindump, self.target) | above
        connection.execute(schema.workflow.insert().values(values))
        plan = self.plan
        assert self._descriptions is not None
        rows = PlanRows(plan, wf_id, writer, lfn_ids)
        rows.write(self._descriptions)
        connection.execute(
            schema.projection.insert().values(
                wf_id=wf_id,
                format=schema.FORMAT,
                journal_bytes=0,
                last_line="",
                jobs=len(plan),
                first_job_id=rows.first_job_id,
                submit_seq=0,
                restarts=0,
                state_time=0.0,
            )
        )
        return self._facts(wf_id, rows.first_job_id), ProjectionState()

    def _facts(self, wf_id: int, first_job_id: int) -> RunConstants:
        plan = self.plan
        assert self._descriptions is not None
        return RunConstants(
            wf_id=wf_id,
            first_job_id=first_job_id,
            jobs=len(plan),
            user=self.braindump.get("user"),
            local_sites=plan.header.local_sites,
            descriptions=self._descriptions,
        )

    def _open_attempts(
        self, connection: Connection, facts: RunConstants, state: ProjectionState
    ) -> dict[int, OpenAttempt]:
        if self._remembered and self._remembered[:2] == (state.journal_bytes, state.last_line):
            return self._remembered[2]
        if not state.journal_bytes:
            return {}
        return {
            row.job_id - facts.first_job_id: OpenAttempt(
                row.job_instance_id,
                row.site,
                float(row.submitted),
                None if row.executed is None else float(row.executed),
                held_states=int(row.held_states),
            )
            for row in connection.execute(_OPEN, {"wf_id": facts.wf_id})
        }


_PLACE = text(
    "SELECT p.*, w.submit_dir FROM markab_projection p JOIN workflow w ON w.wf_id = p.wf_id "
    "WHERE w.wf_uuid = :uuid"
)
_NUMBER = text("SELECT wf_id FROM workflow WHERE wf_uuid = :uuid")
_LINK = text(
    "UPDATE job_instance SET subwf_id = (SELECT wf_id FROM workflow WHERE wf_uuid = :child) "
    "WHERE job_id = (SELECT p.first_job_id + :position FROM markab_projection p JOIN workflow w ON w.wf_id = p.wf_id "
    "WHERE w.wf_uuid = :uuid AND p.format = :format) AND subwf_id IS NULL"
)
_HOSTS = text("SELECT site, hostname, host_id FROM host WHERE wf_id = :wf_id")
_OPEN = text(
    "SELECT i.job_instance_id, i.job_id, i.site, "
    "min(CASE WHEN s.state = 'SUBMIT' THEN s.timestamp END) AS submitted, "
    "min(CASE WHEN s.state = 'EXECUTE' THEN s.timestamp END) AS executed, "
    "sum(CASE WHEN s.state IN ('JOB_HELD', 'JOB_RELEASED') THEN 1 ELSE 0 END) AS held_states "
    "FROM job_instance i JOIN job j ON j.job_id = i.job_id "
    "JOIN jobstate s ON s.job_instance_id = i.job_instance_id "
    "WHERE j.wf_id = :wf_id AND i.exitcode IS NULL "
    "AND NOT EXISTS (SELECT 1 FROM markab_attempt a WHERE a.job_instance_id = i.job_instance_id) GROUP BY i.job_instance_id, i.job_id, i.site "
    "ORDER BY i.job_instance_id"
)


def workflow_values(braindump: Braindump, target: Target) -> dict[str, object]:
    """Return the columns that `workflow` and `master_workflow` share."""
    get = braindump.get
    return {
        "wf_uuid": get("wf_uuid") or "",
        "dag_file_name": get("dag"),
        "timestamp": _epoch(get("timestamp")),
        "submit_hostname": get("submit_hostname"),
        "submit_dir": get("submit_dir"),
        "planner_arguments": get("planner_arguments"),
        "user": get("user"),
        "grid_dn": get("grid_dn"),
        "planner_version": get("planner_version"),
        "dax_label": get("dax_label"),
        "dax_version": get("dax_version"),
        "dax_file": get("dax"),
        "db_url": target.shown,
    }


def _epoch(stamp: str | None) -> float | None:
    try:
        return datetime.strptime(stamp or "", "%Y%m%dT%H%M%S%z").timestamp()
    except ValueError:
        return None
