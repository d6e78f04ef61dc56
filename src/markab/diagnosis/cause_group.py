"""Jobs of a run that failed for the same reason."""

from __future__ import annotations

from dataclasses import dataclass, field

from markab.diagnosis.causes import Cause


@dataclass
class CauseGroup:
    """Jobs that failed for the same reason."""

    cause: Cause
    transformation: str
    """The transformation that failed in them; of auxiliary jobs their kind."""
    jobs: list[int] = field(default_factory=list)
    """Positions, ascending."""
    blocked: int = 0
    """Jobs that were not started because of them."""
