"""Replica catalogs in SQLite files (Pegasus calls them JDBCRC): which file the properties mean, and what is in it.

The tables are those that `worker/register.py` writes: so what one run has
registered is a catalog for the next.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from markab.errors import DocumentError, Problem, StorageError
from markab.spec.check_catalogs import check_replicas
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
    name = os.fspath(path)
    if not os.path.exists(name):
        raise StorageError(f"there is no replica catalog {name!r}", hint="check the name in its property")
    found: dict[str, Replica] = {}
    try:
        address = f"file:{quote(os.path.abspath(name))}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE_S)) as connection:
            for lfn, pfn, site in connection.execute(
                "SELECT lfn, pfn, site FROM rc_pfn JOIN rc_lfn USING (lfn_id) ORDER BY pfn_id"
            ):
                found.setdefault(lfn, Replica(lfn, [])).pfns.append(Pfn(site or "local", pfn))
            for lfn, key, value in connection.execute(
                "SELECT lfn, key, value FROM rc_meta JOIN rc_lfn USING (lfn_id) ORDER BY lfn_id, key"
            ):
                if lfn in found:
                    found[lfn].metadata[key] = value
    except sqlite3.Error as error:
        raise StorageError(
            f"cannot read the replica catalog {name!r}: {error}",
            hint="see that it is an SQLite file with the tables rc_lfn, rc_pfn and rc_meta",
        ) from error
    for replica in found.values():
        kind = str(replica.metadata.pop("checksum.type", "sha256"))
        digest = replica.metadata.pop("checksum.value", None)
        if digest is not None and kind.lower() == "sha256":
            replica.checksum = Checksum(str(digest))
    catalog = ReplicaCatalog(list(found.values()))
    if problems := check_replicas(catalog, name, absolute_lfns=absolute_lfns):
        raise DocumentError(*problems)
    return catalog
