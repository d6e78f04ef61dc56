"""Write replicas into the output replica catalog: an SQLite file, or through a process of the submit host.

Tables, as Pegasus has them:

    rc_lfn   lfn_id, lfn                       one row a logical file
    rc_pfn   pfn_id, lfn_id, pfn, site         one row a place of it
    rc_meta  lfn_id, key, value                its metadata; a checksum is
                                               `checksum.type` = sha256 and `checksum.value`,
                                               a size in bytes `size`, if the file is on this machine
"""

import json
import os
import sqlite3
import subprocess
import sys
from typing import Any, Dict, Iterable, Iterator, Mapping, Optional

from markab.errors import MarkabError
from markab.transfers.base import Stop, is_local, path_of
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
_PROGRAM = (
    "import sys; del sys.path[0]; from markab.catalogs.output_registration import main; sys.exit(main())"
)
"""Registers in all other catalogs; a node does not have it. No module of the current directory replaces ours."""
_LOOK_S = 0.5
"""How often it is looked whether the attempt is to end."""
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
            for item in _there(registrations, checksums):
                _register_one(connection, item, checksums.get(item["lfn"]))
            connection.execute("COMMIT")
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise AttemptFailed(
            ErrorKind.STORAGE,
            "cannot write to the replica catalog '%s': %s" % (catalog, error),
            "check that its directory is writable, and that it is an SQLite file",
        ) from error


def register_elsewhere(
    submit_dir: str, registrations: Iterable[Dict[str, Any]], checksums: Mapping[str, str], stop: Stop = None
) -> None:
    """Write `registrations` into the catalog that the properties of a run name, as `register_replicas`.

    Raises:
        AttemptFailed: the catalog cannot be written, or the attempt was ended.
    """
    entries = [
        {
            "lfn": _name(item),
            "pfn": item["pfn"],
            "site": item["site"],
            "attributes": _attributes(item, checksums.get(item["lfn"])),
        }
        for item in _there(registrations, checksums)
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, submit_dir],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said = _ended(process, json.dumps(entries).encode(), stop)
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        message, _, hint = said.decode("utf-8", "replace").strip().partition("\n")
        if "\n" in hint:  # a traceback
            message, hint = said.decode("utf-8", "replace").strip().rpartition("\n")[2], ""
        raise AttemptFailed(ErrorKind.STORAGE, "cannot register the results: %s" % message, hint)


def _ended(process: "subprocess.Popen[bytes]", text: bytes, stop: Stop) -> bytes:
    """Give a process its input and return what it printed."""
    given = text  # type: Optional[bytes]
    waited_s = 0.0
    while waited_s <= 2 * LOCK_TIMEOUT_S:
        try:
            return process.communicate(given, timeout=_LOOK_S)[0]
        except subprocess.TimeoutExpired:
            given = None
        waited_s += _LOOK_S
        if stop is not None and stop.is_set():
            raise AttemptFailed(ErrorKind.CANCELLED, "the registration was ended")
    raise AttemptFailed(ErrorKind.STORAGE, "the replica catalog takes nothing since %d s" % waited_s)


def _there(registrations: Iterable[Dict[str, Any]], checksums: Mapping[str, str]) -> Iterator[Dict[str, Any]]:
    """Yield what is to be registered: optional files that were not made are left out."""
    for item in registrations:
        if checksums.get(item["lfn"]) or not item.get("optional") or _exists(item["pfn"]):
            yield item


def _name(item: Dict[str, Any]) -> str:
    return str(item.get("name") or declared_name(item["lfn"]))


def _exists(pfn: str) -> bool:
    try:
        return is_local(pfn) and os.path.exists(path_of(pfn))
    except MarkabError:
        return False


def _register_one(connection: sqlite3.Connection, item: Dict[str, Any], sha256: Optional[str]) -> None:
    lfn = _name(item)
    connection.execute("INSERT OR IGNORE INTO rc_lfn (lfn) VALUES (?)", (lfn,))
    (lfn_id,) = connection.execute("SELECT lfn_id FROM rc_lfn WHERE lfn = ?", (lfn,)).fetchone()
    connection.execute(
        "INSERT OR IGNORE INTO rc_pfn (lfn_id, pfn, site) VALUES (?, ?, ?)",
        (lfn_id, item["pfn"], item["site"]),
    )
    for key, value in _attributes(item, sha256).items():
        connection.execute(
            "INSERT OR REPLACE INTO rc_meta (lfn_id, key, value) VALUES (?, ?, ?)", (lfn_id, key, value)
        )


def _attributes(item: Dict[str, Any], sha256: Optional[str]) -> Dict[str, str]:
    """Return the metadata of a file, with its size and checksum, as far as they are known."""
    metadata = {key: str(value) for key, value in (item.get("metadata") or {}).items()}
    if is_local(item["pfn"]) and not is_tree(item["lfn"]):
        try:
            metadata["size"] = str(os.stat(path_of(item["pfn"])).st_size)
        except (OSError, MarkabError):
            pass  # it was removed after its delivery: the rest of its metadata still holds
    if sha256:
        metadata["checksum.type"] = "sha256"
        metadata["checksum.value"] = sha256
    return metadata
