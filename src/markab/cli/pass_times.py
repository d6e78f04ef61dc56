"""How long each step of the planner took, for `markab plan -v`."""

from __future__ import annotations

import time
from collections.abc import Callable

Listener = Callable[[str, int, int | None], None]
"""What the planner calls with its step, and how much of that is done."""


class PassTimes:
    """Takes the reports of progress of the planner, and hands them on."""

    def __init__(self, progress: Listener | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = progress
        self._clock = clock
        self._step = ""
        self._since = clock()
        self._took_s: dict[str, float] = {}

    def __call__(self, step: str, done: int, total: int | None) -> None:
        """Note the present step of the planner."""
        if step != self._step:
            self._end()
            self._step = step
        if self._progress is not None:
            self._progress(step, done, total)

    def lines(self) -> list[str]:
        """Return a line for each step so far, and their sum."""
        self._end()
        rows = [*self._took_s.items(), ("all", sum(self._took_s.values()))]
        width = max(len(step) for step, _ in rows)
        return [f"{step:<{width}} {took_s:8.3f} s" for step, took_s in rows]

    def _end(self) -> None:
        now = self._clock()
        if self._step:
            self._took_s[self._step] = self._took_s.get(self._step, 0.0) + now - self._since
        self._since = now
