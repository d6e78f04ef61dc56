"""Reading the journal of a run from the outside, from a byte on, while an engine may write it.

The engine's own reader cuts a torn end off. This one changes nothing: what is
not a whole line yet is not there yet.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from markab.errors import CorruptJournal, StorageError

CHUNK_BYTES = 1 << 18


Line = tuple[int, int, bytes]
"""A committed record: where its line begins, how long that is with its line end, and what it says."""


def read_lines(path: Path, offset: int = 0) -> Iterator[Line]:
    """Yield the records committed at or after byte `offset`, which must begin a line.

    Nothing at all when there is no journal yet.

    Raises:
        CorruptJournal: a record fails its checksum.
        StorageError: the file cannot be read.
    """
    crc32 = zlib.crc32
    try:
        with open(path, "rb", buffering=0) as file:
            file.seek(offset)
            rest = b""
            while chunk := file.read(CHUNK_BYTES):
                lines = (rest + chunk).split(b"\n")
                rest = lines.pop()
                for line in lines:
                    body = line[9:]
                    if line[:9] != b"%08x " % crc32(body):
                        if b"\0" in line:  # a power loss left it torn; the next engine cuts it off
                            return
                        raise CorruptJournal(
                            f"{str(path)!r}, byte {offset}: the record fails its checksum",
                            hint=f"`markab run {path.parent}` says how to keep what is sound",
                        )
                    length = len(line) + 1
                    yield offset, length, body
                    offset += length
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"cannot read {str(path)!r}: {error.strerror}") from error


def mark_of(line: Line) -> str:
    """Return a short text by which the line is known again: its length and its checksum."""
    _, length, body = line
    return f"{length} {zlib.crc32(body):08x}"


def is_still_there(path: Path, offset: int, mark: str) -> bool:
    """Say whether the line that ends at byte `offset` is the one that `mark` was made of.

    It is not when the journal was cut (by hand, or by a power loss before it was
    flushed) after somebody had read it, or when it is another run's.
    """
    if not offset:
        return True
    length, _, checksum = mark.partition(" ")
    try:
        with open(path, "rb") as file:
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
        with open(path, "rb") as file:
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
    """Return what the last whole line of a journal says; nothing when there is none. Verifies no checksum."""
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
