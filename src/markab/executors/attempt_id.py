"""The identifier of an attempt, used by executors and engine: run, job and attempt number."""

from __future__ import annotations

from typing import NamedTuple


class AttemptId(NamedTuple):
    """One attempt of one job of one run."""

    run: str
    """The run's uuid."""
    job: int
    """Position in the plan."""
    number: int
    """1 for the first attempt."""
