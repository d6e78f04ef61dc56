"""The bytes of a document: of a regular file, and not more than a limit."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from markab.errors import DocumentError, Problem, StorageError, quoted
from markab.transfers.beneath import NOT_A_FILE, open_regular

LIMIT_BYTES = 500_000_000
"""Larger documents are rejected unless `pegasus.parser.document.size` allows them."""


class ReadObserver(Protocol):
    """Learns what is read, so that nothing of it can be forgotten."""

    def saw_document(self, name: str, status: os.stat_result, start_ns: int, data: bytes) -> None:
        """Take a document, its status before it was read, when that was in nanoseconds since the epoch, and its content."""
        ...

    def saw_nothing(self, path: str | os.PathLike[str]) -> None:
        """Take the path of a document that does not exist, and would be read."""
        ...

    def saw_other(self) -> None:
        """Learn that something else than a document was read, such as a directory or a database."""
        ...


_observer: ContextVar[ReadObserver | None] = ContextVar("observer", default=None)


@contextmanager
def observed_reads(observer: ReadObserver) -> Iterator[None]:
    """Let `observer` see all that is read in the block."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


def note_missing(path: str | os.PathLike[str]) -> None:
    """Tell the observer that a document would be read if it existed."""
    if (observer := _observer.get()) is not None:
        observer.saw_nothing(path)


def note_other_read() -> None:
    """Tell the observer that something else than a document is read."""
    if (observer := _observer.get()) is not None:
        observer.saw_other()


def read_bytes(path: str | os.PathLike[str], limit_bytes: int = LIMIT_BYTES) -> bytes:
    """Return the content of a document. A FIFO or device in its place is never waited for.

    Raises:
        StorageError: it cannot be read.
        DocumentError: it is larger than `limit_bytes`.
    """
    name = os.fspath(path)
    try:
        with open(name, "rb", opener=open_regular) as file:
            status, start_ns = os.fstat(file.fileno()), time.time_ns()
            size_bytes = status.st_size
            if size_bytes > limit_bytes:
                raise _too_large(name, size_bytes, limit_bytes)
            data = file.read(size_bytes + 1)  # more would be allocated at once
            while size_bytes < len(data) <= limit_bytes and (more := file.read(1 << 20)):
                data += more  # it grows, or does not tell its size, as those of /proc
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from error
    if len(data) > limit_bytes:
        raise _too_large(name, len(data), limit_bytes)
    if (observer := _observer.get()) is not None:
        observer.saw_document(name, status, start_ns, data)
    return data


def _too_large(name: str, size_bytes: int, limit_bytes: int) -> DocumentError:
    message = f"the document has {size_bytes / 1e6:.0f} MB; the limit is {limit_bytes / 1e6:.0f} MB"
    hint = f"allow it with -Dpegasus.parser.document.size={size_bytes // 1_000_000 + 1}"
    return DocumentError(Problem(message, hint, name, 0, "too-large"))


def _unreadable(name: str, error: OSError | ValueError) -> StorageError:
    if isinstance(error, FileNotFoundError):
        folder = os.path.dirname(name) or "."
        hint = "check the name" if os.path.isdir(folder) else f"there is no directory {folder!r}"
        return StorageError(f"there is no file {name!r}", hint)
    if isinstance(error, PermissionError):
        return StorageError(f"no permission to read {name!r}", f"type `chmod u+r {quoted(name)}`")
    if isinstance(error, OSError) and os.path.isdir(name):
        return StorageError(f"{name!r} is a directory, not a document", "name the file in it")
    if isinstance(error, OSError) and error.strerror == NOT_A_FILE:
        hint = "write the document into a file; pipes and devices are not read"
        return StorageError(f"{name!r} is not a file", hint)
    return StorageError(f"{name!r} cannot be read: {error}")
