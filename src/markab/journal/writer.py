r"""Writing `journal.jsonl`: all events of a run, in order, and recorded nowhere else.

Format, one record a line: 8 lower-case hex digits of the CRC-32 (zlib) over the
body, a space, the body as compact JSON in UTF-8, and "\n". The newline commits
the record. `journal/records.py` describes the bodies.

Appended by one engine at a time; a written record is never edited. One write a
turn of the engine's loop (`flush`); on disk at most 100 ms later, and always
before anything in it is reported to the user (`sync`).

A crash can only tear the end of the last write: what follows the last newline is
cut off without a warning when the journal is opened. A block that a power loss left
empty may lie before that newline; so a last line with zero bytes is torn too.
Anything else that fails its checksum is damage, and guessing would lose work.
"""

from __future__ import annotations

import os
import shlex
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from markab.errors import RunBusy, StorageError
from markab.journal.lock import try_lock
from markab.journal.reader import JournalReader
from markab.journal.records import AttemptEnd, Entry, cleaned
from markab.transfers.beneath import open_regular

SYNC_EVERY_S = 0.1

_encode = msgspec.json.Encoder().encode


def encode(entry: Entry) -> bytes:
    """Return the line of a record."""
    try:
        body = _encode(entry)
    except (UnicodeError, TypeError, ValueError, OverflowError):
        # Output of a task that is not text, or a number that JSON cannot express: keep what can be kept.
        if not isinstance(entry, AttemptEnd):
            raise
        body = _encode(msgspec.structs.replace(entry, record=cleaned(entry.record)))
    return b"%08x %b\n" % (zlib.crc32(body), body)


class Storage(Protocol):
    """The calls to the system that a journal makes; tests substitute one that fails."""

    def write(self, descriptor: int, data: memoryview, /) -> int: ...  # noqa: D102
    def fdatasync(self, descriptor: int, /) -> None: ...  # noqa: D102
    def ftruncate(self, descriptor: int, length: int, /) -> None: ...  # noqa: D102


class Journal:
    """An open journal. `append` buffers, `flush` writes, `sync` writes and makes it durable."""

    def __init__(
        self, path: Path, descriptor: int, size: int, clock: Callable[[], float], storage: Storage
    ) -> None:
        self.path = path
        self._descriptor = descriptor
        self._size = size
        self._buffer = bytearray()
        self._clock = clock
        self._storage = storage
        self._unsynced = False
        self._synced_at = clock()

    @classmethod
    def open(
        cls,
        path: Path,
        each: Callable[[bytes], Any] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        storage: Storage = os,
    ) -> Journal:
        """Open a journal for appending, or create one; cut off a torn end.

        Args:
            path: the file.
            each: called with the body of every record that is there, oldest first.
            clock: monotonic seconds.
            storage: where the calls to the system go.

        Raises:
            CorruptJournal: a record fails its checksum; names line, byte and remedy.
            RunBusy: another engine writes it.
            StorageError: the file cannot be read or written.
        """
        try:
            descriptor = open_regular(str(path), os.O_RDWR | os.O_CREAT | os.O_APPEND)
        except OSError as error:
            raise StorageError(f"cannot write {str(path)!r}: {error.strerror}") from error
        reader = JournalReader(path)
        try:
            if not try_lock(descriptor):
                raise RunBusy(
                    f"another engine writes {str(path)!r}, and its file 'lock' is gone",
                    hint=f"`fuser -v {shlex.quote(str(path))}` shows its process; let it go on, or end it with `kill`",
                )
            for _, _, body in reader.lines():
                if each is not None:
                    each(body)
            if os.fstat(descriptor).st_size > reader.offset_bytes:
                storage.ftruncate(descriptor, reader.offset_bytes)
        except OSError as error:
            os.close(descriptor)
            raise StorageError(f"cannot read {str(path)!r}: {error.strerror}") from error
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor, reader.offset_bytes, clock, storage)

    @property
    def is_broken(self) -> bool:
        """It can never be written again: after the disk's failure it is unknown what the file contains."""
        return self._descriptor < 0

    @property
    def size_bytes(self) -> int:
        """How long the file is; what is only in the buffer does not count."""
        return self._size

    def append(self, entry: Entry) -> None:
        """Take a record; nothing is written before the next `flush`."""
        self._buffer += encode(entry)

    def flush(self) -> None:
        """Write what was appended, in one call to the system; to disk too if that is due.

        After an error the file is as it was before, and the records are kept:
        calling it again when there is room writes them.

        Raises:
            StorageError: disk full, over quota, input/output error.
        """
        if self._buffer:
            self._write()
        if self._unsynced and self._clock() - self._synced_at >= SYNC_EVERY_S:
            self._sync()

    def sync(self) -> None:
        """Write what was appended and make it survive a power loss.

        Raises:
            StorageError: as `flush`.
        """
        if self._buffer:
            self._write()
        if self._unsynced:
            self._sync()

    def sync_due_s(self) -> float | None:
        """Return in how many seconds to call `flush` even if nothing happens; None: no need."""
        if not self._unsynced:
            return None
        return max(0.0, SYNC_EVERY_S - (self._clock() - self._synced_at))

    def close(self) -> None:
        """Close the file without writing anything more; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self) -> None:
        data = memoryview(bytes(self._buffer))  # a copy: an error that is kept would pin the buffer itself
        written = 0
        try:
            while written < len(data):
                written += self._storage.write(self._descriptor, data[written:])
        except OSError as error:
            self._cut()
            raise StorageError(
                f"cannot write {str(self.path)!r}: {error.strerror or error}",
                hint="make room on its disk; the run goes on as soon as there is some, "
                f"or with `markab run {shlex.quote(str(self.path.parent))}`",
            ) from error
        self._size += written
        self._unsynced = True
        self._buffer.clear()

    def _cut(self) -> None:
        """Cut off what was partly written. Cutting needs no space; if it fails, `open` cuts instead."""
        try:
            self._storage.ftruncate(self._descriptor, self._size)
        except OSError as error:
            # Appending after half a record would damage the journal: never write to it again.
            self.close()
            raise StorageError(
                f"cannot write {str(self.path)!r}, nor take back half a record: {error.strerror or error}",
                hint=f"when the disk works again, continue with `markab run {shlex.quote(str(self.path.parent))}`",
            ) from error

    def _sync(self) -> None:
        try:
            self._storage.fdatasync(self._descriptor)
        except OSError as error:
            # The kernel drops pages that it could not write: success of a second try would mean nothing.
            self.close()
            raise StorageError(
                f"cannot write {str(self.path)!r} to its disk: {error.strerror or error}",
                hint=f"check the disk, then continue with `markab run {shlex.quote(str(self.path.parent))}`",
            ) from error
        if not os.fstat(self._descriptor).st_nlink:
            self.close()
            raise StorageError(
                f"{str(self.path)!r} was deleted while the run went on: nothing can be recorded any more",
                hint="bring the submit directory back and continue with "
                f"`markab run {shlex.quote(str(self.path.parent))}`, or plan the workflow again",
            )
        self._unsynced = False
        self._synced_at = self._clock()
