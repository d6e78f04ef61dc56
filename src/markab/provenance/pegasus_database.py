"""Opening the database that Pegasus kept of a run, and of its sub-workflows. It is only read.

It is in the directory of the root workflow, or where its properties place it. Versions 12
to 14 of the schema have all that is read; of any other version, the tables decide.
A file whose last writer was interrupted is read from a copy, since SQLite would repair it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from markab.errors import StorageError
from markab.plan.submit_dir import SubmitDir
from markab.provenance import schema
from markab.provenance.database import DatabaseLocked, UnreadableDatabase, connected
from markab.provenance.database_location import Target, file_target, target_of
from markab.provenance.pegasus_directory import DATABASE_SUFFIX, PegasusDirectory

PATIENCE_S = 10.0
TABLES = (
    schema.workflow,
    schema.workflowstate,
    schema.host,
    schema.job,
    schema.job_edge,
    schema.task,
    schema.job_instance,
    schema.jobstate,
    schema.invocation,
)
"""They are needed, with their columns."""
LATER_COLUMNS = frozenset(("maxrss", "avg_cpu"))
"""Columns of `invocation` since version 13."""
EXTRA_TABLES = (schema.integrity, schema.tag, schema.workflow_files, schema.rc_lfn)
"""What is in them is left out if they are missing."""
_FIRST_READ = "SELECT count(*) FROM sqlite_master"
_REPLAY = (
    "`pegasus-monitord --replay` of Pegasus makes it again from its logs; `markab status` reads jobstate.log"
)


@dataclass(frozen=True)
class MemberWorkflow:
    """A workflow of the tree."""

    wf_id: int
    uuid: str
    name: str
    parent_id: int | None
    submit_dir: str


@dataclass
class PegasusDatabase:
    """An open database."""

    connection: Connection
    directory: PegasusDirectory
    members: list[MemberWorkflow]
    """The workflow of the directory, then those below it."""
    absent: frozenset[str]
    """Tables and columns that an older version has not."""
    notes: list[str] = field(default_factory=list)

    @property
    def workflow(self) -> MemberWorkflow:
        """The workflow of the directory."""
        return self.members[0]


@contextmanager
def open_pegasus_database(directory: PegasusDirectory) -> Iterator[PegasusDatabase]:
    """Open the database of a run of Pegasus, and close it when the block ends.

    Raises:
        StorageError: there is none, or it cannot be read, or does not have the run.
    """
    with ExitStack() as stack:
        try:
            target = _target(directory)
            connection, notes = _connected(target, stack)
            absent = _absent(connection, target)
            members = _members(connection, directory, target)
            yield PegasusDatabase(connection, directory, members, absent, [*directory.notes, *notes])
        except UnreadableDatabase as error:
            raise StorageError(error.message, hint=_REPLAY) from None


def _target(directory: PegasusDirectory) -> Target:
    """Return where the database is: as the properties say, else in the directory of the root workflow."""
    root = directory.root
    try:
        named = target_of(SubmitDir(root.path), {**root.braindump, "pegasus_wf_name": root.base})
    except StorageError:
        if found := _file(directory):
            return file_target(found)
        raise
    if named.file is None or named.file.is_file():
        return _checked(named)
    if found := _file(directory):
        return _checked(file_target(found))
    raise StorageError(f"the run has no database: {str(named.file)!r} does not exist", hint=_REPLAY)


def _file(directory: PegasusDirectory) -> Path | None:
    """Return the database beside the run: a directory that was moved may have another path in its properties."""
    for place in (directory.root, directory):
        named = place.path / f"{place.base}{DATABASE_SUFFIX}"
        if named.is_file():
            return named
        others = sorted(place.path.glob(f"*{DATABASE_SUFFIX}"))
        if others:
            return others[0]
    return None


def _checked(target: Target) -> Target:
    if target.file is not None and not target.file.stat().st_size:
        raise StorageError(f"database {str(target.file)!r} is empty", hint=_REPLAY)
    return target


def _connected(target: Target, stack: ExitStack) -> tuple[Connection, list[str]]:
    """Return a connection that has been read from, and what the user should know of it."""
    if target.file is None or not _has_write_ahead_log(target.file):
        own = stack.enter_context(ExitStack())
        try:
            connection = own.enter_context(connected(target, read_only=True, patience_s=PATIENCE_S))
            connection.exec_driver_sql(_FIRST_READ)
            return connection, []
        except DatabaseLocked:
            raise
        except StorageError:
            if target.file is None or not os.path.exists(f"{target.file}-journal"):
                raise
            own.close()
    copied = _copy(target.file, stack)
    note = f"the last writer of {target.file.name} was interrupted, or is at work: a copy was read"
    return stack.enter_context(connected(copied, read_only=True)), [note]


def _has_write_ahead_log(file: Path) -> bool:
    """Return whether SQLite would write beside a database even when it only reads it."""
    with open(file, "rb") as opened:
        return opened.read(20)[18:20] == b"\x02\x02"


def _copy(file: Path, stack: ExitStack) -> Target:
    place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="markab-")))
    for suffix in ("-journal", "-wal", ""):
        if os.path.exists(f"{file}{suffix}"):
            shutil.copyfile(f"{file}{suffix}", place / f"{file.name}{suffix}")
    copied = file_target(place / file.name)
    with connected(copied) as connection:
        connection.exec_driver_sql(_FIRST_READ)  # rolls back, or takes in the log
    return copied


def _absent(connection: Connection, target: Target) -> frozenset[str]:
    """Return what an older version has not.

    Raises:
        StorageError: a table or a column is missing that all versions of Pegasus 5 have.
    """
    there = inspect(connection)
    names = set(there.get_table_names())
    missing = [table.name for table in TABLES if table.name not in names]
    absent = {table.name for table in EXTRA_TABLES if table.name not in names}
    for table in TABLES:
        if table.name in names:
            columns = {column["name"] for column in there.get_columns(table.name)}
            lacking = {column.name for column in table.columns} - columns
            if table is schema.invocation:
                absent |= lacking & LATER_COLUMNS
                lacking -= LATER_COLUMNS
            missing += [f"{table.name}.{column}" for column in sorted(lacking)]
    if missing:
        raise StorageError(
            f"database {target.shown} has another schema{_version(connection)}: "
            f"it lacks {', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}",
            hint="`pegasus-db-admin update` of Pegasus 5 brings a copy of it up to date; "
            "`markab status` reads jobstate.log",
        )
    return frozenset(absent)


def _version(connection: Connection) -> str:
    try:
        number = connection.execute(text("SELECT max(version_number) FROM dbversion")).scalar()
    except Exception:  # of any driver: there is no such table
        return ""
    return f" (version {number})" if number is not None else ""


def _members(connection: Connection, directory: PegasusDirectory, target: Target) -> list[MemberWorkflow]:
    """Return the workflow of the directory and those below it, each after its parent."""
    rows = connection.execute(
        text("SELECT wf_id, wf_uuid, dax_label, parent_wf_id, submit_dir FROM workflow ORDER BY wf_id")
    )
    found = [MemberWorkflow(row[0], row[1], row[2] or "", row[3], row[4] or "") for row in rows]
    uuid = directory.uuid
    tops = [one for one in found if (one.uuid == uuid if uuid else one.parent_id is None)]
    if len(tops) != 1:
        what = f"the run {uuid!r}" if uuid else "one run alone, and which of them this is, is not known"
        raise StorageError(f"database {target.shown} does not have {what}", hint=_REPLAY)
    below: dict[int | None, list[MemberWorkflow]] = {}
    for one in found:
        below.setdefault(one.parent_id, []).append(one)
    members = tops
    for one in members:  # grows while it is walked
        members += [child for child in below.get(one.wf_id, ()) if child not in members]
    return members
