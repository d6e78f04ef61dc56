"""Records of one kind, or about one job, found without decoding the others.

Searches for the first bytes of a record: `journal/records.py` declares its keys in
this order, and `tests/journal/test_search.py` tests that every kind is written so.
Searching costs a tenth of decoding. The first bytes of a record can occur nowhere
else: within a text its quotes are escaped.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from markab.journal.reader import JournalReader
from markab.journal.records import EVENTS, AnyRecord, Entry, decode
from markab.transfers.beneath import open_regular

Kind = TypeVar("Kind", bound=AnyRecord)


def beginning(kind: type[AnyRecord]) -> bytes:
    """Return the first bytes of the JSON texts of all records of a kind, and of no others."""
    return b'{"event":"%s"' % EVENTS[kind].encode()


def records_success(body: bytes) -> bool:
    """Return whether the JSON text of a record is of an attempt that succeeded."""
    return b'"ok":true' in body


def records_of(journal: Path, kind: type[Kind]) -> Iterator[Kind]:
    """Yield the records of one kind, oldest first; none when there is no journal. Verifies no checksum."""
    begins = b" " + beginning(kind)
    if not journal.exists() or not journal.stat().st_size:
        return
    with (
        open(journal, "rb", opener=open_regular) as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        at = content.find(begins)
        while at >= 0 and (end := content.find(b"\n", at)) >= 0:
            yield decode(content[at + 1 : end])  # type: ignore[misc]
            at = content.find(begins, end)


def records_about(journal: Path, job: int) -> Iterator[Entry]:
    """Yield the records about one job, oldest first.

    Raises:
        CorruptJournal: the journal is damaged.
    """
    names_it = b'"job":%d,' % job
    for body in JournalReader(journal).bodies():
        if names_it in body and getattr(entry := decode(body), "job", None) == job:
            yield entry
