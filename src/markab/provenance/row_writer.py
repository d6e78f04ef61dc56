"""Inserting many rows: several a statement in SQLite, COPY in PostgreSQL; and assigning their numbers.

Used inside one transaction, whose lock excludes every other writer of these tables,
so the next free number is the highest plus one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection, String, Table

from markab.provenance import schema

Row = Sequence[Any]
Shape = tuple[tuple[object, ...], ...]
"""The rows of an entry: `...` stands for the next of its values, everything else is constant."""

_NUMBERED = (
    "workflow",
    "host",
    "job",
    "task",
    "job_instance",
    "invocation",
    "integrity",
    "tag",
    "rc_lfn",
    "rc_pfn",
)
"""Tables whose rows Markab numbers."""
JOBS_AT_ONCE = 500
"""Jobs that become rows before these are inserted. The rows are then still in the processor's cache:
measured, a run is projected a fifth faster than with 10,000."""
JOBS_AT_ONCE_THERE = 10_000
"""The same for a server, where each insert is a round trip."""
_LOOK_UP = 500
_VALUES_AT_ONCE = 999
"""The number of values in a statement that every SQLite supports."""
_ENTRIES_AT_ONCE = (64, 8, 1)
"""More are no faster."""


class Writer:
    """Writes rows to one open connection, in the transaction that is open on it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.is_sqlite = connection.dialect.name == "sqlite"
        driver: Any = connection.connection.driver_connection
        self._cursor = driver.cursor()
        self._cuts: dict[str, list[tuple[int, int]]] = {}
        self._next: dict[str, int] = {}
        self._is_first: bool | None = None

    def lock(self) -> None:
        """Exclude other writers until the transaction ends. In SQLite, the transaction itself does."""
        if not self.is_sqlite:
            self._cursor.execute(f"LOCK TABLE {', '.join(_NUMBERED)} IN SHARE ROW EXCLUSIVE MODE")

    @property
    def jobs_at_once(self) -> int:
        """How many jobs, or ends of jobs, should become rows before these are inserted."""
        return JOBS_AT_ONCE if self.is_sqlite else JOBS_AT_ONCE_THERE

    @property
    def is_first(self) -> bool:
        """The database has no files except those that this writer added."""
        if self._is_first is None:
            self._is_first = self.new_ids("rc_lfn", 0) == 1
        return self._is_first

    def new_ids(self, table: str, count: int) -> int:
        """Return the first of `count` free numbers in a row."""
        if (first := self._next.get(table)) is None:
            (key,) = schema.metadata.tables[table].primary_key
            self._cursor.execute(f"SELECT max({key.name}) FROM {table}")
            first = (self._cursor.fetchone()[0] or 0) + 1
        self._next[table] = first + count
        return first

    def keep_sequences(self) -> None:
        """Advance the server's sequences, for programs that let it number their rows."""
        if not self.is_sqlite:
            for table, following in self._next.items():
                (key,) = schema.metadata.tables[table].primary_key
                self._cursor.execute(
                    f"SELECT setval(pg_get_serial_sequence('{table}', '{key.name}'), {max(1, following - 1)})"
                )

    def insert(self, table: str, rows: Sequence[Row], shape: Shape | None = None) -> None:
        """Add complete rows, in the order of the table's columns; or entries of a `shape`."""
        if not rows:
            return
        if self.is_sqlite:
            self._execute_many(table, "", rows, shape)
        else:
            self._copy(table, table, rows, shape)

    def add_missing(self, table: str, rows: Sequence[Row]) -> None:
        """Add the rows that do not exist yet."""
        self._insert_on_conflict(table, rows, "OR IGNORE", "DO NOTHING")

    def put(self, table: str, rows: Sequence[Row], shape: Shape | None = None) -> None:
        """Add rows, as `insert`; if one with the same key exists, set its column "value"."""
        keys = ", ".join(column.name for column in schema.metadata.tables[table].primary_key)
        there = f"({keys}) DO UPDATE SET value = excluded.value"
        self._insert_on_conflict(table, rows, "OR REPLACE", there, shape)

    def update(self, table: str, key: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Set `columns` of the rows whose `key` is the last value of each entry."""
        if not rows:
            return
        mark = "?" if self.is_sqlite else "%s"
        if not self.is_sqlite:  # a server keeps 15 digits of a float, and a time needs 16
            rows = [[repr(cell) if cell.__class__ is float else cell for cell in row] for row in rows]
        sets = ", ".join(f'"{column}" = {mark}' for column in columns)
        self._cursor.executemany(f"UPDATE {table} SET {sets} WHERE {key} = {mark}", rows)

    def remove(self, table: str, rows: Sequence[Row]) -> None:
        """Remove the rows with these keys, if there are any."""
        if not rows:
            return
        mark = "?" if self.is_sqlite else "%s"
        keys = " AND ".join(f"{key.name} = {mark}" for key in schema.metadata.tables[table].primary_key)
        self._cursor.executemany(f"DELETE FROM {table} WHERE {keys}", rows)

    def ids_of_lfns(self, lfns: Iterable[str]) -> dict[str, int]:
        """Return the numbers of the logical files that the database has."""
        names = list(lfns) if self.is_sqlite else [shortened(lfn, 245) for lfn in lfns]
        originals = dict(zip(names, lfns, strict=True))
        mark = "?" if self.is_sqlite else "%s"
        found: dict[str, int] = {}
        for start in range(0, len(names), _LOOK_UP):
            some = names[start : start + _LOOK_UP]
            marks = ", ".join([mark] * len(some))
            self._cursor.execute(f"SELECT lfn, lfn_id FROM rc_lfn WHERE lfn IN ({marks})", some)
            found.update((originals[name], number) for name, number in self._cursor.fetchall())
        return found

    # -- statements ---------------------------------------------------------------

    def _insert_on_conflict(
        self, table: str, rows: Sequence[Row], here: str, there: str, shape: Shape | None = None
    ) -> None:
        if not rows:
            return
        if self.is_sqlite:
            self._execute_many(table, here, rows, shape)
            return
        staging = f"markab_new_{table}"
        self._cursor.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {staging} (LIKE {table} INCLUDING DEFAULTS) ON COMMIT DROP"
        )
        self._cursor.execute(f"TRUNCATE {staging}")
        self._copy(table, staging, rows, shape)
        self._cursor.execute(f"INSERT INTO {table} SELECT * FROM {staging} ON CONFLICT {there}")

    def _execute_many(self, table: str, modifier: str, rows: Sequence[Row], shape: Shape | None) -> None:
        """Insert several dozen entries with each statement: measured a third faster than one by one."""
        execute, flat, start = self._cursor.execute, chain.from_iterable, 0
        for at_once, statement in _statements(table, modifier, shape):
            while len(rows) - start >= at_once:
                execute(statement, list(flat(rows[start : start + at_once])))
                start += at_once

    def _copy(self, table: str, target: str, rows: Sequence[Row], shape: Shape | None = None) -> None:
        described = schema.metadata.tables[table]
        cuts = self._cuts.setdefault(table, _limited_columns(described))
        columns = ", ".join(f'"{column.name}"' for column in described.columns)
        booleans = {n for n, column in enumerate(described.columns) if column.type.python_type is bool}
        with self._cursor.copy(f"COPY {target} ({columns}) FROM STDIN") as copy:
            for cells in _filled(rows, shape):
                for n, longest in cuts:
                    if cells[n] is not None and len(cells[n]) > longest:
                        cells[n] = shortened(cells[n], longest)
                for n in booleans:
                    cells[n] = bool(cells[n])
                for n, cell in enumerate(cells):
                    if cell.__class__ is str and "\0" in cell:
                        cells[n] = cell.replace("\0", "�")
                copy.write_row(cells)


@lru_cache
def _statements(table: str, modifier: str, shape: Shape | None) -> list[tuple[int, str]]:
    """Return statements that insert entries, and the number of entries of each, largest first."""
    if shape is None:
        shape = (tuple([...] * len(schema.metadata.tables[table].columns)),)
    values = ", ".join(f"({', '.join(map(_literal, row))})" for row in shape)
    most = max(1, _VALUES_AT_ONCE // sum(cell is ... for row in shape for cell in row))
    insert = f"INSERT {modifier} INTO {table} VALUES "
    return [(n, insert + ", ".join([values] * n)) for n in _ENTRIES_AT_ONCE if n <= most]


def _literal(cell: object) -> str:
    """Return a cell of a shape as SQL."""
    if cell is ...:
        return "?"
    if cell is None:
        return "NULL"
    return "'" + cell.replace("'", "''") + "'" if isinstance(cell, str) else str(cell)


def _filled(entries: Iterable[Row], shape: Shape | None) -> Iterator[list[Any]]:
    """Yield the rows of entries."""
    for entry in entries:
        if shape is None:
            yield list(entry)
        else:
            values = iter(entry)
            for row in shape:
                yield [next(values) if cell is ... else cell for cell in row]


def _limited_columns(table: Table) -> list[tuple[int, int]]:
    return [
        (n, column.type.length)
        for n, column in enumerate(table.columns)
        if isinstance(column.type, String) and column.type.length and not hasattr(column.type, "enums")
    ]


def shortened(text: str, longest: int) -> str:
    """Return text that fits a server's column (SQLite has no limits): long text is cut and ends in a checksum."""
    if len(text) <= longest:
        return text
    return text[: longest - 17] + "~" + hashlib.sha256(text.encode()).hexdigest()[:16]
