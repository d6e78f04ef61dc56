"""The log of events that HTCondor writes for the jobs of a run: read in pieces, as it grows. Pure, but for the file.

With `log_xml`, an event is a ClassAd as XML, whose tags stand at the beginning of a line:

    <c>
        <a n="MyType"><s>ExecuteEvent</s></a>
        <a n="Cluster"><i>7</i></a>
        ...
    </c>

Attributes of nested ads are indented further. A crash of HTCondor can leave half an event; the next one begins with
`<c>` all the same. Which attempt a job is stands in the note of its first event: `submit_event_notes`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import NamedTuple

_EVENT = re.compile(rb"^<c>\n((?:(?!<c>\n|</c>\n).*\n)*)</c>\n", re.MULTILINE)
_ATTRIBUTE = re.compile(
    r'^    <a n="(\w+)">(?:<[sire]>(.*?)</[sire]>|<b v="([tf])"/>)</a>$', re.MULTILINE | re.DOTALL
)
_TYPE = re.compile(rb'^    <a n="MyType"><s>(\w+)</s>', re.MULTILINE)
_IGNORED = frozenset({b"FileTransferEvent", b"JobImageSizeEvent", b"JobAdInformationEvent"})
"""Half of all events, of which nothing is needed."""
_END = b"\n</c>\n"

_NOTE = re.compile(r"markab (\d+) (\d+)\Z")


class JobId(NamedTuple):
    """A job as HTCondor counts them."""

    cluster: int
    proc: int

    def __str__(self) -> str:
        return f"{self.cluster}.{self.proc}"


class LoggedEvent(NamedTuple):
    """Something that happened to a job."""

    type: str
    """As HTCondor names it, without `Event` at its end: "Submit", "Execute", "JobTerminated", …"""
    job: JobId
    attributes: dict[str, str]
    """All attributes as text; booleans are "t" and "f"."""

    def number(self, name: str) -> int | None:
        """Return a number among its attributes; None: it has none of that name."""
        try:
            return int(float(self.attributes[name]))
        except (KeyError, ValueError):
            return None

    def text(self, name: str) -> str:
        """Return a text among its attributes, on one line; "" if it has none of that name."""
        return " ".join(self.attributes.get(name, "").split())


def attempt_note(job: str, number: str) -> str:
    """Return the note that tells of which attempt a job is; the arguments may be macros of a submit file."""
    return f"markab {job} {number}"


def attempt_of(event: LoggedEvent) -> tuple[int, int] | None:
    """Return position and number of the attempt in the note of a submit event; None: it has no such note."""
    found = _NOTE.search(event.attributes.get("LogNotes", "").strip())
    return (int(found[1]), int(found[2])) if found else None


def read_events(text: bytes) -> tuple[list[LoggedEvent], int]:
    """Return the events in a piece of a log that begins where an event may begin, and how many bytes are read up.

    Half an event at the end is left for the next piece; what is no event is skipped.
    """
    end = text.rfind(_END)
    if end < 0:
        return [], 0
    end += len(_END)
    return list(_events(text[:end])), end


def _events(text: bytes) -> Iterator[LoggedEvent]:
    for found in _EVENT.finditer(text):
        body = found[1]
        type_ = _TYPE.search(body)
        if type_ is None or type_[1] in _IGNORED:
            continue
        attributes = {
            name: flag or unescape(value)
            for name, value, flag in _ATTRIBUTE.findall(body.decode(errors="replace"))
        }
        try:
            job = JobId(int(attributes["Cluster"]), int(attributes["Proc"]))
        except (KeyError, ValueError):
            continue  # of no job
        yield LoggedEvent(type_[1].decode().removesuffix("Event"), job, attributes)


class EventLog:
    """A log that is read on where the last call of `read` ended."""

    def __init__(self, path: Path) -> None:
        """Begin with the first event."""
        self._path = path
        self._offset = 0

    def read(self) -> list[LoggedEvent]:
        """Return what is new; nothing if the file cannot be read now."""
        try:
            if os.stat(self._path).st_size <= self._offset:
                return []
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                text = file.read()
        except OSError:
            return []
        events, read = read_events(text)
        self._offset += read
        return events
