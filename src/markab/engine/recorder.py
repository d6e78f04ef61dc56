"""What the engine asks of the program that makes the database of a run from its journal: may I go on?

The engine neither makes nor reads that database, and does not wait for it. It starts
nothing new while it is known that what happens cannot be entered there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Recorder(Protocol):
    """What makes the database. Asked in every turn of the loop: answers at once, from memory."""

    @property
    def may_start(self) -> bool:
        """No when the database cannot be kept current, or when that is about to be found out."""
        ...

    @property
    def error(self) -> str:
        """Why the database cannot be kept current; empty when it can, or that is not known yet."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """What else went wrong, and stops nothing."""
        ...


class NoRecorder:
    """For runs of which a database is made later, or never."""

    may_start = True
    error = ""
    warnings: Sequence[str] = ()
