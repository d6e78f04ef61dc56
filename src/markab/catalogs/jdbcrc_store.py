"""Replica catalogs in databases, with the tables of Pegasus' JDBCRC: rc_lfn, rc_pfn, rc_meta.

The output catalog of a run (`<workflow>-0.replicas.db`) is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from markab.catalogs.replica_database import DatabaseAddress, ReplicaDatabase, opened
from markab.catalogs.replica_store import Entry, is_match
from markab.errors import StorageError

_NAMES_A_QUERY = 500
"""Names in one query; SQLite allows at least 999."""


class JdbcrcStore:
    """An SQLite file, or the tables on a server; see `ReplicaStore`."""

    loses_comments = False

    def __init__(self, address: DatabaseAddress) -> None:
        self._address = address

    def insert(self, entries: Sequence[Entry]) -> int:
        """Add places; return how many were new."""
        if patterns := [entry.lfn for entry in entries if entry.regex]:
            raise StorageError(
                f"{patterns[0]!r} is a regular expression, which a JDBCRC catalog cannot hold",
                hint="add it to a YAML or text catalog",
            )
        with self._changed() as database:
            return sum(_insert(database, entry) for entry in entries)

    def delete(self, entries: Sequence[Entry]) -> int:
        """Remove places; return how many were removed."""
        wanted: dict[str, list[Entry]] = {}
        for entry in entries:
            wanted.setdefault(entry.lfn, []).append(entry)
        with self._changed() as database:
            removed = {
                (found.lfn, found.pfn, found.site)
                for found in _entries(database, wanted)
                if any(is_match(one, found) for one in wanted[found.lfn])
            }
            for lfn, pfn, site in sorted(removed, key=str):
                number = _number_of(database, lfn)
                database.execute(
                    "DELETE FROM rc_pfn WHERE lfn_id = ? AND pfn = ? AND coalesce(site, '') = ?",
                    (number, pfn, site or ""),
                )
            for lfn in sorted({lfn for lfn, _, _ in removed}):
                number = _number_of(database, lfn)
                if not list(database.rows("SELECT 1 FROM rc_pfn WHERE lfn_id = ?", (number,))):
                    _delete_file(database, lfn)
        return len(removed)

    def remove(self, lfns: Sequence[str]) -> int:
        """Remove files with all their places; return how many of them were there."""
        with self._changed() as database:
            return sum(_delete_file(database, lfn) for lfn in dict.fromkeys(lfns))

    def clear(self) -> int:
        """Remove everything; return how many places there were."""
        with self._changed() as database:
            number = int(next(database.rows("SELECT count(*) FROM rc_pfn"))[0])
            for table in ("rc_meta", "rc_pfn", "rc_lfn"):
                database.execute(f"DELETE FROM {table}")
        return number

    def lookup(self, lfns: Iterable[str]) -> Iterator[Entry]:
        """Yield the places of files."""
        with self._read() as database:
            if database is not None:
                yield from _entries(database, list(dict.fromkeys(lfns)))

    def entries(self) -> Iterator[Entry]:
        """Yield all entries, ordered by name."""
        with self._read() as database:
            if database is not None:
                yield from _entries(database, None)

    @contextmanager
    def _read(self) -> Iterator[ReplicaDatabase | None]:
        """Open the database for reading; None: it does not exist, or has no tables."""
        if self._address.kind == "sqlite" and not Path(self._address.database).exists():
            yield None
            return
        with opened(self._address) as database:
            yield database if database.has_tables() else None

    @contextmanager
    def _changed(self) -> Iterator[ReplicaDatabase]:
        """Open the database for one change; missing tables are created."""
        from markab.worker.replica_registration import TABLES  # needs SQLite

        with opened(self._address, write=True) as database:
            database.begin(TABLES)
            yield database
            database.commit()


def _insert(database: ReplicaDatabase, entry: Entry) -> bool:
    """Add a place, and what the entry says about the file; return whether the place is new."""
    number = _number_of(database, entry.lfn)
    if number is None:
        database.execute("INSERT INTO rc_lfn (lfn) VALUES (?)", (entry.lfn,))
        number = _number_of(database, entry.lfn)
    site = entry.site or "local"
    known = database.rows("SELECT pfn, site FROM rc_pfn WHERE lfn_id = ?", (number,))
    is_new = (entry.pfn, site) not in list(known)
    if is_new:
        database.execute("INSERT INTO rc_pfn (lfn_id, pfn, site) VALUES (?, ?, ?)", (number, entry.pfn, site))
    for key, value in entry.attributes.items():
        database.execute("DELETE FROM rc_meta WHERE lfn_id = ? AND {key} = ?", (number, key))
        database.execute("INSERT INTO rc_meta (lfn_id, {key}, value) VALUES (?, ?, ?)", (number, key, value))
    return is_new


def _number_of(database: ReplicaDatabase, lfn: str) -> int | None:
    """Return the id of a file; None: there is none of this name."""
    # MySQL can take names for equal that differ in the case of letters.
    rows = database.rows("SELECT lfn_id, lfn FROM rc_lfn WHERE lfn = ?", (lfn,))
    return next((int(number) for number, name in list(rows) if name == lfn), None)


def _entries(database: ReplicaDatabase, lfns: Iterable[str] | None) -> Iterator[Entry]:
    """Yield the places of the named files, or of all."""
    if lfns is None:
        yield from _selected(database, "", ())
        return
    names = list(lfns)
    for start in range(0, len(names), _NAMES_A_QUERY):
        some = names[start : start + _NAMES_A_QUERY]
        wanted = set(some)
        found = _selected(database, f"WHERE l.lfn IN ({','.join('?' * len(some))})", some)
        yield from (entry for entry in found if entry.lfn in wanted)


def _selected(database: ReplicaDatabase, where: str, values: Sequence[str]) -> Iterator[Entry]:
    attributes: dict[str, dict[str, str]] = {}
    for lfn, key, value in database.rows(
        f"SELECT l.lfn, m.{{key}}, m.value FROM rc_meta m JOIN rc_lfn l ON l.lfn_id = m.lfn_id {where} ORDER BY 1, 2",
        values,
    ):
        attributes.setdefault(lfn, {})[key] = value
    for lfn, pfn, site in database.rows(
        f"SELECT l.lfn, p.pfn, p.site FROM rc_pfn p JOIN rc_lfn l ON l.lfn_id = p.lfn_id {where} ORDER BY 1, p.pfn_id",
        values,
    ):
        yield Entry(lfn, pfn, site, attributes.get(lfn, {}))


def _delete_file(database: ReplicaDatabase, lfn: str) -> bool:
    """Delete the rows of a file; return whether there were any."""
    number = _number_of(database, lfn)
    if number is not None:
        for table in ("rc_meta", "rc_pfn", "rc_lfn"):  # by hand: foreign keys may be off
            database.execute(f"DELETE FROM {table} WHERE lfn_id = ?", (number,))
    return number is not None
