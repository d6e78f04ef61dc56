"""`request.json` and `finished.json`: what a plan was made from, and what its run left, so that both can be compared with what is there later.

A *request* is one call of the planner: a document, options, and the environment. If all that it read is as it was, and so are
all results, planning it again would leave out every task; then it need not be planned. Both files are JSON; a missing or
damaged one means that it is planned, and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from markab.plan.atomic_file import read_regular, replacing
from markab.reuse.file_witness import FileWitness


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """`request.json`, written by the planner if all that it read can be compared later."""

    key: str
    """The sha256 of options and environment (`planner/request_key.py`)."""
    workflow: str
    tasks: int
    """All tasks that it needs."""
    planned: int
    """Those of them that were not left out."""
    variables: list[str] = []
    """The variables of the environment that documents have."""
    variables_sha256: str = ""
    """Of their values, which may be secret."""
    absent: list[str] = []
    """Paths at which nothing was, though it would have been used."""
    documents: list[FileWitness] = []
    """Their content is told by their digests (`spec/document_digest.py`)."""
    files: list[FileWitness] = []
    """Programs and inputs."""
    runs: list[str] = []
    """UUIDs of the runs that made what left out tasks make."""
    results: list[FileWitness] = []
    """The results of left out tasks that were in place."""
    awaited: list[str] = []
    """The paths at which the run is to deliver all others."""
    outputs: list[str] = []
    """Where results are delivered, as people read it."""


class FinishedRun(msgspec.Struct, frozen=True, omit_defaults=True):
    """`finished.json`, written by the engine if it succeeded and all that it made is in the index of results."""

    key: str
    """Of its request."""
    run: str
    """UUID."""
    runs: list[str] = []
    """UUIDs of the runs that made what its own tasks make; usually itself."""
    results: list[FileWitness] = []
    """Those that it delivered."""


T = TypeVar("T", Request, FinishedRun)


def write_request_file(path: Path, content: Request | FinishedRun) -> None:
    """Write the file, whole or not at all; paths that are not Unicode cannot be noted, and then there is none.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        data = msgspec.json.encode(content)
    except UnicodeEncodeError:
        return
    with replacing(path) as file:
        file.write(data)


def read_request_file(path: Path, kind: type[T]) -> T | None:
    """Return what the file has; None if it is missing or damaged."""
    try:
        return msgspec.json.decode(read_regular(path), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
