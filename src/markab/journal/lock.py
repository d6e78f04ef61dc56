"""One engine a run: an advisory lock on the file `lock`, which names the process that holds it."""

from __future__ import annotations

import fcntl
import os
import shlex
import time
from pathlib import Path

from markab.errors import NotARun, RunBusy, StorageError
from markab.transfers.beneath import open_regular

ATTEMPTS = 10
_LONGEST_BYTES = 1000
PAUSE_S = 0.02
"""A process that only checks for an engine takes the lock too, for microseconds: so try for 0.2 s."""


class RunLock:
    """The lock of one submit directory, taken by `take` and held until `release` or the process ends.

    `flock` belongs to the open file, which children do not inherit; the kernel
    releases it when the process ends, however it ends. On NFS, Linux turns it
    into a lock at the server. The file's text is `PID HOST`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def take(self) -> None:
        """Take the lock.

        Raises:
            RunBusy: an engine has it; the error names it.
            StorageError: the file cannot be written.
        """
        try:
            descriptor = open_regular(str(self.path), os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:
            raise NotARun(f"{str(self.path.parent)!r} is not a submit directory") from None
        except OSError as error:
            raise StorageError(f"cannot write {str(self.path)!r}: {error.strerror}") from error
        try:
            if not try_lock(descriptor):
                raise self._busy()
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {os.uname().nodename}\n".encode(), 0)
        except OSError as error:
            os.close(descriptor)
            raise StorageError(f"cannot lock {str(self.path)!r}: {error.strerror}") from error
        except RunBusy:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Release it; may be called twice. The file stays: removing it would race with the next engine."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> RunLock:
        self.take()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _busy(self) -> RunBusy:
        pid, host = read_holder(self.path)
        run = shlex.quote(str(self.path.parent))
        return RunBusy(
            f"{str(self.path.parent)!r} is being run by process {pid} on {host}",
            hint=f"watch it with `markab status {run}`; "
            f"stop it with `markab halt {run}` or `markab remove {run}`",
        )


def read_holder(path: Path) -> tuple[int, str]:
    """Return the pid and host in a lock file; (0, "?") when it has none."""
    with open(path, "rb", opener=open_regular) as file:
        words = file.read(_LONGEST_BYTES).decode(errors="replace").split()
    return (int(words[0]), words[1]) if len(words) == 2 and words[0].isdecimal() else (0, "?")


def holder(path: Path) -> int | None:
    """Return the pid of the engine that holds the lock, or None when it is free.

    Works also for another user's file that may not be opened: then the kernel's list
    of locks is read, which has the engines on this machine.
    """
    try:
        descriptor = open_regular(str(path), os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError:
        return _listed_holder(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return read_holder(path)[0]
    finally:
        os.close(descriptor)
    return None


def _listed_holder(path: Path) -> int | None:
    """Return the pid that holds a lock in Linux' list of all locks: `1: FLOCK ADVISORY WRITE <pid> <device>:<inode> …`."""
    try:
        known = os.stat(path)
        listed = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    file = f"{os.major(known.st_dev):02x}:{os.minor(known.st_dev):02x}:{known.st_ino}"
    for line in listed:
        words = line.split()
        if words[1:2] == ["FLOCK"] and words[5:6] == [file]:
            return max(0, int(words[4]))
    return None


def try_lock(descriptor: int) -> bool:
    """Lock an open file; return False if another process has it. Raises OSError."""
    for _ in range(ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(PAUSE_S)
    return False
