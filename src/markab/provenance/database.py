"""Opening a database; errors of its driver are raised as errors of Markab, without passwords."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, Index, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool, StaticPool
from sqlalchemy.schema import CreateIndex, CreateTable

from markab.errors import MarkabError, NewerFormat, StorageError
from markab.plan.submit_dir import PLAN
from markab.provenance import schema
from markab.provenance.database_location import Target

PATIENCE_S = 60.0
"""How long to wait for another process that writes to the same database."""
_ADVISORY_LOCK = 0x6D61726B6162
"""The number of our lock in PostgreSQL: "markab"."""
_CACHE_KB = 262144
_NAME = "markab name"
"""Key in `Connection.info`: the name of the database in messages."""
_LOCK_NOT_AVAILABLE = "55P03"
"""PostgreSQL's error code when `lock_timeout` has passed."""
_CONNECT_S = (2, 10)
"""Limits of the time that a server may take to answer."""
_INDEXED_AT_ONCE = (schema.rc_pfn.name,)
"""Tables whose unique keys are needed while a new database is filled."""


class UnreadableDatabase(MarkabError):
    """A file that is not a database, or an incomplete one. One that Markab made can be rebuilt."""

    exit_code = StorageError.exit_code


class DatabaseLocked(StorageError):
    """Another process has held the lock of the database for longer than the time limit."""


@contextmanager
def connected(
    target: Target, *, read_only: bool = False, patience_s: float = PATIENCE_S
) -> Iterator[Connection]:
    """Open a database, and close it when the block ends. Driver errors inside are translated.

    Each statement is its own transaction, except in a `transaction` block.

    Raises:
        DatabaseLocked: another process has locked it for longer than `patience_s`.
        StorageError: it cannot be reached, read or written.
        UnreadableDatabase: it is an SQLite file that cannot be read.
    """
    engine = _engine(target, read_only, patience_s)
    try:
        with translated_errors(target), engine.connect() as connection:
            connection.info[_NAME] = _named(target)
            if target.url.get_backend_name() == "sqlite":
                connection.exec_driver_sql(f"PRAGMA cache_size = -{_CACHE_KB}")
                connection.exec_driver_sql("PRAGMA synchronous = NORMAL")
                connection.exec_driver_sql("PRAGMA threads = 2")  # sort faster when indexes are made
            else:  # by a statement: not every connection pooler lets `options` pass
                connection.exec_driver_sql(f"SET lock_timeout = {max(1, int(1000 * patience_s))}")
            yield connection
    finally:
        engine.dispose()


def _engine(target: Target, read_only: bool, patience_s: float) -> Engine:
    url = target.url
    options: dict[str, object]
    if url.get_backend_name() == "sqlite":
        options = {"timeout": patience_s, "check_same_thread": False}
        if target.file is not None and read_only:
            url = url.set(database=f"file:{_quoted(str(target.file))}", query={"mode": "ro", "uri": "true"})
    else:
        least_s, most_s = _CONNECT_S
        answer_s = max(least_s, min(most_s, int(patience_s)))
        options = {"connect_timeout": answer_s, "application_name": "markab", "tcp_user_timeout": 30_000}
    pool = StaticPool if target.file is None and url.get_backend_name() == "sqlite" else NullPool
    try:
        return create_engine(url, isolation_level="AUTOCOMMIT", poolclass=pool, connect_args=options)
    except ImportError:
        raise StorageError(
            f"the database {target.shown} needs a driver that is not installed",
            hint="pip install 'markab[postgres]'",
        ) from None


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Begin a write transaction; commit it when the block ends, roll it back when it raises.

    One Markab process at a time holds one on a database: the others wait.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_sqlite else "BEGIN")
    try:
        if not is_sqlite:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
        yield
    except BaseException:
        try:
            connection.exec_driver_sql("ROLLBACK")
        except SQLAlchemyError:  # the connection is lost, and the transaction with it
            connection.invalidate()
        raise
    connection.exec_driver_sql("COMMIT")


