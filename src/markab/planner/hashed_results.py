"""The mapper `Hashed`: results in directories named by the hash of their names, so that none gets too many files. Pure.

Up to 256 results stand straight below the directory of the output site; more are spread over 256 directories, or over
256 × 256. The number counts all results of the document, so that a part of a workflow delivers to the same places as all of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from markab.planner.task_files import outputs_of
from markab.spec.model import Task

DIRECTORY_FILES = 256
"""About how many results, and exactly how many directories, a directory has at most."""
_MOST_LEVELS = 8


def count_results(tasks: Iterable[Task]) -> int:
    """Return how many files of these tasks are delivered when all of them run."""
    return sum(use.stage_out is not False for task in tasks for use in outputs_of(task))


class HashedResults:
    """Where each of so many results stands below the directory of an output site."""

    def __init__(self, results: int, most_levels: int) -> None:
        needed = 0
        while needed < _MOST_LEVELS and results > DIRECTORY_FILES ** (needed + 1):
            needed += 1
        self.levels = min(needed, most_levels)
        """Directories below each other."""

    def path(self, lfn: str) -> str:
        """Return the relative path of a result: its name, below directories of two hex digits each."""
        digits = sha256(lfn.encode()).hexdigest()
        return "".join(f"{digits[2 * level : 2 * level + 2]}/" for level in range(self.levels)) + lfn
