"""The processes that tasks leave behind: adopted by the launcher, ended with their task.

A task that forks a daemon ends when its own process does. On Linux the launcher becomes the
parent of what is left (a "child subreaper"), so that it can be found and ended, though it
may have left its group and session. Elsewhere only the task's process group is ended.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Collection

from markab.executors.orphan_processes import ATTEMPT, read_environ

_PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>
_PATIENCE_S = 1.0
_LONGEST_S = 60.0
_MANY = 1 << 16


class Descendants:
    """The children of this process that are no tasks. Makes this process adopt orphans.

    Args:
        is_ours: returns of an environment whether it was inherited from one of our tasks.
    """

    def __init__(self, is_ours: Callable[[bytes], bool]) -> None:
        self._is_ours = is_ours
        self._unmarked: dict[int, set[int]] = {}
        """Process without our variables → the running tasks that may have started it."""
        self._children = -1
        try:
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            # An open file is read again much faster.
            self._children = os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY | os.O_CLOEXEC)
        except (AttributeError, OSError):
            pass  # not Linux, or a kernel without CONFIG_PROC_CHILDREN

    def end(self, ended: int, tasks: Collection[int], is_running: Callable[[str], bool]) -> bool:
        """Kill and reap what ended tasks left; return whether there was, or still is, any process.

        Args:
            ended: pid of the task that has just ended: what is in its group belongs to it.
            tasks: pids of the tasks that still run, and are left alone with their offspring.
            is_running: returns of an attempt's key, `<uuid>/<job>/<attempt>`, whether it still runs.
        """
        if self._children < 0:
            _kill_group(ended)
            return True  # unknown: what left the group is not found here
        found = False
        # Each round may orphan the children of what it killed.
        for _ in range(1000):
            others = [pid for pid in self._read_children() if pid not in tasks]
            if not others:
                break
            ends = [self._end(pid, ended, tasks, is_running) for pid in others]
            found = found or any(end is not None for end in ends)
            if True not in ends:
                break
        return found

    def reaped(self, pid: int) -> None:
        """Drop a process that has ended and was reaped."""
        self._unmarked.pop(pid, None)

    def end_all(self, tasks: Collection[int]) -> None:
        """Kill and reap all children, `tasks` too, for at most a minute."""
        for pid in tasks:
            _kill_group(pid)
        give_up = time.monotonic() + _LONGEST_S
        while time.monotonic() < give_up:
            for pid in self._read_children():
                _signal(pid)
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return  # none is left
            time.sleep(0.0005)

    def _read_children(self) -> list[int]:
        if self._children < 0:
            return []
        return [int(word) for word in os.pread(self._children, _MANY, 0).split()]

    def _end(
        self, pid: int, ended: int, tasks: Collection[int], is_running: Callable[[str], bool]
    ) -> bool | None:
        """Kill and reap a process, unless its task still runs; return whether it has ended.

        None: it may continue, since its task runs.
        """
        if _group_of(pid) == ended:
            return _kill(pid)
        environ = read_environ(pid)
        if not self._is_ours(environ):
            return self._end_unmarked(pid, tasks)
        key = environ.partition(f"\0{ATTEMPT}=".encode())[2].partition(b"\0")[0]
        if is_running(os.fsdecode(key)):
            return None
        return _kill(pid)

    def _end_unmarked(self, pid: int, tasks: Collection[int]) -> bool:
        """End a process without our variables: it is dead, or cleared them, or is in the middle of an exec.

        Its task is unknown: it may run as long as any task that ran when it was first seen.
        """
        if os.waitpid(pid, os.WNOHANG)[0]:
            self._unmarked.pop(pid, None)
            return True
        suspects = self._unmarked.setdefault(pid, set(tasks))
        suspects.intersection_update(tasks)
        if suspects:
            return False
        del self._unmarked[pid]
        return _kill(pid)


def _kill(pid: int) -> bool:
    _signal(pid)
    give_up = time.monotonic() + _PATIENCE_S
    while time.monotonic() < give_up:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        time.sleep(0.0005)
    return False  # it is blocked in the kernel; it will be reaped later


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _kill_group(pid: int) -> bool:
    """Kill what is left of a group; return whether any process was left."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False  # macOS raises the latter for a group in which all have ended
    return True


def _signal(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # it has just ended, or its number is that of another process by now
