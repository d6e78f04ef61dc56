"""Files that capture the output of tasks, reused from attempt to attempt."""

from __future__ import annotations

import os

from markab.worker.captured_output import Capture

Pair = tuple[Capture, Capture]
"""For stdout and stderr."""


class Captures:
    """Pairs of capture files: two new ones for each attempt would cost more than a short task.

    A pair goes to the next attempt only if no process can write into it any more. Runs whose
    directories are on one file system share them: a run that has ended keeps none open.
    """

    def __init__(self) -> None:
        self._free: dict[str, list[Pair]] = {}
        """Directory → free pairs on its file system: one list for all directories there."""
        self._by_file_system: dict[int, list[Pair]] = {}

    def take(self, directory: str) -> Pair:
        """Return a pair on the file system of a directory, empty. Raises OSError when no file can be made."""
        free = self._free.get(directory)
        if free is None:
            file_system = os.stat(directory).st_dev
            free = self._free[directory] = self._by_file_system.setdefault(file_system, [])
        if free:
            return free.pop()
        out = Capture(directory)
        try:
            return out, Capture(directory)
        except OSError:
            out.close()
            raise

    def give_back(self, pair: Pair, directory: str, is_ours: bool) -> None:
        """Keep a pair for the next attempt, or drop it when a process may still write into it.

        `directory` is the one for which it was taken.
        """
        for capture in pair:
            if is_ours:
                capture.empty()
            else:
                capture.close()
        if is_ours:
            self._free[directory].append(pair)

    def close(self) -> None:
        """Drop all. May be called twice."""
        for free in self._by_file_system.values():
            while free:
                for capture in free.pop():
                    capture.close()
