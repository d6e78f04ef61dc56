"""The n-th I/O call of a process is its last, or fails: for every Python that has this folder on PYTHONPATH.

`MARKAB_FAULT` says which: `<process> <n> <action>`. The process is `engine`, `planner`, `follower` or
`worker`, known by its command line; calls are counted from 1. Actions:

    kill-before, kill-after   SIGKILL, before the call or as soon as it has had its effect
    kill-half                 SIGKILL; of a write, half of the bytes were written
    full                      this call and all later ones that need room fail with ENOSPC
    broken                    this call alone fails with EIO

When it strikes, the call's name is written into the file `MARKAB_FAULT_STRUCK`.
"""

import errno
import os
import signal
import stat
import sys
import threading

_CALLS = ("write", "writev", "fsync", "fdatasync", "ftruncate", "truncate", "rename", "replace", "unlink", "remove",
          "mkdir", "rmdir", "link", "symlink", "sendfile", "copy_file_range", "posix_fallocate", "utime", "chmod",
          "fchmod")  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_NEED_ROOM = {
    "write",
    "writev",
    "mkdir",
    "link",
    "symlink",
    "sendfile",
    "copy_file_range",
    "posix_fallocate",
    "open",
}
_NEED_ROOM |= {"rename", "replace"}


def process_name(words: list[str]) -> str:
    """Return which of Markab's processes has this command line; "" for others."""
    line = " ".join(words)
    if "provenance.follower" in line:
        return "follower"
    if "-m markab plan" in line:
        return "planner"
    if "-m markab run" in line:
        return "engine"
    return "worker" if "worker" in os.path.basename(words[1] if len(words) > 1 else "") else ""


class Faults:
    """Counts the calls of this process, and strikes once."""

    def __init__(self, at: int, action: str) -> None:
        self.at, self.action = at, action
        self.count = 0
        self.lock = threading.Lock()

    def hook(self, event: str, details: tuple[object, ...]) -> None:
        """Count the opening of files for writing, by Python's own files too."""
        writes = event == "open" and isinstance(details[2], int) and details[2] & _WRITING
        if writes and not str(details[0]).startswith(("/dev/", "/proc/", os.environ["MARKAB_FAULT_STRUCK"])):
            self.around("open", lambda: None, ())

    def wrap(self, name: str) -> None:
        """Count a function of `os`."""
        call = getattr(os, name)

        def counted(*arguments, **keys):  # type: ignore[no-untyped-def]
            return self.around(name, lambda: call(*arguments, **keys), arguments)

        setattr(os, name, counted)

    def around(self, name: str, call, arguments):  # type: ignore[no-untyped-def]
        """Make the call, or strike."""
        with self.lock:
            self.count += 1
            is_now, is_later = self.count == self.at, self.count > self.at
        if self.action == "full" and (is_now or is_later) and needs_room(name, arguments):
            if is_now or not os.path.exists(os.environ["MARKAB_FAULT_STRUCK"]):
                note(name)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if not is_now or self.action == "full":
            return call()
        note(name)
        if self.action == "broken":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self.action == "kill-half" and name == "write":
            REAL_WRITE(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
        try:
            if self.action == "kill-after":
                call()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()
        return None


def needs_room(name: str, arguments: tuple[object, ...]) -> bool:
    """Return whether a full disk makes this call fail: pipes and sockets have room."""
    if name == "write":
        return stat.S_ISREG(os.fstat(arguments[0]).st_mode)  # type: ignore[arg-type]
    return name in _NEED_ROOM


def note(name: str) -> None:
    """Record that it struck; with calls that are not counted."""
    descriptor = REAL_OPEN(os.environ["MARKAB_FAULT_STRUCK"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    REAL_WRITE(descriptor, name.encode())
    os.close(descriptor)


REAL_WRITE, REAL_OPEN = os.write, os.open

if wanted := os.environ.get("MARKAB_FAULT"):
    process, number, action = wanted.split()
    if process_name(sys.orig_argv) == process:
        faults = Faults(int(number), action)
        for name in _CALLS:
            faults.wrap(name)
        sys.addaudithook(faults.hook)
