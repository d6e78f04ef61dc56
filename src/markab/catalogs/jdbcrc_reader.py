"""Replica catalogs in SQLite files (Pegasus calls them JDBCRC): which file the properties mean, and what is in it.

The tables are those that `worker/replica_registration.py` writes: so what one run has
registered is a catalog for the next.
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from markab.errors import DocumentError, Problem, StorageError
from markab.spec.catalog_checks import check_replicas
from markab.spec.model import Checksum, Pfn, Replica, ReplicaCatalog
from markab.spec.properties import Properties

KIND = "pegasus.catalog.replica"
OUTPUT = "pegasus.catalog.replica.output"
PATIENCE_S = 60.0
_URL = "jdbc:sqlite:"


def sqlite_file(properties: Properties, key: str, directory: Path) -> Path:
    """Return the SQLite file of the catalog that `key` says is of kind JDBCRC.

    Raises:
        DocumentError: `<key>.db.url` names none.
    """
    name = f"{key}.db.url"
    url = properties.get(name, "")
    if not url.startswith(_URL) or url == _URL:
        # The address itself is not shown: that of a server may hold a password.
        raise DocumentError(
            Problem(
                f"property {name!r} must name an SQLite file",
                f"set {name}={_URL}/path/to/file.db",
                kind="bad-property",
            )
        )
    return directory / url.removeprefix(_URL)


def output_catalog(properties: Properties, directory: Path) -> Path | None:
    """Return the file in which results are to be registered; None: the usual one, in the submit directory.

    Raises:
        DocumentError: the properties ask for something that cannot be written.
    """
    if properties.get(OUTPUT, "JDBCRC").strip().upper() != "JDBCRC":
        hint = f"set it to JDBCRC; or remove it, and `markab replica` can read {'<workflow>-0.replicas.db'!r}"
        raise DocumentError(
            properties.problem(OUTPUT, "results are registered in an SQLite file, JDBCRC", hint)
        )
    if f"{OUTPUT}.db.url" not in properties:
        return None
    return sqlite_file(properties, OUTPUT, directory)


def read_replica_tables(path: str | os.PathLike[str], *, absolute_lfns: bool = False) -> ReplicaCatalog:
    """Read a replica catalog out of an SQLite file.

    Raises:
        DocumentError: with all entries that are wrong.
        StorageError: it cannot be read, or is no replica catalog.
    """
    try:
        import sqlite3
    except ImportError as error:
        raise StorageError(
            f"cannot read the replica catalog {os.fspath(path)!r}: this Python was made without SQLite ({error})",
            hint=f"run Markab with a Python that has it, or with {KIND}=YAML or File and a catalog of that kind",
        ) from error
    name = os.fspath(path)
    if not os.path.exists(name):
        raise StorageError(f"there is no replica catalog {name!r}", hint="check the name in its property")
    found: dict[str, Replica] = {}
    problems: list[Problem] = []
    try:
        address = f"file:{quote(os.path.abspath(name))}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE_S)) as connection:
            for pfn_id, lfn_id, lfn, pfn, site in connection.execute(
                "SELECT pfn_id, lfn_id, lfn, pfn, site FROM rc_pfn JOIN rc_lfn USING (lfn_id) ORDER BY pfn_id"
            ):
                site = "local" if site is None else site
                if type(lfn) is type(pfn) is type(site) is str:
                    found.setdefault(lfn, Replica(lfn, [])).pfns.append(Pfn(site or "local", pfn))
                else:
                    problems += _no_text(name, f"rc_lfn, lfn_id {lfn_id}", lfn=lfn)
                    problems += _no_text(name, f"rc_pfn, pfn_id {pfn_id}", pfn=pfn, site=site)
            for lfn_id, lfn, key, value in connection.execute(
                "SELECT lfn_id, lfn, key, value FROM rc_meta JOIN rc_lfn USING (lfn_id) ORDER BY lfn_id, key"
            ):
                if lfn not in found:
                    continue
                value = str(value) if type(value) in (int, float) else value
                if type(key) is type(value) is str:
                    found[lfn].metadata[key] = value
                else:
                    problems += _no_text(name, f"rc_meta, lfn_id {lfn_id}", key=key, value=value)
    except sqlite3.Error as error:
        raise StorageError(
            f"cannot read the replica catalog {name!r}: {error}",
            hint="see that it is an SQLite file with the tables rc_lfn, rc_pfn and rc_meta",
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


def _no_text(file: str, row: str, **columns: object) -> list[Problem]:
    """Return a problem for each value that is no text: SQLite keeps what it was given, whatever the column is."""
    return [
        Problem(
            f"in table {row}: {column} is {'missing' if value is None else repr(value) + ', no text'}",
            "delete the row, and say it anew with `markab replica add`",
            file,
            kind="bad-value",
        )
        for column, value in columns.items()
        if not isinstance(value, str)
    ]
