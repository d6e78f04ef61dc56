"""Registering results in a catalog that a node cannot write: a YAML or text file, or tables on a server.

`main` is a process of its own, started by registration jobs (`worker/replica_registration.py`) with the submit
directory as its argument: it needs what an engine does not import. stdin has a JSON array of places, `{"lfn", "pfn", "site", "attributes"}`; which catalog it is, the properties of
the run say. It prints nothing and exits with 0; or it prints the error and its hint as two lines, and exits with 1.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from markab.catalogs.replica_store import Entry
from markab.catalogs.store_selection import output_store
from markab.errors import MarkabError, StorageError
from markab.spec.properties import Properties, read_properties


def register(submit_dir: Path, entries: Sequence[Entry]) -> None:
    """Write all of `entries` at once; what is there already stays one entry, and new metadata replaces the old.

    Raises:
        DocumentError: the properties name no such catalog, or the file is none.
        StorageError: it cannot be written.
    """
    files = sorted(submit_dir.glob("pegasus.*.properties"))
    if not files:
        raise StorageError(
            f"{str(submit_dir)!r} has no properties, which name the output replica catalog",
            "plan the workflow again",
        )
    properties = Properties()
    read_properties(files[0], properties)
    output_store(properties, submit_dir).insert(entries)


def main() -> int:
    """Run the process that the module describes."""
    try:
        register(Path(sys.argv[1]), msgspec.json.decode(sys.stdin.buffer.read(), type=list[Entry]))
    except MarkabError as error:
        print(" ".join(error.message.split()))
        print(" ".join(error.hint.split()))
        return 1
    return 0
