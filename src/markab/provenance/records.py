"""What the projection reads of a plan line and of a journal record; all else in them is skipped.

Keys as in `plan/model.py`, `journal/records.py` and `worker/record.py`. Decoding
only these, into structs without garbage collection, is most of the speed.
"""

from __future__ import annotations

import msgspec


class Struct(msgspec.Struct, gc=False):
    """Base of what is decoded in masses."""


# --- the plan ---------------------------------------------------------------


class TaskFacts(Struct):
    """A `PlannedTask`."""

    id: str
    transformation: str
    executable: str
    arguments: str = ""
    metadata: dict[str, str] = {}


class UseFacts(Struct):
    """An `Input` or an `Output`."""

    lfn: str
    sha256: str | None = None
    sources: list[PlaceFacts] = []
    checkpoint: bool = False
    optional: bool = False
    metadata: dict[str, str] = {}


class PlaceFacts(Struct):
    """A `Place`."""

    site: str
    url: str


class TransferFacts(Struct):
    """A `Transfer`."""

    lfn: str
    sources: list[PlaceFacts] = []
    destinations: list[PlaceFacts] = []
    sha256: str | None = None
    size_bytes: int | None = None


class JobFacts(Struct):
    """A `PlannedJob`."""

    id: str
    kind: str
    site: str = ""
    retries: int = 0
    parents: list[int] = []
    tasks: list[TaskFacts] = []
    inputs: list[UseFacts] = []
    outputs: list[UseFacts] = []
    transfers: list[TransferFacts] = []


decode_job = msgspec.json.Decoder(JobFacts).decode

# --- the journal ------------------------------------------------------------


class Error(Struct):
    """Why an attempt failed."""

    kind: str = ""
    message: str = ""


class Invocation(Struct):
    """One process."""

    task: str = ""
    argv: list[str] = []
    start: float = 0.0
    duration_s: float = 0.0
    status: int = 0
    utime_s: float | None = None
    stime_s: float = 0.0
    maxrss_kb: int | None = None


class Tally(Struct):
    """How many checksums were made or compared."""

    count: int = 0
    failed: int = 0
    duration_s: float = 0.0


class MadeFile(Struct):
    """An output that is in place."""

    lfn: str
    size: int | None = None
    sha256: str | None = None


class MovedFile(Struct):
    """A file that a transfer brought."""

    lfn: str = ""
    source: str = ""
    destination: str = ""
    bytes: int | None = None
    duration_s: float = 0.0
    sha256: str | None = None


class Record(Struct):
    """What the worker says of an attempt."""

    ok: bool = False
    error: Error | None = None
    host: str = ""
    cwd: str | None = None
    start: float | None = None
    end: float | None = None
    invocations: list[Invocation] = []
    checked: Tally | None = None
    hashed: Tally | None = None
    outputs: list[MadeFile] = []
    transfers: list[MovedFile] = []
    stdout: str | None = None
    stderr: str | None = None
    stdout_file: str | None = None
    stderr_file: str | None = None


class _Entry(Struct, tag_field="event"):
    time: float


class RunStart(_Entry, tag="run-start"):
    """An engine opened the run."""

    pid: int = 0
    host: str = ""
    restart: int = 0


class Start(_Entry, tag="start"):
    """An attempt is about to be given to an executor."""

    job: int
    id: str
    attempt: int
    site: str


class Running(_Entry, tag="running"):
    """The executor saw it run."""

    job: int
    attempt: int


class End(_Entry, tag="end"):
    """It ended."""

    job: int
    attempt: int
    record: Record


class RunEnd(_Entry, tag="run-end"):
    """The engine is done."""

    outcome: str


class _Other(_Entry):
    pass


class Retry(_Other, tag="retry"):
    """Nothing is projected of it."""


class GiveUp(_Other, tag="give-up"):
    """Nothing is projected of it."""


class Undone(_Other, tag="undone"):
    """Nothing is projected of it: the next attempt of the job tells."""


class Halt(_Other, tag="halt"):
    """Nothing is projected of it."""


class Remove(_Other, tag="remove"):
    """Nothing is projected of it."""


class Interrupt(_Other, tag="interrupt"):
    """Nothing is projected of it."""


Entry = RunStart | Start | Running | End | RunEnd | Retry | GiveUp | Undone | Halt | Remove | Interrupt

decode_entry = msgspec.json.Decoder(Entry).decode
"""JSON text of a record → the record. Raises msgspec.DecodeError for what this Markab does not know."""
