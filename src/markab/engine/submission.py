"""Handing attempts over to executors: those that stand in the journal and were not handed over yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from markab.engine.clock import Clock
from markab.errors import ExecutorUnavailable
from markab.executors.base import Attempt, Executor

SUBMIT_AGAIN_AFTER_S = 10.0


class Site(NamedTuple):
    """What runs the jobs of a site."""

    executor: Executor
    is_here: bool = True
    """What it is given runs at once; it does not report RUNNING."""


class Submission:
    """The attempts of one run that wait to be handed over, by site."""

    def __init__(self, sites: Mapping[str, Site], clock: Clock, warn: Callable[[str], None]) -> None:
        """Begin with none; `warn` is called when a site takes none at the moment."""
        self._sites = sites
        self._clock = clock
        self._warn = warn
        self._pending: dict[str, list[Attempt]] = {}
        self._not_before_s: dict[str, float] = {}

    def __len__(self) -> int:
        return sum(map(len, self._pending.values()))

    def add(self, attempt: Attempt) -> None:
        """Take an attempt that stands in the journal."""
        self._pending.setdefault(attempt.job.site, []).append(attempt)

    def submit(self) -> Iterator[Attempt]:
        """Hand over what the sites take; yield the attempts that run from now on."""
        for name in list(self._pending):
            if self._clock.monotonic() < self._not_before_s.get(name, 0.0):
                continue
            site, attempts = self._sites[name], self._pending[name]
            try:
                site.executor.submit(attempts)
            except ExecutorUnavailable as error:
                self._warn(f"site {name!r} takes no jobs at the moment: {error}")
                self._not_before_s[name] = self._clock.monotonic() + SUBMIT_AGAIN_AFTER_S
                continue
            del self._pending[name]
            if site.is_here:
                yield from attempts

    def withdraw(self) -> list[Attempt]:
        """Return all attempts that wait, and keep none."""
        attempts = [attempt for pending in self._pending.values() for attempt in pending]
        self._pending.clear()
        return attempts
