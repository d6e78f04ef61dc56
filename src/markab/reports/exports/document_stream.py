"""Reading a large workflow document in pieces: its tasks are not kept, its text is never copied as a whole.

Only documents of the kind that programs write are read in this way: block style, each
entry of a long list behind a dash at the beginning of a line. The text is cut
before such dashes, and each piece is read, under its key, as a document of its own:
by the fast reader if possible, else by the careful one. A cut in a wrong place
(inside a quoted text, for example) leaves invalid pieces, and so does an alias of
something in another piece. Any doubt raises `NotPlain`: then the document must be
read as a whole.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markab.errors import DocumentError
from markab.spec import fast_reader
from markab.spec.model import Dependency, Replica, Task, Workflow
from markab.spec.reader import parse_carefully

PIECE_BYTES = 1 << 20

LONG = ("jobs", "jobDependencies", "replicaCatalog")
"""Top-level keys that may have a long list."""

_LEADS = {
    "jobs": b"pegasus: 5.0.4\nname: piece\n",
    "jobDependencies": b"pegasus: 5.0.4\nname: piece\njobs: []\n",
    "replicaCatalog": b"pegasus: 5.0.4\nname: piece\njobs: []\n",
}
"""The text before a piece that makes it a document."""

_STAND_INS = {
    "jobs": b" [{type: job, name: a, id: a, arguments: [], uses: []}]",
    "jobDependencies": b" [{id: a, children: []}]",
    "replicaCatalog": b" [{lfn: a, pfns: [{site: a, pfn: a}]}]",
}
"""The short list that replaces a long list in the head; if it is not read as a list, the long one was none."""

_TOP_KEY = re.compile(rb"^([A-Za-z-]+):", re.MULTILINE)

_REST = rb"(?: +#.*| *)\n(?: *(?:#.*)?\n)*"
"""What may be between a key and its value: comments and blanks."""

_FIRST = rb"(?P<colon>)" + _REST + rb"(?P<indent> *)-(?=[ \n])"

_BEGINNINGS = {
    "jobs": re.compile(rb"jobs:" + _FIRST),
    "jobDependencies": re.compile(rb"jobDependencies:" + _FIRST),
    "replicaCatalog": re.compile(
        rb"replicaCatalog:"
        + _REST
        + rb"(?: +pegasus: *[\"']?[0-9.]+[\"']?"
        + _REST
        + rb")? +replicas:"
        + _FIRST
    ),
}
"""A long list up to its first dash; a list of another form stays in the head."""

_RARE_LINE_BREAKS = tuple(character.encode() for character in "\r\x85\u2028\u2029")


class NotPlain(Exception):
    """The document cannot be cut into pieces with certainty."""


@dataclass(frozen=True, slots=True)
class _LongList:
    """The position of a long list in the text: its top-level key, the end of that key, its first entry, its end."""

    key: int
    colon: int
    first: int
    end: int
    indent: int


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
        if any(self._text.find(one) >= 0 for one in _RARE_LINE_BREAKS):
            raise NotPlain
        self._parts = self._find_parts()
        if "jobs" not in self._parts:
            raise NotPlain

    def head(self) -> Workflow:
        """Return the document without the entries of its long lists."""
        text = bytearray()
        end = 0
        for key, part in self._parts.items():
            text += self._text[end : part.colon] + _STAND_INS[key] + self._text[part.colon : part.first]
            end = part.end
        head = self._read(bytes(text + self._text[end:]))
        self._take_stand_in("jobs", head.jobs)
        self._take_stand_in("jobDependencies", head.job_dependencies)
        self._take_stand_in("replicaCatalog", head.replica_catalog.replicas if head.replica_catalog else [])
        return head

    def _take_stand_in(self, key: str, entries: list[Any]) -> None:
        if key in self._parts:
            if len(entries) != 1:
                raise NotPlain
            entries.clear()

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

    def _find_parts(self) -> dict[str, _LongList]:
        parts: dict[str, _LongList] = {}
        seen = set()
        position = 0
        while top := _TOP_KEY.search(self._text, position):
            key, position = top[1].decode(), top.end()
            if key not in LONG:
                continue
            if key in seen:
                raise NotPlain
            seen.add(key)
            if part := self._find_part(key, top.start()):
                parts[key] = part
                position = part.end
        return parts

    def _find_part(self, key: str, start: int) -> _LongList | None:
        beginning = _BEGINNINGS[key].match(self._text, start)
        if not beginning:
            return None
        first, indent = beginning.start("indent"), len(beginning["indent"])
        # The list ends at the first line that is indented less, or equally and is not an entry.
        less = b"^ {0,%d}[^ \n#]|" % (indent - 1) if indent else b""
        over = re.compile(less + b"^ {%d}[^- \n#]" % indent, re.MULTILINE)
        after = over.search(self._text, first)
        end = after.start() if after else len(self._text)
        return _LongList(start, beginning.start("colon"), first, end, indent)

    def _cut(self, key: str) -> Iterator[bytes]:
        """Yield the text of groups of entries of a list, each under its key."""
        part = self._parts[key]
        lead = self._text[part.key : part.first]
        entry = re.compile(rb"^ {%d}-[ \n]" % part.indent, re.MULTILINE)
        start = part.first
        while start < part.end:
            cut = entry.search(self._text, min(start + PIECE_BYTES, part.end), part.end)
            end = cut.start() if cut else part.end
            yield lead + self._text[start:end]
            start = end

    def _read(self, text: bytes) -> Workflow:
        if found := fast_reader.read(text, Workflow, self._environment):
            return found[0]
        try:
            return parse_carefully(text, Workflow, "piece", self._environment, lambda *of: [])
        except DocumentError:
            raise NotPlain from None
