"""The interface of what plans sub-workflows for the engine, which itself has no planner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from markab.executors.attempt_id import AttemptId


class PlanRequest(msgspec.Struct, frozen=True):
    """A sub-workflow is to be planned."""

    attempt: AttemptId
    """Of the job that it is."""
    submit_dir: str
    """Absolute path of that of the job's run."""
    directory: str
    """Its own submit directory, relative to that."""
    checksums: dict[str, str]
    """Lfn → sha256 of the job's inputs, as far as known."""


class PlanAnswer(msgspec.Struct, frozen=True):
    """It was planned, or could not be."""

    attempt: AttemptId
    kind: str = ""
    """Of the error (`transfers/error_kinds.py`); empty: there is a plan."""
    message: str = ""
    hint: str = ""
    warnings: list[str] = []


class ChildPlanner(Protocol):
    """Plans sub-workflows in processes of their own, in any order. Nothing here waits.

    A planning that is cut short leaves no plan, and is done anew; one that is complete is kept. All
    that was requested is answered, unless this is closed before.
    """

    def request(self, request: PlanRequest) -> None:
        """Have a sub-workflow planned; the answer comes later."""
        ...

    def answers(self) -> Sequence[PlanAnswer]:
        """Return the answers that have arrived since the last call."""
        ...

    def fileno(self) -> int:
        """Return a descriptor that can be read when there may be an answer."""
        ...

    def close(self) -> None:
        """End the processes, whatever it does. May be called twice."""
        ...
