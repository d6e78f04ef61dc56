"""Reading a large workflow document in pieces: its tasks are not kept, its text is never copied as a whole.

Each piece (`spec/document_pieces.py`) is read, under its key, as a document of its own: by the fast reader if
possible, else by the careful one. Any doubt raises `NotPlain`: then the document must be read as a whole.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path

from markab.errors import DocumentError
from markab.spec import fast_reader
from markab.spec.document_pieces import (
    NotPlain,
    cut,
    find_long_lists,
    lists_of,
    take_stand_in,
    with_stand_ins,
)
from markab.spec.model import Dependency, Replica, Task, Workflow
from markab.spec.reader import parse_carefully

LONG = ("jobs", "jobDependencies", "replicaCatalog")
"""Top-level keys that may have a long list."""

_LEADS = {
    "jobs": b"pegasus: 5.0.4\nname: piece\n",
    "jobDependencies": b"pegasus: 5.0.4\nname: piece\njobs: []\n",
    "replicaCatalog": b"pegasus: 5.0.4\nname: piece\njobs: []\n",
}
"""The text before a piece that makes it a document."""


class Pieces:
    """A document opened for reading in pieces; every method may raise `NotPlain`. Close it after use."""

    def __init__(self, source: Path, environment: Mapping[str, str]) -> None:
        """Open a document and find its long lists.

        Raises:
            OSError, ValueError: it cannot be opened, or it is empty.
        """
        self._environment = environment
        with open(source, "rb") as file:
            self._text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._parts = find_long_lists(self._text, LONG)
        if "jobs" not in self._parts:
            raise NotPlain

    def head(self) -> Workflow:
        """Return the document without the entries of its long lists."""
        head = self._read(with_stand_ins(self._text, self._parts))
        for key in self._parts:
            take_stand_in(lists_of(head)[key])
        return head

    def has(self, key: str) -> bool:
        """Return whether a top-level key has a long list."""
        return key in self._parts

    def tasks(self) -> Iterator[tuple[bytes, list[Task]]]:
        """Yield the tasks in groups, with their text."""
        for text in self._cut("jobs"):
            yield text, self._read(_LEADS["jobs"] + text).jobs

    def dependencies(self) -> Iterator[list[Dependency]]:
        """Yield the dependencies in groups."""
        for text in self._cut("jobDependencies"):
            yield self._read(_LEADS["jobDependencies"] + text).job_dependencies

    def replicas(self) -> Iterator[tuple[bytes, list[Replica]]]:
        """Yield the replicas of the document, as `tasks`."""
        for text in self._cut("replicaCatalog"):
            catalog = self._read(_LEADS["replicaCatalog"] + text).replica_catalog
            yield text, catalog.replicas if catalog else []

    def close(self) -> None:
        """Close the memory map."""
        self._text.close()

    def _cut(self, key: str) -> Iterator[bytes]:
        """Yield the text of groups of entries of a list, each under its key."""
        part = self._parts[key]
        lead = self._text[part.key : part.first]
        for text in cut(self._text, part):
            yield lead + text

    def _read(self, text: bytes) -> Workflow:
        if found := fast_reader.read(text, Workflow, self._environment):
            return found[0]
        try:
            return parse_carefully(text, Workflow, "piece", self._environment, lambda *of: [])
        except DocumentError:
            raise NotPlain from None
