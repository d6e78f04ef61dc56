"""The times of a run, each defined once, for the engine and for every report. Pure.

    elapsed time  from the first start of an engine to the last end of one: what a clock on the wall says
    active time   how long an engine was at work; one that was killed, until its last record
    job time      all attempts together: from when each began to run to its end, while an engine was at work

A run that was stopped and continued has several spans of active time. Waiting while no
engine runs is not caused by the workflow, so it is measured in active time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

import msgspec

from markab.formatting import duration

Span = tuple[float, float]


class RunTimes(msgspec.Struct, frozen=True):
    """The times of a run at one moment, in seconds."""

    elapsed_s: float = 0.0
    active_s: float = 0.0
    job_s: float = 0.0

    def text(self) -> str:
        """Return the elapsed time and, where it differs, the active time."""
        elapsed, active = duration(self.elapsed_s), duration(self.active_s)
        return elapsed if elapsed == active else f"{elapsed} ({active} active)"


class EngineClock:
    """The active time of a run at a moment, from its spans."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._starts = [start for start, _ in spans]
        self._ends = [end for _, end in spans]
        self._before = [0.0, *accumulate(end - start for start, end in spans)]

    @property
    def total_s(self) -> float:
        """Seconds in total."""
        return self._before[-1]

    def at(self, moment: float) -> float:
        """Return the active time before `moment`."""
        span = bisect_right(self._starts, moment) - 1
        if span < 0:
            return 0.0
        return self._before[span] + min(moment, self._ends[span]) - self._starts[span]

    def between(self, start: float, end: float) -> float:
        """Return the active time between two moments."""
        if len(self._starts) == 1:  # nearly always; saves half of the computing time
            return max(0.0, min(end, self._ends[0]) - max(start, self._starts[0]))
        return self.at(end) - self.at(start)


class Timekeeper:
    """Takes what happens to a run, in order, and knows its times."""

    def __init__(self) -> None:
        self._closed: list[Span] = []
        self._opened: float | None = None
        """When the engine that is at work opened the run."""
        self._job_s = 0.0

    def engine_started(self, time: float, last_time: float) -> None:
        """An engine opened the run; if another is at work, it was killed after the record at `last_time`."""
        self.engine_ended(last_time)
        self._opened = time

    def engine_ended(self, time: float) -> None:
        """The engine has ended; nothing changes if none is at work."""
        if self._opened is not None:
            self._closed.append((self._opened, max(self._opened, time)))
            self._opened = None

    def attempt_ended(self, start: float, end: float, *, goes_on: bool) -> None:
        """An attempt that began to run at `start` has ended; `goes_on`: it may run while no engine is at work.

        Others end with their engine, also if the next one records their end.
        """
        if self._opened is not None and start >= self._opened:  # nearly always
            self._job_s += max(0.0, end - start)
        else:
            spans = self.spans(end) if goes_on else self._closed
            self._job_s += EngineClock(spans).between(start, max(start, end))

    def spans(self, until: float) -> list[Span]:
        """Return start and end of each engine's work, oldest first; that of one at work ends at `until`."""
        if self._opened is None:
            return self._closed
        return [*self._closed, (self._opened, max(self._opened, until))]

    def times(self, until: float, running_since: Iterable[float] = ()) -> RunTimes:
        """Return the times; of an engine that is at work, and of the attempts that run, until `until`."""
        spans = self.spans(until)
        if not spans:
            return RunTimes()
        clock = EngineClock(spans)
        running_s = sum(clock.between(start, max(start, until)) for start in running_since)
        return RunTimes(max(0.0, spans[-1][1] - spans[0][0]), clock.total_s, self._job_s + running_s)
