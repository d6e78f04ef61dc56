"""Submitting attempts to executors: those that are in the journal and were not submitted yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from markab.engine.clock import Clock
from markab.errors import ExecutorUnavailable
from markab.executors.base import Attempt, Executor

SUBMIT_AGAIN_AFTER_S = 10.0


class SiteExecutor(NamedTuple):
    """The executor of the jobs of a site."""

    executor: Executor
    is_here: bool = True
    """Its attempts run at once; it does not report RUNNING."""


class Submission:
    """The attempts of one run that wait to be submitted, by site."""

    def __init__(self, sites: Mapping[str, SiteExecutor], clock: Clock, warn: Callable[[str], None]) -> None:
        """Start with none; `warn` is called when a site accepts none at the moment."""
        self._sites = sites
        self._clock = clock
        self._warn = warn
        self._pending: dict[str, list[Attempt]] = {}
        self.pending = 0
        """How many attempts wait."""
        self._not_before_s: dict[str, float] = {}

    def add(self, attempt: Attempt) -> None:
        """Add an attempt that is in the journal."""
        self._pending.setdefault(attempt.job.site, []).append(attempt)
        self.pending += 1

    def submit(self) -> Iterator[Attempt]:
        """Submit to each site that accepts attempts; yield those that run from now on."""
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
            self.pending -= len(attempts)
            if site.is_here:
                yield from attempts

    def withdraw(self) -> list[Attempt]:
        """Return all attempts that wait, and keep none."""
        attempts = [attempt for pending in self._pending.values() for attempt in pending]
        self._pending.clear()
        self.pending = 0
        return attempts
