"""Replica catalogs in SQLite files, with the tables of Pegasus' JDBCRC: rc_lfn, rc_pfn, rc_meta.

The output catalog of a run (`<workflow>-0.replicas.db`) is one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from markab.catalogs.jdbcrc_reader import LOCK_TIMEOUT_S
from markab.catalogs.replica_store import Entry, is_match
from markab.errors import StorageError
from markab.worker.failure import AttemptFailed
from markab.worker.replica_registration import register_replicas

_NAMES_A_QUERY = 500
"""Names in one query; SQLite allows at least 999."""


class JdbcrcStore:
    """An SQLite file; see `ReplicaStore`."""

    loses_comments = False

    def __init__(self, path: Path) -> None:
        self._path = path

    def insert(self, entries: Sequence[Entry]) -> int:
        """Add places; return how many were new."""
        if patterns := [entry.lfn for entry in entries if entry.regex]:
            raise StorageError(
                f"{patterns[0]!r} is a regular expression, which a JDBCRC catalog cannot hold",
                hint="add it to a YAML or text catalog",
            )
        known = {(found.lfn, found.pfn, found.site) for found in self.lookup([e.lfn for e in entries])}
        rows = [
            {"lfn": e.lfn, "pfn": e.pfn, "site": e.site or "local", "metadata": e.attributes} for e in entries
        ]
        try:
            register_replicas(str(self._path), rows, {})
        except AttemptFailed as error:
            raise StorageError(error.message, error.hint) from error
        return len({(row["lfn"], row["pfn"], row["site"]) for row in rows} - known)

    def delete(self, entries: Sequence[Entry]) -> int:
        """Remove places; return how many were removed."""
        wanted: dict[str, list[Entry]] = {}
        for entry in entries:
            wanted.setdefault(entry.lfn, []).append(entry)
        with self._transaction() as connection:
            removed = {
                (found.lfn, found.pfn, found.site)
                for found in _entries(connection, wanted)
                if any(is_match(one, found) for one in wanted[found.lfn])
            }
            connection.executemany(
                "DELETE FROM rc_pfn WHERE pfn = ?2 AND site IS ?3 "
                "AND lfn_id = (SELECT lfn_id FROM rc_lfn WHERE lfn = ?1)",
                list(removed),
            )
            _delete_files(
                connection,
                [
                    name
                    for name in {lfn for lfn, _, _ in removed}
                    if not connection.execute(
                        "SELECT 1 FROM rc_pfn JOIN rc_lfn USING (lfn_id) WHERE lfn = ?", (name,)
                    ).fetchone()
                ],
            )
        return len(removed)

    def remove(self, lfns: Sequence[str]) -> int:
        """Remove files with all their places; return how many of them were there."""
        with self._transaction() as connection:
            return _delete_files(connection, list(dict.fromkeys(lfns)))

    def clear(self) -> int:
        """Remove everything; return how many places there were."""
        with self._transaction() as connection:
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
        """Yield all entries, ordered by name."""
        with self._open() as connection:
            if connection is not None:
                yield from _entries(connection, None)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection | None]:
        """Open the file for reading; None: it does not exist, or has no tables."""
        if not self._path.exists():
            yield None
            return
        with _storage_errors(self._path):
            connection = sqlite3.connect(str(self._path), timeout=LOCK_TIMEOUT_S, isolation_level=None)
            try:
                has = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'rc_pfn'").fetchone()
                yield connection if has else None
            finally:
                connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Open the file in a transaction; missing tables are created."""
        try:
            register_replicas(str(self._path), [], {})
        except AttemptFailed as error:
            raise StorageError(error.message, error.hint) from error
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
        yield from _selected(connection, "", ())
        return
    names = list(lfns)
    for start in range(0, len(names), _NAMES_A_QUERY):
        some = names[start : start + _NAMES_A_QUERY]
        yield from _selected(connection, f"WHERE l.lfn IN ({','.join('?' * len(some))})", some)


def _selected(connection: sqlite3.Connection, where: str, values: Sequence[str]) -> Iterator[Entry]:
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


def _delete_files(connection: sqlite3.Connection, lfns: Sequence[str]) -> int:
    """Delete the rows of files; return how many files there were."""
    removed = 0
    for name in lfns:
        row = connection.execute("SELECT lfn_id FROM rc_lfn WHERE lfn = ?", (name,)).fetchone()
        if row is not None:
            for table in ("rc_meta", "rc_pfn", "rc_lfn"):  # by hand: foreign keys may be off
                connection.execute(f"DELETE FROM {table} WHERE lfn_id = ?", row)
            removed += 1
    return removed


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(
            f"cannot use the replica catalog {str(path)!r}: {error}",
            hint="check that it is an SQLite file, and that you may write to it",
        ) from error
