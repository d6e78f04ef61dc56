"""What the tasks of an attempt on this machine write to stdout and stderr, read while they run.

A file that captures output has no name, and goes to another attempt soon after its task has ended
(`capture_files.py`). So it is opened through the process that writes it, and what was read from it counts
only if that process is still there afterwards: a capture is given on only after its process was reaped.
Needs /proc: elsewhere nothing is found.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection

from markab.executors.orphan_processes import find, has_attempt, read_environ
from markab.worker.captured_output import CAPTURE_PREFIX

_DELETED = " (deleted)"


class LiveOutput:
    """A stream of a task that was running when it was found; open for reading."""

    def __init__(self, fd: int, name: str, pid: int, attempt: str) -> None:
        self.name = name
        """The file that the task declared for the stream; "": it is captured."""
        self._fd = fd
        self._pid = pid
        self._is_of_attempt = has_attempt(attempt)

    @property
    def is_alive(self) -> bool:
        """The process through which it was found has not ended."""
        return self._is_of_attempt(read_environ(self._pid))

    def read(self, offset_bytes: int, most_bytes: int) -> bytes:
        """Return what is there; nothing if that is captured, and may be the output of another attempt by now."""
        data = os.pread(self._fd, most_bytes, offset_bytes)
        return data if not data or self.name or self.is_alive else b""

    def size_bytes(self) -> int:
        """Return how long it is now; captured output may be cut, see `read`."""
        return os.fstat(self._fd).st_size

    def close(self) -> None:
        """Close it. May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def find_live_output(attempt: str, number: int, names: Collection[str]) -> LiveOutput | None:
    """Return a stream of an attempt while one of its processes writes it; None: none is found.

    Args:
        attempt: as `worker/attempt_spec.py:attempt_key` makes it.
        number: 1 for stdout, 2 for stderr.
        names: the files that its tasks declare for the stream; what is not captured must be one of them.
    """
    for pid in sorted(find(has_attempt(attempt))):
        fd = _open(f"/proc/{pid}/fd/{number}")
        if fd < 0:
            continue
        name = _name(os.readlink(f"/proc/self/fd/{fd}"), names)
        if name is not None:
            output = LiveOutput(fd, name, pid, attempt)
            if output.is_alive:
                return output
        os.close(fd)
    return None


def _open(link: str) -> int:
    """Open the regular file that a process has open; -1: it is none, has ended, or is another user's."""
    try:
        found = os.open(link, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return -1
    try:
        # What it is is known before it is opened: a device or FIFO must not be.
        if not stat.S_ISREG(os.fstat(found).st_mode):
            return -1
        return os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1
    finally:
        os.close(found)


def _name(path: str, names: Collection[str]) -> str | None:
    """Return which of the declared files an open file is; "" for a capture, None for anything else."""
    if path.endswith(_DELETED) and os.path.basename(path).startswith(CAPTURE_PREFIX):
        return ""
    found = [name for name in names if path.removesuffix(_DELETED).endswith(f"/{name}")]
    return max(found, key=len, default=None)
