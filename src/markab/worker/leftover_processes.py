"""The processes that tasks leave behind on a node: they become children of the worker, which ends them."""

import ctypes
import os
import signal
from typing import List, Set

_SET_CHILD_SUBREAPER = 36  # of prctl, Linux 3.4


def adopt_orphans() -> bool:
    """Let processes whose parents end become children of this one; return whether the system can do that."""
    try:
        return int(ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) == 0
    except (OSError, AttributeError):
        return False


def end_leftovers() -> None:
    """Kill all children of this process with their descendants, and wait for them: none of its tasks may be running."""
    spared: Set[int] = set()  # of another user: a program with setuid
    while True:
        children = [pid for pid in _children() if pid not in spared]
        if not children:
            return
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass  # it has just ended
            except PermissionError:
                spared.add(pid)


def _children() -> List[int]:
    """Return the children of this process that are not waited for yet."""
    me, found = os.getpid(), []
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    for name in names:
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name, "rb") as file:
                stat = file.read()
        except OSError:
            continue  # it has just ended
        if int(stat.rpartition(b")")[2].split()[1]) == me:
            found.append(int(name))
    return found
