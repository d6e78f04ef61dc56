"""The interface of the recorder, which makes the database of a run from its journal: may new jobs start?

The engine neither makes nor reads that database, and does not wait for it. It starts
nothing new while it is known that events cannot be entered there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Recorder(Protocol):
    """Makes the database. Read in every turn of the loop: answers at once, from memory."""

    @property
    def may_start(self) -> bool:
        """False when the database cannot be kept current, or while that is being checked."""
        ...

    @property
    def error(self) -> str:
        """Why the database cannot be kept current; empty when it can, or that is not known yet."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """Other errors, which stop nothing."""
        ...


class NoRecorder:
    """For runs whose database is made later, or never."""

    may_start = True
    error = ""
    warnings: Sequence[str] = ()
