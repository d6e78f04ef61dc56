"""Of the journal's records, what the web page of a run needs; `journal/records.py` describes them all.

What nobody measured may be null, as in `provenance/records.py`.
"""

from __future__ import annotations

import msgspec

from markab.journal.history import Happening, Verdict


class Invocation(msgspec.Struct, gc=False):
    """Of a process: what it used."""

    duration_s: float = 0.0
    utime_s: float | None = None
    stime_s: float = 0.0
    maxrss_kb: int | None = None


class MadeFile(msgspec.Struct, gc=False):
    """A file that a job made."""

    lfn: str
    size: int | None = None
    sha256: str | None = None


class MovedFile(msgspec.Struct, gc=False):
    """A file that a job moved."""

    lfn: str
    source: str = ""
    destination: str = ""
    bytes: int | None = None
    sha256: str | None = None


class Checked(msgspec.Struct, gc=False):
    """Inputs whose checksum was verified."""

    count: int = 0
    failed: int = 0


class Trouble(msgspec.Struct, gc=False):
    """Why an attempt did not succeed."""

    kind: str = ""


class Record(Verdict):
    """Of a worker's record, what the page needs."""

    host: str = ""
    start: float | None = None
    end: float | None = None
    invocations: list[Invocation] = msgspec.field(default_factory=list)
    outputs: list[MadeFile] = msgspec.field(default_factory=list)
    transfers: list[MovedFile] = msgspec.field(default_factory=list)
    checked: Checked | None = None
    error: Trouble | None = None


class Entry(Happening):
    """A record of the journal."""

    record: Record | None = None
