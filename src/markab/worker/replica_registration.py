"""Write replicas into the output replica catalog, an SQLite file.

Tables, as Pegasus has them:

    rc_lfn   lfn_id, lfn                       one row a logical file
    rc_pfn   pfn_id, lfn_id, pfn, site         one row a place of it
    rc_meta  lfn_id, key, value                its metadata; a checksum is
                                               `checksum.type` = sha256 and `checksum.value`,
                                               a size in bytes `size`, if the file is on this machine
"""

import os
import sqlite3
from typing import Any, Dict, Iterable, Mapping

from markab.errors import MarkabError
from markab.transfers.base import is_local, path_of
from markab.transfers.error_kinds import ErrorKind
from markab.transfers.tree_names import declared_name, is_tree
from markab.worker.failure import AttemptFailed

TABLES = (
    "CREATE TABLE IF NOT EXISTS rc_lfn ("
    "lfn_id INTEGER PRIMARY KEY AUTOINCREMENT, lfn VARCHAR(245) NOT NULL UNIQUE)",
    "CREATE TABLE IF NOT EXISTS rc_pfn (pfn_id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " lfn_id INTEGER NOT NULL REFERENCES rc_lfn(lfn_id) ON DELETE CASCADE,"
    " pfn VARCHAR(245) NOT NULL, site VARCHAR(245), UNIQUE (lfn_id, pfn, site))",
    "CREATE TABLE IF NOT EXISTS rc_meta ("
    "lfn_id INTEGER NOT NULL REFERENCES rc_lfn(lfn_id) ON DELETE CASCADE,"
    " key VARCHAR(245) NOT NULL, value VARCHAR(245) NOT NULL, PRIMARY KEY (lfn_id, key))",
)
LOCK_TIMEOUT_S = 60.0
"""How long to wait while another process writes."""


def register_replicas(
    catalog: str, registrations: Iterable[Dict[str, Any]], checksums: Mapping[str, str]
) -> None:
    """Write all of `registrations` in one transaction; what is there already stays one row.

    An optional file that was not made is left out.

    May be called twice, and by many processes at once. New metadata of a file
    replaces the old.

    Raises:
        AttemptFailed: the file cannot be written, or is no catalog.
    """
    try:
        connection = sqlite3.connect(catalog, timeout=LOCK_TIMEOUT_S, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            for table in TABLES:
                connection.execute(table)
            for item in registrations:
                sha256 = checksums.get(item["lfn"])
                if sha256 or not item.get("optional") or _exists(item["pfn"]):
                    _register_one(connection, item, sha256)
            connection.execute("COMMIT")
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise AttemptFailed(
            ErrorKind.STORAGE,
            "cannot write to the replica catalog '%s': %s" % (catalog, error),
            "check that its directory is writable, and that it is an SQLite file",
        ) from error


def _exists(pfn: str) -> bool:
    try:
        return is_local(pfn) and os.path.exists(path_of(pfn))
    except MarkabError:
        return False


def _register_one(connection: sqlite3.Connection, item: Dict[str, Any], sha256: Any) -> None:
    lfn = declared_name(item["lfn"])
    connection.execute("INSERT OR IGNORE INTO rc_lfn (lfn) VALUES (?)", (lfn,))
    (lfn_id,) = connection.execute("SELECT lfn_id FROM rc_lfn WHERE lfn = ?", (lfn,)).fetchone()
    connection.execute(
        "INSERT OR IGNORE INTO rc_pfn (lfn_id, pfn, site) VALUES (?, ?, ?)",
        (lfn_id, item["pfn"], item["site"]),
    )
    metadata = dict(item.get("metadata") or {})
    if is_local(item["pfn"]) and not is_tree(item["lfn"]):
        try:
            metadata["size"] = os.stat(path_of(item["pfn"])).st_size
        except (OSError, MarkabError):
            pass  # it was removed after its delivery: the rest of its metadata still holds
    if sha256:
        metadata["checksum.type"] = "sha256"
        metadata["checksum.value"] = sha256
    for key, value in metadata.items():
        connection.execute(
            "INSERT OR REPLACE INTO rc_meta (lfn_id, key, value) VALUES (?, ?, ?)", (lfn_id, key, str(value))
        )
