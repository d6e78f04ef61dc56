"""Replica catalogs in SQLite files, with the tables of Pegasus' JDBCRC: rc_lfn, rc_pfn, rc_meta.

The output catalog of a run (`<workflow>-0.replicas.db`) is one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from markab.catalogs.jdbcrc import PATIENCE_S
from markab.catalogs.replica_store import Entry, is_meant
from markab.errors import StorageError
from markab.worker.failure import Trouble
from markab.worker.replica_registration import register

_AT_ONCE = 500
"""Names in one question; SQLite takes at least 999."""


class JdbcrcStore:
    """An SQLite file; see `ReplicaStore`."""

    loses_comments = False

    def __init__(self, path: Path) -> None:
        self._path = path

    def insert(self, entries: Sequence[Entry]) -> int:
        """Add places; return how many were new."""
        if patterns := [entry.lfn for entry in entries if entry.regex]:
            raise StorageError(
                f"{patterns[0]!r} is a regular expression, and a database catalog has none",
                hint="put it into a YAML or text catalog",
            )
        known = {(found.lfn, found.pfn, found.site) for found in self.lookup([e.lfn for e in entries])}
        rows = [
            {"lfn": e.lfn, "pfn": e.pfn, "site": e.site or "local", "metadata": e.attributes} for e in entries
        ]
        try:
            register(str(self._path), rows, {})
        except Trouble as trouble:
            raise StorageError(trouble.message, trouble.hint) from trouble
        return len({(row["lfn"], row["pfn"], row["site"]) for row in rows} - known)

    def delete(self, entries: Sequence[Entry]) -> int:
        """Take places away; return how many there were."""
        wanted: dict[str, list[Entry]] = {}
        for entry in entries:
            wanted.setdefault(entry.lfn, []).append(entry)
        with self._changing() as connection:
            gone = {
                (found.lfn, found.pfn, found.site)
                for found in _entries(connection, wanted)
                if any(is_meant(one, found) for one in wanted[found.lfn])
            }
            connection.executemany(
                "DELETE FROM rc_pfn WHERE pfn = ?2 AND site IS ?3 "
                "AND lfn_id = (SELECT lfn_id FROM rc_lfn WHERE lfn = ?1)",
                list(gone),
            )
            _forget(
                connection,
                [
                    name
                    for name in {lfn for lfn, _, _ in gone}
                    if not connection.execute(
                        "SELECT 1 FROM rc_pfn JOIN rc_lfn USING (lfn_id) WHERE lfn = ?", (name,)
                    ).fetchone()
                ],
            )
        return len(gone)

    def remove(self, lfns: Sequence[str]) -> int:
        """Take files away; return how many there were of these."""
        with self._changing() as connection:
            return _forget(connection, list(dict.fromkeys(lfns)))

    def clear(self) -> int:
        """Take everything away; return how many places there were."""
        with self._changing() as connection:
            number = int(connection.execute("SELECT count(*) FROM rc_pfn").fetchone()[0])
            for table in ("rc_meta", "rc_pfn", "rc_lfn"):
                connection.execute(f"DELETE FROM {table}")
        return number

    def lookup(self, lfns: Iterable[str]) -> Iterator[Entry]:
        """Yield the places of files."""
        with self._open() as connection:
            if connection is not None:
                yield from _entries(connection, list(dict.fromkeys(lfns)))

    def entries(self) -> Iterator[Entry]:
        """Yield everything, ordered by name."""
        with self._open() as connection:
            if connection is not None:
                yield from _entries(connection, None)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection | None]:
        """Open the file to be read; None: there is none, or no tables in it."""
        if not self._path.exists():
            yield None
            return
        with _explained(self._path):
            connection = sqlite3.connect(str(self._path), timeout=PATIENCE_S, isolation_level=None)
            try:
                has = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'rc_pfn'").fetchone()
                yield connection if has else None
            finally:
                connection.close()

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """Open the file in a transaction; its tables are made if they are missing."""
        try:
            register(str(self._path), [], {})
        except Trouble as trouble:
            raise StorageError(trouble.message, trouble.hint) from trouble
        with self._open() as connection:
            assert connection is not None
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")


def _entries(connection: sqlite3.Connection, lfns: Iterable[str] | None) -> Iterator[Entry]:
    """Yield the places of the named files, or of all."""
    if lfns is None:
        yield from _asked(connection, "", ())
        return
    names = list(lfns)
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        yield from _asked(connection, f"WHERE l.lfn IN ({','.join('?' * len(some))})", some)


def _asked(connection: sqlite3.Connection, where: str, values: Sequence[str]) -> Iterator[Entry]:
    attributes: dict[str, dict[str, str]] = {}
    for lfn, key, value in connection.execute(
        f"SELECT l.lfn, m.key, m.value FROM rc_meta m JOIN rc_lfn l USING (lfn_id) {where} ORDER BY 1, 2",
        values,
    ):
        attributes.setdefault(lfn, {})[key] = value
    for lfn, pfn, site in connection.execute(
        f"SELECT l.lfn, p.pfn, p.site FROM rc_pfn p JOIN rc_lfn l USING (lfn_id) {where} ORDER BY 1, p.pfn_id",
        values,
    ):
        yield Entry(lfn, pfn, site, attributes.get(lfn, {}))


def _forget(connection: sqlite3.Connection, lfns: Sequence[str]) -> int:
    """Delete files with all that is known of them; return how many there were."""
    gone = 0
    for name in lfns:
        row = connection.execute("SELECT lfn_id FROM rc_lfn WHERE lfn = ?", (name,)).fetchone()
        if row is not None:
            for table in ("rc_meta", "rc_pfn", "rc_lfn"):  # by hand: foreign keys may be off
                connection.execute(f"DELETE FROM {table} WHERE lfn_id = ?", row)
            gone += 1
    return gone


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(
            f"cannot use the replica catalog {str(path)!r}: {error}",
            hint="see that it is an SQLite file that you may write",
        ) from error
