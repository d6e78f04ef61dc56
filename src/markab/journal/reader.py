"""Reading the journal of a run, from a byte offset, while an engine may write it.

An incomplete line counts as not written. `journal/writer.py` describes the
format, and what a crash can leave of it.
"""

from __future__ import annotations

import os
import shlex
import zlib
from collections.abc import Iterator
from pathlib import Path

from markab.errors import CorruptJournal, StorageError
from markab.transfers.beneath import open_regular

CHUNK_BYTES = 1 << 18
LONGEST_LINE_BYTES = 1 << 28
"""No record is longer; what is, is another file."""

Line = tuple[int, int, bytes]
"""A committed record: where its line begins, how long that is with its line end, and its body."""


class JournalReader:
    """A journal that is read incrementally; keeps the offset up to which it was read. Changes nothing."""

    def __init__(self, path: Path, offset_bytes: int = 0) -> None:
        """Start at a byte offset, which must be the start of a line."""
        self.path = path
        self.offset_bytes = offset_bytes
        """Where the line last yielded ends."""

    def lines(self) -> Iterator[Line]:
        """Yield the records committed since the last call, oldest first; a torn end is left out.

        Nothing at all when there is no journal yet.

        Raises:
            CorruptJournal: a record fails its checksum; names line, byte and remedy.
            StorageError: the file cannot be read.
        """
        crc32, start = zlib.crc32, self.offset_bytes
        try:
            with open(self.path, "rb", buffering=0, opener=open_regular) as file:
                file.seek(start)
                rest: list[bytes] = []
                while chunk := file.read(CHUNK_BYTES):
                    rest.append(chunk)
                    if b"\n" not in chunk:
                        if len(rest) * CHUNK_BYTES > LONGEST_LINE_BYTES:
                            raise self._damaged(start)
                        continue
                    lines = b"".join(rest).split(b"\n")
                    rest = [lines.pop()]
                    for line in lines:
                        body, length = line[9:], len(line) + 1
                        if line[:9] != b"%08x " % crc32(body):
                            if _is_torn(line) and start + length == os.fstat(file.fileno()).st_size:
                                return
                            raise self._damaged(start)
                        self.offset_bytes = start + length
                        yield start, length, body
                        start += length
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(f"cannot read {str(self.path)!r}: {error.strerror}") from error

    def bodies(self) -> Iterator[bytes]:
        """Yield the JSON texts of the records committed since the last call; as `lines`."""
        for _, _, body in self.lines():
            yield body

    def _damaged(self, start: int) -> CorruptJournal:
        with open(self.path, "rb") as file:
            above = iter(lambda: file.read(min(CHUNK_BYTES, start - file.tell())), b"")
            number = 1 + sum(chunk.count(b"\n") for chunk in above)
        return CorruptJournal(
            f"{str(self.path)!r}, line {number} (byte {start}): the record fails its checksum",
            hint="the file was changed or damaged; all above that line is sound. Keep a copy, cut the rest off with "
            f"`truncate -s {start} {shlex.quote(str(self.path))}`, and run again; what came later is done again",
        )


def _is_torn(line: bytes) -> bool:
    """Return whether a crash can have left this as the last line; otherwise it is damage."""
    written, zero, _ = line.partition(b"\0")
    # A whole record before the first zero: its newline was changed, and two records run together.
    return bool(zero) and written[:9] != b"%08x " % zlib.crc32(written[9:])


def mark_of(line: Line) -> str:
    """Return a short text that identifies the line: its length and its checksum."""
    _, length, body = line
    return f"{length} {zlib.crc32(body):08x}"


def is_still_there(path: Path, offset: int, mark: str) -> bool:
    """Return whether the line that ends at byte `offset` is the one that `mark` was made of.

    It is not when the journal was cut (by hand, or by a power loss before it was
    flushed) after it had been read, or when it is another run's.
    """
    if not offset:
        return True
    length, _, checksum = mark.partition(" ")
    try:
        with open(path, "rb", opener=open_regular) as file:
            file.seek(offset - int(length))
            line = file.read(int(length))
    except (OSError, ValueError):
        return False
    return (
        line[-1:] == b"\n" and line[:8] == checksum.encode() and zlib.crc32(line[9:-1]) == int(checksum, 16)
    )


def whole_bytes(path: Path) -> int:
    """Return the length of a journal up to its last line end; 0 when there is none."""
    try:
        with open(path, "rb", opener=open_regular) as file:
            size = file.seek(0, 2)
            while size > 0:
                step = min(size, 1 << 16)
                file.seek(size - step)
                found = file.read(step).rfind(b"\n")
                if found >= 0:
                    return size - step + found + 1
                size -= step
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StorageError(f"cannot read {str(path)!r}: {error.strerror}") from error
    return 0


def last_body(path: Path) -> bytes:
    """Return the body of the last whole line of a journal; empty when there is none. Verifies no checksum."""
    end = whole_bytes(path)
    size = 1 << 12
    while end:
        begin = max(0, end - size)
        with open(path, "rb") as file:
            file.seek(begin)
            lines = file.read(end - 1 - begin)
        newline = lines.rfind(b"\n")
        if newline >= 0 or begin == 0:
            return lines[newline + 10 :]
        size *= 16
    return b""
