"""Reading replica catalogs in SQLite files (Pegasus' JDBCRC).

The tables are those that `worker/replica_registration.py` writes, so the outputs that one
run registered are a catalog for the next.
"""

from __future__ import annotations

import os
from contextlib import closing
from urllib.parse import quote

from markab.catalogs.replica_properties import KIND
from markab.errors import DocumentError, Problem, StorageError
from markab.spec.catalog_checks import check_replicas
from markab.spec.model import Checksum, Pfn, Replica, ReplicaCatalog

LOCK_TIMEOUT_S = 60.0


def read_replica_tables(path: str | os.PathLike[str], *, absolute_lfns: bool = False) -> ReplicaCatalog:
    """Read a replica catalog out of an SQLite file.

    Raises:
        DocumentError: with all invalid entries.
        StorageError: it cannot be read, or is not a replica catalog.
    """
    try:
        import sqlite3
    except ImportError as error:
        raise StorageError(
            f"cannot read the replica catalog {os.fspath(path)!r}: this Python has no SQLite ({error})",
            hint=f"run Markab with a Python that has it, or with {KIND}=YAML or File and a catalog of that kind",
        ) from error
    name = os.fspath(path)
    if not os.path.exists(name):
        raise StorageError(f"there is no replica catalog {name!r}", hint="check the name in its property")
    if not os.path.isfile(name):  # SQLite waits for the other end of a FIFO
        raise StorageError(
            f"the replica catalog {name!r} is not a file", hint="check the name in its property"
        )
    found: dict[str, Replica] = {}
    problems: list[Problem] = []
    try:
        address = f"file:{quote(os.path.abspath(name))}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=LOCK_TIMEOUT_S)) as connection:
            for pfn_id, lfn_id, lfn, pfn, site in connection.execute(
                "SELECT pfn_id, lfn_id, lfn, pfn, site FROM rc_pfn JOIN rc_lfn USING (lfn_id) ORDER BY pfn_id"
            ):
                site = "local" if site is None else site
                if type(lfn) is type(pfn) is type(site) is str:
                    found.setdefault(lfn, Replica(lfn, [])).pfns.append(Pfn(site or "local", pfn))
                else:
                    problems += _not_text(name, f"rc_lfn, lfn_id {lfn_id}", lfn=lfn)
                    problems += _not_text(name, f"rc_pfn, pfn_id {pfn_id}", pfn=pfn, site=site)
            for lfn_id, lfn, key, value in connection.execute(
                "SELECT lfn_id, lfn, key, value FROM rc_meta JOIN rc_lfn USING (lfn_id) ORDER BY lfn_id, key"
            ):
                if lfn not in found:
                    continue
                value = str(value) if type(value) in (int, float) else value
                if type(key) is type(value) is str:
                    found[lfn].metadata[key] = value
                else:
                    problems += _not_text(name, f"rc_meta, lfn_id {lfn_id}", key=key, value=value)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter in the text of an error, too
        raise StorageError(
            f"cannot read the replica catalog {name!r}: {error}",
            hint="check that it is an SQLite file with the tables rc_lfn, rc_pfn and rc_meta",
        ) from error
    for replica in found.values():
        kind = replica.metadata.pop("checksum.type", "sha256")
        digest = replica.metadata.pop("checksum.value", None)
        if digest is not None and kind.lower() == "sha256":
            replica.checksum = Checksum(digest)
    catalog = ReplicaCatalog(list(found.values()))
    problems += check_replicas(catalog, name, absolute_lfns=absolute_lfns)
    if problems:
        raise DocumentError(*dict.fromkeys(problems))
    return catalog


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
