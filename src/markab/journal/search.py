"""Records of one kind in a journal, found without decoding the others."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path


def records_of(journal: Path, event: str) -> Iterator[bytes]:
    """Yield the JSON texts of the records of one event, oldest first; none when there is no journal.

    Searching costs a tenth of decoding. What begins a record can stand nowhere
    else: within a text its quotes are escaped.
    """
    begins = b' {"event":"%s"' % event.encode()
    if not journal.exists() or not journal.stat().st_size:
        return
    with open(journal, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = content.find(begins)
        while at >= 0 and (end := content.find(b"\n", at)) >= 0:
            yield content[at:end]
            at = content.find(begins, end)
