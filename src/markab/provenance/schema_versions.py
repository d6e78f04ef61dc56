"""The versions of Pegasus' schema, and bringing a database from one to another.

    8    Pegasus 4.8    the table integrity is called integrity_metrics
    11   Pegasus 4.9
    14   Pegasus 5.0    what Markab makes

From one to the next only tables and columns are added, so that a database that goes back keeps them: nothing
is lost. The last row of dbversion is the version.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from markab.errors import StorageError
from markab.provenance import schema
from markab.provenance.database import connected, create_tables, transaction
from markab.provenance.database_location import Target

RELEASES = {14: "5.0.1", 11: "4.9.3", 8: "4.8.3"}
"""Version of the schema → the first, or for old ones the last, release of Pegasus that has it; the newest first."""
OLDEST = min(RELEASES)
_RENAMED = ("integrity_metrics", "integrity")
_RENAMED_SINCE = 11


def number_of(release: str) -> int:
    """Return the version of the schema that a release of Pegasus has.

    Raises:
        StorageError: it is not a release, or older than all that are known.
    """
    try:
        major, minor = (int(part) for part in release.split(".")[:2])
    except ValueError:
        raise StorageError(f"{release!r} is not a version of Pegasus", hint="such as 5.0.1") from None
    for number, known in RELEASES.items():
        if (major, minor) >= tuple(int(part) for part in known.split(".")[:2]):
            return number
    raise StorageError(
        f"databases of Pegasus {release} are not supported", hint=f"the oldest is that of {RELEASES[OLDEST]}"
    )


def name_of(number: int) -> str:
    """Return the release of Pegasus for a version of the schema."""
    return RELEASES.get(number, f"schema {number}")


def read_version(target: Target) -> int:
    """Return the version of a database.

    Raises:
        StorageError: there is no database, or it has none.
    """
    if target.file is not None and not target.file.exists():
        raise StorageError(f"there is no database {str(target.file)!r}", hint="pegasus-db-admin create")
    with connected(target, read_only=True) as connection:
        number = _version(connection)
    if number is None:
        raise StorageError(
            f"database {target.shown} is not one of Pegasus: it has no version",
            hint="pegasus-db-admin create",
        )
    return number


def create(target: Target) -> bool:
    """Create the tables that a database lacks; return whether it had none. Its version becomes ours if it is older.

    Raises:
        StorageError: it cannot be read or written.
    """
    if target.file is not None and target.file.exists():
        with connected(target, read_only=True) as connection:
            if _version(connection) is not None:
                change(target, schema.VERSION)
                return False
            if inspect(connection).get_table_names():
                raise StorageError(
                    f"{target.shown} has tables of another program, and is left as it is",
                    hint="name another file",
                )
    if target.file is not None:
        target.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with connected(target) as connection, transaction(connection):
        create_tables(connection)
    return True


def change(target: Target, number: int) -> Path | None:
    """Bring a database to another version; return the copy that was made of the old file, if there was something to do.

    Raises:
        StorageError: it has no version, or cannot be read or written.
    """
    if read_version(target) == number:
        return None
    copy = _copied(target.file) if target.file is not None else None
    with connected(target) as connection, transaction(connection):
        tables = set(inspect(connection).get_table_names())
        old, new = _RENAMED if number >= _RENAMED_SINCE else _RENAMED[::-1]
        if old in tables and new not in tables:
            connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))
        if number == schema.VERSION:
            create_tables(connection)
            _add_columns(connection)
        connection.execute(
            schema.dbversion.insert().values(
                version_number=number, version=str(number), version_timestamp=int(time.time())
            )
        )
    return copy


def _version(connection: Connection) -> int | None:
    if not inspect(connection).has_table("dbversion"):
        return None
    found = connection.execute(text("SELECT version FROM dbversion ORDER BY id DESC LIMIT 1")).scalar()
    try:
        return int(float(str(found)))
    except ValueError:
        return None


def _add_columns(connection: Connection) -> None:
    """Add the columns that tables lack; existing rows have nothing in them."""
    known = inspect(connection)
    for table in schema.metadata.sorted_tables:
        there = {column["name"] for column in known.get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                kind = column.type.compile(connection.dialect)
                connection.execute(text(f'ALTER TABLE {table.name} ADD COLUMN "{column.name}" {kind}'))


def _copied(file: Path) -> Path:
    """Copy an SQLite file as it is at one moment; return the copy, which is complete or not there."""
    copy = file.with_name(f"{file.name}-{time.strftime('%Y%m%d-%H%M%S')}")
    number = 0
    while copy.exists():
        number += 1
        copy = copy.with_name(f"{file.name}-{time.strftime('%Y%m%d-%H%M%S')}.{number}")
    partial = copy.with_name(f".{copy.name}.{os.getpid()}.tmp")
    try:
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(partial)) as target:
            source.backup(target)
        os.rename(partial, copy)
    except (OSError, sqlite3.Error) as error:
        partial.unlink(missing_ok=True)
        raise StorageError(f"database {str(file)!r} cannot be copied first: {error}") from error
    return copy
