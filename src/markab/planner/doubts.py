"""What cannot be judged in one call of the planner, because the document that would say it is wrong itself. Pure.

Planning goes on with what is left of wrong documents, so that one call names all errors. An error that may only
follow from what they lack is not reported.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Doubts:
    """What is not known for certain."""

    documents: bool = False
    """Some document is wrong."""
    sites: bool = False
    """Sites may be missing."""
    executables: bool = False
    """Entries of the transformation catalog may be missing."""
    tasks: bool = False
    """Tasks may be missing."""
    dependencies: bool = False
    """Dependencies between tasks may be missing."""
    files: bool = False
    """Uses of files, or replicas, may be missing."""
    results: bool = False
    """Where results go is not said rightly."""
    makers: AbstractSet[str] = frozenset()
    """Lfns that a task may make whose entry is wrong."""

    def is_doubtful(self, lfn: str) -> bool:
        """Return whether a file may be had, though neither a replica nor a task that makes it is known."""
        return self.files or lfn in self.makers
