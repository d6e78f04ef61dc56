"""The fields of a plan line that the projection reads; all others are skipped.

Their names and types are those of `plan/model.py`, which a test compares. Decoding
only these, into structs without garbage collection, is most of the speed.
"""

from __future__ import annotations

import msgspec


class Struct(msgspec.Struct, gc=False):
    """Base of the structs that are decoded in large numbers."""


class TaskFacts(Struct):
    """A `PlannedTask`."""

    id: str
    transformation: str
    executable: str
    arguments: str = ""
    metadata: dict[str, str] = {}


class PlaceFacts(Struct):
    """A `Place`."""

    site: str
    url: str


class UseFacts(Struct):
    """An `Input` or an `Output`."""

    lfn: str
    sha256: str | None = None
    sources: list[PlaceFacts] = []
    checkpoint: bool = False
    optional: bool = False
    metadata: dict[str, str] = {}


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
