"""The processes that tasks leave behind: adopted by the engine, ended with their task.

A task that forks a daemon ends when its own process does. On Linux the engine becomes the
parent of what is left (a "child subreaper"), so that it can be found and ended, though it
may have left its group and session. Elsewhere only the task's process group is ended.

Children that the engine starts for itself must stay in the engine's process group, or
be told to `spare`: dead ones in other groups are taken for what tasks left.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Collection

from markab.executors.watchdog import ATTEMPT, has_engine, read_environ

_PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>
_PATIENCE_S = 1.0


class Family:
    """All children of this program; `spared` are none of a task's."""

    def __init__(self, engine_number: str) -> None:
        self.spared: set[int] = set()
        self._is_ours = has_engine(engine_number)
        self._children = -1
        self._nameless: dict[int, set[int]] = {}

    def adopt(self, yes: bool) -> None:
        """Begin, or end, to become the parent of what tasks leave behind. No-op elsewhere than on Linux."""
        if self._children >= 0:
            os.close(self._children)
            self._children = -1
        try:
            prctl = ctypes.CDLL(None).prctl
        except AttributeError:
            return
        prctl(_PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0)
        if yes:
            try:
                # The kernel hands orphans to the first thread. An open file is read again much faster.
                self._children = os.open(
                    f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY | os.O_CLOEXEC
                )
            except OSError:
                self._children = -1  # a kernel without CONFIG_PROC_CHILDREN

    def end_leftovers(self, tasks: Collection[int], is_running: Callable[[str], bool]) -> bool:
        """Kill and reap what ended tasks left; return whether there was, or is, anything.

        Args:
            tasks: pids of the tasks that still run, and are left alone with their offspring.
            is_running: says of an attempt's key, `<uuid>/<job>/<attempt>`, whether it still runs.
        """
        found = False
        # Each round may orphan the children of what it killed.
        for _ in range(1000):
            strangers = [pid for pid in self._read_children() if pid not in tasks and pid not in self.spared]
            if not strangers:
                break
            ends = [self._end(pid, tasks, is_running) for pid in strangers]
            found = found or any(end is not None for end in ends)
            if True not in ends:
                break
        return found

    def _read_children(self) -> list[int]:
        if self._children < 0:
            return []
        return [int(word) for word in os.pread(self._children, 1 << 16, 0).split()]

    def _end(self, pid: int, tasks: Collection[int], is_running: Callable[[str], bool]) -> bool | None:
        """Kill and reap a process of a task that has ended; return whether it is gone. None: it is no task's."""
        environ = read_environ(pid)
        if len(environ) <= 2:
            return self._end_nameless(pid, tasks)
        if not self._is_ours(environ):
            return None
        key = environ.partition(f"\0{ATTEMPT}=".encode())[2].partition(b"\0")[0]
        return not is_running(os.fsdecode(key)) and _kill(pid)

    def _end_nameless(self, pid: int, tasks: Collection[int]) -> bool | None:
        """Deal with a process without environment: it is dead, or threw it away, or is just changing programs.

        Which task it is of is unknown: it may live as long as one that ran when it was first seen.
        """
        try:
            if os.getpgid(pid) == os.getpgrp():
                return None
            if os.waitpid(pid, os.WNOHANG)[0]:
                self._nameless.pop(pid, None)
                return True
        except (ProcessLookupError, ChildProcessError):
            return None  # reaped by whoever started it
        suspects = self._nameless.setdefault(pid, set(tasks))
        suspects.intersection_update(tasks)
        if suspects:
            return False
        del self._nameless[pid]
        return _kill(pid)


def _kill(pid: int) -> bool:
    os.kill(pid, signal.SIGKILL)
    give_up = time.monotonic() + _PATIENCE_S
    while time.monotonic() < give_up:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        time.sleep(0.0005)
    return False  # it hangs in the kernel; its end will be seen another time
