"""Where a large document can be cut: its long lists, found in the text without reading it.

Only documents of the kind that programs write can be cut: block style, each entry of a long list behind a dash at
the beginning of a line. Cut before such dashes, each piece is a list by itself. A cut in a wrong place (inside a quoted text,
for example) leaves pieces that cannot be read, and so does an alias of something in another piece.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from markab.spec.model import ReplicaCatalog, Workflow

PIECE_BYTES = 1 << 20

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
    "replicas": re.compile(rb"replicas:" + _FIRST),
}
"""Top-level key → a long list below it up to its first dash; a list of another form is not found."""

_STAND_INS = {
    "jobs": b" [{type: job, name: a, id: a, arguments: [], uses: []}]",
    "jobDependencies": b" [{id: a, children: []}]",
    "replicaCatalog": b" [{lfn: a, pfns: [{site: a, pfn: a}]}]",
    "replicas": b" [{lfn: a, pfns: [{site: a, pfn: a}]}]",
}
"""The short list that replaces a long one; if it is not read as a list, the long one was none."""

_RARE_LINE_BREAKS = tuple(character.encode() for character in "\r\x85\u2028\u2029")


class NotPlain(Exception):
    """The document cannot be cut with certainty."""


@dataclass(frozen=True, slots=True)
class LongList:
    """The position of a long list in the text: its top-level key, the end of the key before it, its first entry, its end."""

    key: int
    colon: int
    first: int
    end: int
    indent: int


def find_long_lists(text: bytes | mmap.mmap, keys: Collection[str]) -> dict[str, LongList]:
    """Return the long lists of a document below some of its top-level keys, in the order of the text.

    Raises:
        NotPlain: it has rare line breaks, or one of these keys twice.
    """
    if any(text.find(one) >= 0 for one in _RARE_LINE_BREAKS):
        raise NotPlain
    found: dict[str, LongList] = {}
    seen = set()
    position = 0
    while top := _TOP_KEY.search(text, position):
        key, position = top[1].decode(), top.end()
        if key not in keys:
            continue
        if key in seen:
            raise NotPlain
        seen.add(key)
        if part := _long_list(text, key, top.start()):
            found[key] = part
            position = part.end
    return found


def _long_list(text: bytes | mmap.mmap, key: str, start: int) -> LongList | None:
    beginning = _BEGINNINGS[key].match(text, start)
    if not beginning:
        return None
    first, indent = beginning.start("indent"), len(beginning["indent"])
    # The list ends at the first line that is indented less, or equally and is not an entry.
    # Sought behind line ends, which are found faster than beginnings of lines.
    less = b"\n {0,%d}[^ \n#]|" % (indent - 1) if indent else b""
    over = re.compile(less + b"\n {%d}[^- \n#]" % indent)
    after = over.search(text, first)
    end = after.start() + 1 if after else len(text)
    return LongList(start, beginning.start("colon"), first, end, indent)


def cut(text: bytes | mmap.mmap, part: LongList) -> Iterator[bytes]:
    """Yield the text of a long list in pieces of about a megabyte, each of whole entries."""
    entry = re.compile(rb"^ {%d}-[ \n]" % part.indent, re.MULTILINE)
    start = part.first
    while start < part.end:
        found = entry.search(text, min(start + PIECE_BYTES, part.end), part.end)
        end = found.start() if found else part.end
        yield text[start:end]
        start = end


def with_stand_ins(text: bytes | mmap.mmap, parts: Mapping[str, LongList]) -> bytes:
    """Return the document with a list of one entry in place of each long one."""
    head = bytearray()
    end = 0
    for key, part in parts.items():
        head += text[end : part.colon] + _STAND_INS[key] + text[part.colon : part.first]
        end = part.end
    return bytes(head + text[end:])


def take_stand_in(entries: list[Any]) -> None:
    """Remove the stand-in from a list of the document with stand-ins.

    Raises:
        NotPlain: it is not there.
    """
    if len(entries) != 1:
        raise NotPlain
    entries.clear()


def lists_of(item: msgspec.Struct) -> dict[str, list[Any]]:
    """Return the lists of a document that may be long, by their top-level keys."""
    if isinstance(item, ReplicaCatalog):
        return {"replicas": item.replicas}
    assert isinstance(item, Workflow)
    replicas = item.replica_catalog.replicas if item.replica_catalog else []
    return {"jobs": item.jobs, "jobDependencies": item.job_dependencies, "replicaCatalog": replicas}
