"""The output of tasks: captured in a file without a name, then put into the record, or shortened into a file.

Nothing here holds more than a block of it in memory, however much a task prints.
"""

import fcntl
import os
import tempfile
from typing import Any, Dict, Iterable, Iterator, List, Set

from markab.transfers.beneath import Beneath

IN_RECORD_BYTES = 4096
KEPT_BYTES = 256 * 1024
KEPT_HALF_BYTES = KEPT_BYTES // 2
"""Of a longer stream, so much of its beginning and of its end."""
CAPTURE_PREFIX = ".capture-"
"""Of the name that a capture file has for a moment; the kernel shows it for the open file ever after."""
_BLOCK_BYTES = 1 << 20


class Capture(object):
    """A file that captures a stream; it has no name, so nothing is left behind when the engine is killed.

    `fd` may be given to many processes, one attempt after the other, with `empty`
    in between: making two files an attempt costs more than many a short task.
    It is open for appending, so that every process writes at the end.
    """

    def __init__(self, directory: str) -> None:
        """Make the file in `directory`. Raises OSError."""
        fd, path = tempfile.mkstemp(prefix=CAPTURE_PREFIX, dir=directory)
        os.unlink(path)
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
        if fd <= 2:
            # A program that closed its own standard streams: stay off the numbers of the task's streams.
            low, fd = fd, fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
            os.close(low)
        self.fd = fd
        self._is_empty = False
        """`size` was called since it was emptied, and nothing was in it. False: perhaps."""

    def size(self) -> int:
        """Return how many bytes were written."""
        size_bytes = os.fstat(self.fd).st_size
        self._is_empty = not size_bytes
        return size_bytes

    def empty(self) -> None:
        """Discard what was written; nothing may be writing since `size` was called."""
        if not self._is_empty:
            os.ftruncate(self.fd, 0)
        self._is_empty = False

    def close(self) -> None:
        """Release the file. May be called twice."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def describe_stream(stream: str, fd: int, directory: str, name: str) -> Dict[str, Any]:
    """Return what a record has of "stdout" or "stderr", which is in the file `fd`; long text goes to the file `name` in `directory`."""
    size_bytes = os.fstat(fd).st_size
    if not size_bytes:
        return {}
    if size_bytes <= IN_RECORD_BYTES:
        return {stream: short_text(fd, size_bytes)}
    try:
        write_shortened(fd, size_bytes, os.path.join(directory, name))
    except OSError as error:
        # The task may have succeeded: lost output must be reported, but is no reason to run it again.
        text = short_text(fd, IN_RECORD_BYTES)
        text += "\n[the rest could not be kept: %s]\n" % error.strerror
        return {stream: text, stream + "_bytes": size_bytes}
    described: Dict[str, Any] = {stream + "_file": name}
    if size_bytes > KEPT_BYTES:
        described[stream + "_bytes"] = size_bytes
    return described


def short_text(fd: int, size_bytes: int) -> str:
    """Return the whole stream as text; what is not UTF-8 is replaced."""
    return os.pread(fd, size_bytes, 0).decode("utf-8", "replace")


def end_of_text(fd: int) -> Dict[str, Any]:
    """Return the end of a file as "text", and as "bytes" how long the file is, if that is more."""
    size_bytes = os.fstat(fd).st_size
    text = os.pread(fd, IN_RECORD_BYTES, max(0, size_bytes - IN_RECORD_BYTES)).decode("utf-8", "replace")
    return {"text": text, "bytes": size_bytes} if size_bytes > IN_RECORD_BYTES else {"text": text}


def write_shortened(fd: int, size_bytes: int, path: str) -> None:
    """Write the stream to `path`: all of it, or its first and last 128 KiB and a line about the rest.

    Raises:
        OSError: `path` cannot be written; a partial file is removed.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        with open(path, "wb") as file:
            if size_bytes <= KEPT_BYTES:
                file.write(os.pread(fd, size_bytes, 0))
            else:
                file.write(os.pread(fd, KEPT_HALF_BYTES, 0))
                file.write(left_out_line(size_bytes - KEPT_BYTES, size_bytes))
                file.write(os.pread(fd, KEPT_HALF_BYTES, size_bytes - KEPT_HALF_BYTES))
    except OSError:
        if os.path.exists(path):
            os.unlink(path)
        raise


def left_out_line(left_out_bytes: int, size_bytes: int) -> bytes:
    """Return the line that stands in place of the middle of a long stream."""
    return b"\n[... %d of %d bytes left out ...]\n" % (left_out_bytes, size_bytes)


def find_messages(messages: Iterable[str], fds: Iterable[int]) -> Set[str]:
    """Return those of `messages` that stand in one of the streams, also across the ends of blocks."""
    encoded = {message: message.encode("utf-8") for message in messages}
    found: Set[str] = set()
    overlap = max([len(text) for text in encoded.values()] or [0]) - 1
    for fd in fds:
        tail = b""
        for block in _blocks(fd):
            text = tail + block
            found.update(message for message, sequence in encoded.items() if sequence in text)
            if len(found) == len(encoded):
                return found
            tail = text[-overlap:] if overlap > 0 else b""
    return found


def _blocks(fd: int) -> Iterator[bytes]:
    offset = 0
    while True:
        block = os.pread(fd, _BLOCK_BYTES, offset)
        if not block:
            return
        offset += len(block)
        yield block


def open_all(directory: Beneath, names: Iterable[str]) -> List[int]:
    """Open those of `names` that are files that can be read; the caller closes them."""
    fds: List[int] = []
    for name in names:
        try:
            fds.append(directory.open(name))
        except OSError:
            continue  # the task removed it: there is nothing to search
    return fds