@contextmanager
def translated_errors(target: Target) -> Iterator[None]:
    """Raise errors of database drivers as ours."""
    import sqlite3

    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        raise _translated(target, getattr(error, "orig", None) or error) from None
    except SQLAlchemyError as error:
        raise StorageError(f"database {target.shown}: {_without_password(target, str(error))}") from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] == "psycopg":
            raise _translated(target, error) from None
        raise


def _translated(target: Target, error: BaseException) -> MarkabError:
    import sqlite3

    words = _without_password(target, " ".join(str(error).split()))
    where = _named(target)
    lowered = words.lower()
    is_sqlite = isinstance(error, sqlite3.Error)
    if (
        "locked" in lowered or "busy" in lowered
        if is_sqlite
        else getattr(error, "sqlstate", None) == _LOCK_NOT_AVAILABLE
    ):
        return DatabaseLocked(
            f"{where} is being written to by another program", hint="try again when it has finished"
        )
    if is_sqlite:
        if "full" in lowered:
            return StorageError(
                f"cannot write {where}: its disk is full", hint="free some space, and try again"
            )
        if "not a database" in lowered or "malformed" in lowered or "no such table" in lowered:
            is_made_of_a_run = target.file is not None and (target.file.parent / PLAN).exists()
            return UnreadableDatabase(
                f"{where} cannot be read: {words}",
                hint="delete it; it is rebuilt from plan and journal"
                if is_made_of_a_run
                else "restore it from a backup; if Pegasus made it, `pegasus-monitord --replay` of Pegasus makes it again",
            )
    return StorageError(
        f"{where}: {words}",
        hint="check that the file and its directory can be read and written"
        if is_sqlite
        else "check that the server runs, and that user, password and database are correct",
    )


def _named(target: Target) -> str:
    return f"database {str(target.file)!r}" if target.file is not None else f"database {target.shown}"


def _without_password(target: Target, words: str) -> str:
    password = target.url.password
    return words.replace(str(password), "***") if password else words


def has_tables(connection: Connection) -> bool:
    """Return whether the database has a stampede schema.

    Raises:
        NewerFormat: its schema has another version than ours.
    """
    if not inspect(connection).has_table("dbversion"):
        return False
    found = connection.execute(text("SELECT max(version_number) FROM dbversion")).scalar()
    if found is not None and int(found) != schema.VERSION:
        raise NewerFormat(
            f"{connection.info[_NAME]} has version {found} of the stampede schema; this Markab supports {schema.VERSION}",
            hint="name another database in pegasus.catalog.workflow.url, or delete this one",
        )
    return True


def create_tables(connection: Connection, *, indexed: bool = True) -> list[Index]:
    """Create missing tables, in the open transaction; return the indexes that are still to be created.

    Existing tables, such as those of a replica catalog, are not changed.

    Args:
        connection: the database.
        indexed: create the indexes too. If not, call `create_indexes` after filling the tables.
    """
    lacking = []
    there = set(inspect(connection).get_table_names())
    for table in schema.metadata.sorted_tables:
        if table.name not in there:
            connection.execute(CreateTable(table))
    for index in schema.LATER:
        assert index.table is not None
        if index.table.name in there:
            continue
        if indexed or index.table.name in _INDEXED_AT_ONCE:
            connection.execute(CreateIndex(index))
        else:
            lacking.append(index)
    if connection.execute(text("SELECT count(*) FROM dbversion")).scalar() == 0:
        connection.execute(
            schema.dbversion.insert().values(
                id=1,
                version_number=schema.VERSION,
                version=str(schema.VERSION),
                version_timestamp=int(time.time()),
            )
        )
    return lacking


def create_indexes(connection: Connection, lacking: list[Index]) -> None:
    """Create the indexes that `create_tables` left out."""
    for index in lacking:
        connection.execute(CreateIndex(index))
