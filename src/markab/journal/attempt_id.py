"""The name of one try of one job of one run; journal, executors and engine know an attempt by it."""

from __future__ import annotations

from typing import NamedTuple


class AttemptId(NamedTuple):
    """One try of one job of one run."""

    run: str
    """The run's uuid."""
    job: int
    """Position in the plan."""
    number: int
    """1 for the first try."""
