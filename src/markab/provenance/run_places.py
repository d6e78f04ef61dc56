"""The places of runs, as databases have them: changed when a submit directory is moved, packed or deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, select

from markab.plan.braindump import Braindump
from markab.plan.submit_dir import SubmitDir
from markab.provenance import schema
from markab.provenance.database import connected, create_tables, has_tables, transaction
from markab.provenance.database_location import Target, master_target, target_of
from markab.provenance.master_database import MasterRun, is_copy, record_run, states_of

_master, _ensembles = schema.master_workflow, schema.ensemble_workflow


def enter(directory: SubmitDir, braindump: Braindump, *, is_archived: bool) -> str:
    """Enter a run into the list of all runs, at its place; return a warning, or nothing.

    Raises:
        StorageError: a database cannot be read or written.
    """
    if other := _elsewhere(directory, braindump):
        return f"the list of all your runs has this run at {other!r}, and keeps it: this is a copy"
    own = target_of(directory, braindump)
    states = []
    if own.file is None or own.file.exists():
        with connected(own) as connection, transaction(connection):
            if has_tables(connection):
                found = schema.workflow.c.wf_uuid == braindump.get("wf_uuid")
                connection.execute(
                    schema.workflow.update().where(found).values(submit_dir=str(directory.path))
                )
                wf_id = connection.execute(select(schema.workflow.c.wf_id).where(found)).scalar()
                states = states_of(connection, wf_id) if wf_id else []
    if warning := record_run(directory, braindump, own, states):
        return warning
    uuid = braindump.get("wf_uuid")
    with _opened(master_target(directory, braindump)) as master:
        master.execute(_master.update().where(_master.c.wf_uuid == uuid).values(archived=is_archived))
        found = _ensembles.c.wf_uuid == uuid
        master.execute(_ensembles.update().where(found).values(submitdir=str(directory.path)))
    return ""


def forget(directory: SubmitDir, braindump: Braindump, uuid: str, *, at: Path | None = None) -> bool:
    """Take a run out of the list of all runs; return whether it was there.

    Args:
        at: only if the list has it at this place, or at one where it is no more.

    Raises:
        StorageError: the list cannot be read or written.
    """
    found = _master.c.wf_uuid == uuid
    with _opened(master_target(directory, braindump)) as master:
        row = master.execute(select(_master.c.submit_dir).where(found)).first()
        if row is None:
            return False
        if at is not None and (is_copy(row[0], at, uuid) if at.is_dir() else row[0] != str(at)):
            return False
        master.execute(_ensembles.delete().where(_ensembles.c.wf_uuid == uuid))
        master.execute(_master.delete().where(found))
    return True


def runs_at(place: Path) -> list[MasterRun]:
    """Return what the user's list of runs has at a place.

    Raises:
        StorageError: the list cannot be read.
    """
    target = master_target(SubmitDir(place), {})
    if target.file is None or not target.file.exists():
        return []
    columns = select(_master.c.submit_dir, _master.c.dax_label, _master.c.wf_uuid, _master.c.timestamp)
    with connected(target, read_only=True) as connection:
        rows = connection.execute(columns.where(_master.c.submit_dir == str(place))).all()
    return [MasterRun(Path(row[0]), row[1] or "", row[2], float(row[3] or 0)) for row in rows]


def databases_of_runs() -> list[tuple[str, bool]]:
    """Return the URL of each database in the user's list of runs, and whether all runs in it have ended.

    Raises:
        StorageError: the list cannot be read.
    """
    target = master_target(SubmitDir(Path()), {})
    if target.file is None or not target.file.exists():
        return []
    states = schema.master_workflowstate.c
    ends: dict[str, dict[int, bool]] = {}
    with connected(target, read_only=True) as connection:
        columns = select(_master.c.db_url, _master.c.wf_id, states.state)
        joined = columns.outerjoin(schema.master_workflowstate, states.wf_id == _master.c.wf_id)
        for url, wf_id, state in connection.execute(joined.order_by(_master.c.wf_id, states.timestamp)):
            if url:
                ends.setdefault(url, {})[wf_id] = state == "WORKFLOW_TERMINATED"
    return [(url, all(over.values())) for url, over in ends.items()]


def delete_rows(directory: SubmitDir, braindump: Braindump) -> None:
    """Delete the rows of a run from a database that other runs share; one of its own goes with its directory.

    Raises:
        StorageError: it cannot be read or written.
    """
    target = target_of(directory, braindump)
    if target.is_ours or (target.file is not None and not target.file.exists()):
        return
    with _opened(target) as connection:
        uuid = braindump.get("wf_uuid") or ""
        found = schema.workflow.c.wf_uuid == uuid
        row = connection.execute(select(schema.workflow.c.submit_dir).where(found)).first()
        if row is not None and not is_copy(row[0], directory.path, uuid):
            connection.execute(schema.workflow.delete().where(found))


def _elsewhere(directory: SubmitDir, braindump: Braindump) -> str:
    """Return where the list has the run whose copy this directory is; "" if it is no copy."""
    uuid, target = braindump.get("wf_uuid") or "", master_target(directory, braindump)
    if target.file is not None and not target.file.exists():
        return ""
    with connected(target, read_only=True) as connection:
        if not has_tables(connection):
            return ""
        row = connection.execute(select(_master.c.submit_dir).where(_master.c.wf_uuid == uuid)).first()
    return row[0] if row is not None and is_copy(row[0], directory.path, uuid) else ""


@contextmanager
def _opened(target: Target) -> Iterator[Connection]:
    """Open a database for one transaction, which also deletes what depends on a deleted row."""
    if target.file is not None:
        target.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with connected(target) as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        with transaction(connection):
            create_tables(connection)
            yield connection
