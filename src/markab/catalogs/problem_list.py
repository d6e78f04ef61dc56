"""The problems of several catalogs, collected so that all are reported at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from markab.errors import DocumentError, Problem, StorageError

T = TypeVar("T")


class ProblemList:
    """What is wrong so far."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._storage: list[StorageError] = []

    @property
    def all(self) -> list[Problem]:
        """Every problem, once."""
        return list(dict.fromkeys(self._problems))

    @property
    def is_unreadable(self) -> bool:
        """Whether a file could not be read."""
        return bool(self._storage)

    def add(self, *problems: Problem) -> None:
        """Add problems."""
        self._problems += problems

    def attempt(self, read: Callable[[], T], file: str = "", line: int = 0) -> T | None:
        """Return what `read` returns, or None after adding a problem; `file` and `line` name what cannot be read."""
        try:
            return read()
        except DocumentError as error:
            self._problems += error.problems
        except StorageError as error:
            self._problems.append(Problem(error.message, error.hint, file, line, "unreadable"))
            self._storage.append(error)
        return None

    def raise_all(self) -> None:
        """Raise DocumentError if there is a problem; a StorageError that is the only one as it was."""
        problems = self.all
        if problems and len(problems) == len(self._storage) == 1:
            raise self._storage[0]
        if problems:
            raise DocumentError(*problems)
