"""Reading replica catalogs in databases (Pegasus' JDBCRC): as a whole, or only the files that a workflow names.

The tables are those that `worker/replica_registration.py` writes, so the outputs that one
run registered are a catalog for the next.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence

from markab.catalogs.replica_database import DatabaseAddress, ReplicaDatabase, opened
from markab.errors import DocumentError, Problem, StorageError
from markab.spec.catalog_checks import check_replicas
from markab.spec.document_file import note_other_read
from markab.spec.gc_pause import without_garbage_collection
from markab.spec.model import Checksum, Pfn, Replica, ReplicaCatalog

_NAMES_A_QUERY = 500
"""SQLite allows at least 999."""
_PLACES = "SELECT p.pfn_id, l.lfn_id, l.lfn, p.pfn, p.site FROM rc_lfn l JOIN rc_pfn p ON p.lfn_id = l.lfn_id"
_METADATA = "SELECT m.lfn_id, m.{key}, m.value FROM rc_meta m"


def read_replica_tables(
    address: DatabaseAddress, names: Collection[str] | None = None, *, absolute_lfns: bool = False
) -> ReplicaCatalog:
    """Read a replica catalog out of a database.

    With `names`, at least these files are read: as a whole only a catalog that has no more files
    than that, so that the time grows with the names, not with the catalog.

    Raises:
        DocumentError: with all invalid entries.
        StorageError: it cannot be read, or is not a replica catalog.
    """
    note_other_read()
    _check_file(address)
    found: dict[str, Replica] = {}
    problems: list[Problem] = []
    with opened(address) as database, without_garbage_collection():
        for where, values in _parts(database, names):
            by_id = _read_places(database, where, values, found, problems, str(address))
            _read_metadata(database, bool(where), by_id, problems, str(address))
    for replica in found.values():
        kind = replica.metadata.pop("checksum.type", "sha256")
        digest = replica.metadata.pop("checksum.value", None)
        if digest is not None and kind.lower() == "sha256":
            replica.checksum = Checksum(digest)
    catalog = ReplicaCatalog(list(found.values()))
    problems += check_replicas(catalog, str(address), absolute_lfns=absolute_lfns)
    if problems:
        raise DocumentError(*dict.fromkeys(problems))
    return catalog


def _check_file(address: DatabaseAddress) -> None:
    if address.kind != "sqlite" or os.path.isfile(address.database):
        return
    hint = "check the name in its property"
    if not os.path.exists(address.database):
        raise StorageError(f"there is no replica catalog {address.database!r}", hint)
    # SQLite waits for the other end of a FIFO.
    raise StorageError(f"the replica catalog {address.database!r} is not a file", hint)


def _parts(database: ReplicaDatabase, names: Collection[str] | None) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the conditions that select all rows, or those of some names."""
    if names is not None:
        last = next(database.rows("SELECT max(lfn_id) FROM rc_lfn"))[0]
        if not isinstance(last, int) or last <= len(names):
            names = None
    if names is None:
        yield "", ()
        return
    ordered = sorted(names)
    for start in range(0, len(ordered), _NAMES_A_QUERY):
        some = ordered[start : start + _NAMES_A_QUERY]
        yield f" WHERE l.lfn IN ({','.join('?' * len(some))})", some


def _read_places(
    database: ReplicaDatabase,
    where: str,
    values: Sequence[str],
    found: dict[str, Replica],
    problems: list[Problem],
    name: str,
) -> dict[object, Replica]:
    """Add the files of a part, each with its places; return them by their ids."""
    by_id: dict[object, Replica] = {}
    for pfn_id, lfn_id, lfn, pfn, site in database.rows(f"{_PLACES}{where} ORDER BY p.pfn_id", values):
        site = "local" if site is None else site
        if type(lfn) is type(pfn) is type(site) is str:
            replica = by_id[lfn_id] = found.setdefault(lfn, Replica(lfn, []))
            replica.pfns.append(Pfn(site or "local", pfn))
        else:
            problems += _not_text(name, f"rc_lfn, lfn_id {lfn_id}", lfn=lfn)
            problems += _not_text(name, f"rc_pfn, pfn_id {pfn_id}", pfn=pfn, site=site)
    return by_id


def _read_metadata(
    database: ReplicaDatabase, is_part: bool, by_id: dict[object, Replica], problems: list[Problem], name: str
) -> None:
    """Add the metadata of files; with `is_part`, no other rows are read."""
    if is_part and not by_id:
        return
    where = f" WHERE m.lfn_id IN ({','.join('?' * len(by_id))})" if is_part else ""
    rows = database.rows(f"{_METADATA}{where} ORDER BY m.lfn_id, m.{{key}}", list(by_id) if is_part else ())
    for lfn_id, key, value in rows:
        if (replica := by_id.get(lfn_id)) is None:
            continue
        value = str(value) if type(value) in (int, float) else value
        if type(key) is type(value) is str:
            replica.metadata[key] = value
        else:
            problems += _not_text(name, f"rc_meta, lfn_id {lfn_id}", key=key, value=value)


def _not_text(file: str, row: str, **columns: object) -> list[Problem]:
    """Return a problem for each value that is not text: SQLite does not enforce column types."""
    return [
        Problem(
            f"in table {row}: {column} is {'missing' if value is None else repr(value) + ', not text'}",
            "delete the row, and add the replica again with `markab replica add`",
            file,
            kind="bad-value",
        )
        for column, value in columns.items()
        if not isinstance(value, str)
    ]
