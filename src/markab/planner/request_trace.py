"""What one call of the planner has read of this machine beside the files of tasks: documents, variables, and what it did not find."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from markab.reuse.file_witness import FileWitness, is_settled, version_of
from markab.spec.document_digest import document_digest

_QUOTED_PATH = re.compile(rb"(?:file|symlink):[^\s'\",]*%")
"""A URL of which it depends on the files that exist what it names (`places.py:local_path`)."""


class RequestTrace:
    """What was read, in the order of reading."""

    def __init__(self, key: str = "") -> None:
        """Begin, before anything is read; `key` is that of the request."""
        self.key = key
        self.documents: dict[str, FileWitness] = {}
        """By path; the content is told by the digest of the document."""
        self.variables: set[str] = set()
        """The variables of the environment that documents have, whether set or not."""
        self.absent: dict[str, None] = {}
        """Paths at which nothing was found, though it would have been used."""
        self.is_complete = True
        """Whether nothing was read but what is noted here."""

    def saw_document(self, name: str, status: os.stat_result, start_ns: int, data: bytes) -> None:
        """Note a document that was read; an observer of `spec/document_file.py`."""
        path = os.path.abspath(name)
        version = version_of(status) if is_settled(status, start_ns) else None
        self.documents[path] = FileWitness(path, version, document_digest(data))
        if _QUOTED_PATH.search(data):
            self.is_complete = False

    def saw_nothing(self, path: str | os.PathLike[str]) -> None:
        """Note that nothing is at a path."""
        self.absent[os.path.abspath(path)] = None

    def saw_other(self) -> None:
        """Note that something was read of which a later look cannot tell whether it has changed."""
        self.is_complete = False

    def observed(self, environment: Mapping[str, str]) -> Mapping[str, str]:
        """Return an environment of which every variable is noted that is read."""
        return _Observed(environment, self.variables)


class _Observed(Mapping[str, str]):
    """An environment; a new variable that is only found by iterating is not noted."""

    def __init__(self, environment: Mapping[str, str], variables: set[str]) -> None:
        self._environment = environment
        self._variables = variables

    def __getitem__(self, name: str) -> str:
        self._variables.add(name)
        return self._environment[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._environment)

    def __len__(self) -> int:
        return len(self._environment)
