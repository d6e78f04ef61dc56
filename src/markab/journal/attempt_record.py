"""The worker's record of an attempt as it is read; `worker/record.py` describes what is written.

One declaration in three depths, each a part of the next: whether the attempt
succeeded, which files it made and moved, and all the rest. What is not declared
in the requested depth is skipped, not decoded. What a worker may be unable to
measure can be null.

Measured with 100,000 attempts: of 200,000 records, 0.10 s, 0.14 s and 0.18 s of a
processor; as dicts, 0.27 s.
"""

from __future__ import annotations

import msgspec


class _RecordPart(msgspec.Struct, omit_defaults=True, gc=False):
    """Base of the parts of a record, of which hundreds of thousands are decoded."""


class AttemptError(_RecordPart):
    """Why an attempt failed."""

    kind: str = ""
    message: str = ""
    hint: str | None = None


class Invocation(_RecordPart):
    """One process."""

    task: str = ""
    argv: list[str] = []
    start: float = 0.0
    duration_s: float = 0.0
    status: int = 0
    utime_s: float | None = None
    stime_s: float = 0.0
    maxrss_kb: int | None = None


class ChecksumTally(_RecordPart):
    """How many checksums were made or compared."""

    count: int = 0
    failed: int = 0
    duration_s: float = 0.0


class MadeFile(_RecordPart):
    """An output that is at its destination."""

    lfn: str = ""
    size: int | None = None
    sha256: str | None = None
    checkpoint: bool = False


class MovedFile(_RecordPart):
    """A file that a transfer copied or linked, or that an earlier attempt had moved."""

    lfn: str = ""
    source: str = ""
    destination: str = ""
    bytes: int | None = None
    duration_s: float = 0.0
    sha256: str | None = None
    link: bool | str | None = None
    found: bool = False

    @property
    def moved_bytes(self) -> int:
        """The bytes that this attempt moved."""
        return 0 if self.found else self.bytes or 0


class ReusedFrom(_RecordPart):
    """The job of an earlier run that made the outputs, in place of this attempt."""

    key: str = ""
    run: str = ""
    job: str = ""


class DoneTask(_RecordPart):
    """A task of a job of several that need not run again, though the attempt failed."""

    task: str = ""
    makes: list[str] = []
    """Lfns of what it made; it is among the outputs of the record."""


class AttemptSuccess(_RecordPart):
    """Whether an attempt succeeded."""

    ok: bool = False
    undeclared: list[str] = []


class Products(AttemptSuccess):
    """The verdict, and the files that the attempt made and moved."""

    outputs: list[MadeFile] = []
    transfers: list[MovedFile] = []
    reused: ReusedFrom | None = None
    done: list[DoneTask] = []


class AttemptRecord(Products):
    """The whole record: verdict, files, error, times, processes and output."""

    error: AttemptError | None = None
    host: str = ""
    cwd: str | None = None
    start: float | None = None
    end: float | None = None
    invocations: list[Invocation] = []
    pre: Invocation | None = None
    post: Invocation | None = None
    checked: ChecksumTally | None = None
    hashed: ChecksumTally | None = None
    stdout: str | None = None
    stderr: str | None = None
    stdout_file: str | None = None
    stderr_file: str | None = None
