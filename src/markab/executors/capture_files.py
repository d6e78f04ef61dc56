"""Files that catch what tasks print, kept for one attempt after the other."""

from __future__ import annotations

from markab.worker.captured_output import Capture

Pair = tuple[Capture, Capture]
"""For stdout and stderr."""


class Captures:
    """Pairs of capture files: two new ones for each attempt would cost more than many a task.

    A pair goes to the next attempt only if no process can write into it any more.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._free: list[Pair] = []

    def take(self) -> Pair:
        """Return a pair, empty. Raises OSError when no file can be made."""
        if self._free:
            return self._free.pop()
        out = Capture(self._directory)
        try:
            return out, Capture(self._directory)
        except OSError:
            out.close()
            raise

    def give_back(self, pair: Pair, is_ours: bool) -> None:
        """Keep a pair for the next attempt, or drop it when a process may still write into it."""
        for capture in pair:
            if is_ours:
                capture.empty()
            else:
                capture.close()
        if is_ours:
            self._free.append(pair)

    def close(self) -> None:
        """Drop all. May be called twice."""
        while self._free:
            for capture in self._free.pop():
                capture.close()
