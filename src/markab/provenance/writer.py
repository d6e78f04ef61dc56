"""Rows into tables, in masses: SQLite's executemany, PostgreSQL's COPY; and who gets which number.

Used inside one transaction, which holds a lock that keeps every other writer
away from these tables: so the next free number is simply the highest plus one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection, String, Table

from markab.provenance import schema

Row = Sequence[Any]

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
"""Tables whose rows we number."""
_LOOK_UP = 500
_VALUES_AT_ONCE = 320


class Writer:
    """Writes to one open connection, in the transaction that is open on it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.is_sqlite = connection.dialect.name == "sqlite"
        driver: Any = connection.connection.driver_connection
        self._cursor = driver.cursor()
        self._cuts: dict[str, list[tuple[int, int]]] = {}
        self._next: dict[str, int] = {}
        self._is_first: bool | None = None

    def lock(self) -> None:
        """Keep other writers out until the transaction ends. SQLite's transactions do that by themselves."""
        if not self.is_sqlite:
            self._cursor.execute(f"LOCK TABLE {', '.join(_NUMBERED)} IN SHARE ROW EXCLUSIVE MODE")

    @property
    def is_first(self) -> bool:
        """No file is known to the database but those that this writer added."""
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
        """Tell the server which numbers are taken, for programs that let it number their rows."""
        if not self.is_sqlite:
            for table, following in self._next.items():
                (key,) = schema.metadata.tables[table].primary_key
                self._cursor.execute(
                    f"SELECT setval(pg_get_serial_sequence('{table}', '{key.name}'), {max(1, following - 1)})"
                )

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Add rows, whole and in the order of the table's columns."""
        if not rows:
            return
        if self.is_sqlite:
            self._execute_many(table, "", rows)
        else:
            self._copy(table, table, rows)

    def add_missing(self, table: str, rows: Sequence[Row]) -> None:
        """Add those rows that are not there yet."""
        self._insert_on_conflict(table, rows, "OR IGNORE", "DO NOTHING")

    def put(self, table: str, rows: Sequence[Row], value: str = "value") -> None:
        """Add rows; where one with the same key is there already, set its column `value`."""
        keys = ", ".join(column.name for column in schema.metadata.tables[table].primary_key)
        self._insert_on_conflict(
            table, rows, "OR REPLACE", f"({keys}) DO UPDATE SET {value} = excluded.{value}"
        )

    def update(self, table: str, key: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Set `columns` of the rows whose `key` is the last value of each entry."""
        if not rows:
            return
        mark = "?" if self.is_sqlite else "%s"
        sets = ", ".join(f'"{column}" = {mark}' for column in columns)
        self._cursor.executemany(f"UPDATE {table} SET {sets} WHERE {key} = {mark}", rows)

    def ids_of_lfns(self, lfns: Iterable[str]) -> dict[str, int]:
        """Return the numbers of those logical files that the database knows."""
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

    # -- how ----------------------------------------------------------------------

    def _insert_on_conflict(self, table: str, rows: Sequence[Row], here: str, there: str) -> None:
        if not rows:
            return
        if self.is_sqlite:
            self._execute_many(table, here, rows)
            return
        staging = f"markab_new_{table}"
        self._cursor.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {staging} (LIKE {table} INCLUDING DEFAULTS) ON COMMIT DROP"
        )
        self._cursor.execute(f"TRUNCATE {staging}")
        self._copy(table, staging, rows)
        self._cursor.execute(f"INSERT INTO {table} SELECT * FROM {staging} ON CONFLICT {there}")

    def _execute_many(self, table: str, modifier: str, rows: Sequence[Row]) -> None:
        """Insert some dozen rows with each statement: measured a third faster than one by one."""
        columns = len(schema.metadata.tables[table].columns)
        at_once = max(1, _VALUES_AT_ONCE // columns)
        insert = f"INSERT {modifier} INTO {table} VALUES "
        marks = f"({', '.join('?' * columns)})"
        execute, flat = self._cursor.execute, chain.from_iterable
        many = insert + ", ".join([marks] * at_once)
        whole = len(rows) // at_once * at_once
        for start in range(0, whole, at_once):
            execute(many, list(flat(rows[start : start + at_once])))
        self._cursor.executemany(insert + marks, rows[whole:])

    def _copy(self, table: str, target: str, rows: Sequence[Row]) -> None:
        described = schema.metadata.tables[table]
        cuts = self._cuts.setdefault(table, _limited_columns(described))
        columns = ", ".join(f'"{column.name}"' for column in described.columns)
        booleans = {n for n, column in enumerate(described.columns) if column.type.python_type is bool}
        with self._cursor.copy(f"COPY {target} ({columns}) FROM STDIN") as copy:
            for row in rows:
                cells = list(row)
                for n, longest in cuts:
                    if cells[n] is not None and len(cells[n]) > longest:
                        cells[n] = shortened(cells[n], longest)
                for n in booleans:
                    cells[n] = bool(cells[n])
                for n, cell in enumerate(cells):
                    if cell.__class__ is str and "\0" in cell:
                        cells[n] = cell.replace("\0", "�")
                copy.write_row(cells)


def _limited_columns(table: Table) -> list[tuple[int, int]]:
    return [
        (n, column.type.length)
        for n, column in enumerate(table.columns)
        if isinstance(column.type, String) and column.type.length and not hasattr(column.type, "enums")
    ]


def shortened(text: str, longest: int) -> str:
    """Return text that fits a column of a server (SQLite has no limits): what is long ends in a checksum."""
    if len(text) <= longest:
        return text
    return text[: longest - 17] + "~" + hashlib.sha256(text.encode()).hexdigest()[:16]
