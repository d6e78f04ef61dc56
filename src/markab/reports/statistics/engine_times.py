"""The times during which an engine worked on a run, and how much of them lies between two moments. Pure.

A run that was stopped and continued has several spans. Waiting while no engine runs
is not caused by the workflow, so waiting is measured in engine time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

Span = tuple[float, float]


def engine_spans(states: Iterable[tuple[str, float]], signs: Sequence[float], until: float) -> list[Span]:
    """Return the start and end of each engine's work, oldest first.

    Args:
        states: "WORKFLOW_STARTED" and "WORKFLOW_TERMINATED" with their times, in order.
        signs: times of recorded events, ascending; an engine that was killed worked at
            least until the last one before the next engine began.
        until: end of the last span, if it has no recorded end.
    """
    spans: list[Span] = []
    began: float | None = None
    for state, time in states:
        if began is not None:
            ended = time if state == "WORKFLOW_TERMINATED" else max(began, _last_before(signs, time, began))
            spans.append((began, ended))
        began = time if state == "WORKFLOW_STARTED" else None
    if began is not None:
        spans.append((began, max(began, until)))
    return spans


def _last_before(signs: Sequence[float], time: float, default: float) -> float:
    found = bisect_left(signs, time)
    return signs[found - 1] if found else default


class EngineClock:
    """The seconds that engines had worked at a moment."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._starts = [start for start, _ in spans]
        self._ends = [end for _, end in spans]
        self._before = [0.0, *accumulate(end - start for start, end in spans)]

    @property
    def total_s(self) -> float:
        """Seconds in total."""
        return self._before[-1]

    def at(self, moment: float) -> float:
        """Return the seconds of work before `moment`."""
        span = bisect_right(self._starts, moment) - 1
        if span < 0:
            return 0.0
        return self._before[span] + min(moment, self._ends[span]) - self._starts[span]

    def between(self, start: float, end: float) -> float:
        """Return the seconds of work between two moments."""
        if len(self._starts) == 1:  # nearly always; saves half of the computing time
            return max(0.0, min(end, self._ends[0]) - max(start, self._starts[0]))
        return self.at(end) - self.at(start)
