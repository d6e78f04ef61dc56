"""The attempts of one job as recorded in the journal, and the text that reports show of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markab.formatting import count, duration, size
from markab.journal.records import (
    AttemptEnd,
    AttemptHeld,
    AttemptReleased,
    AttemptRunning,
    AttemptStart,
    Entry,
    GiveUp,
    Incomplete,
    Retry,
    Undone,
)
from markab.journal.search import records_about
from markab.transfers.beneath import open_regular
from markab.transfers.error_kinds import ErrorKind

CAPTURED_SHOWN_BYTES = 1 << 20


@dataclass
class AttemptStory:
    """One attempt of a job, as recorded in the journal."""

    number: int
    site: str = ""
    native_id: str = ""
    """The site's own id of it; "": none."""
    host: str = ""
    """Where it runs, as the site says."""
    held: str = ""
    """Why its site holds it; "": it does not."""
    holds: int = 0
    """How often its site held it."""
    start: float = 0.0
    record: dict[str, Any] | None = None
    """The worker's record; None: the attempt has not ended."""
    after: str = ""
    """What the engine decided when it failed."""

    @property
    def end(self) -> float:
        """When it ended; 0 while it has not."""
        return float((self.record or {}).get("end", 0.0))


class AttemptStories:
    """The attempts of one job, from the records about it."""

    def __init__(self) -> None:
        self._by_number: dict[int, AttemptStory] = {}

    @property
    def all(self) -> list[AttemptStory]:
        """The attempts so far, oldest first."""
        return [self._by_number[number] for number in sorted(self._by_number)]

    def take(self, entry: Entry) -> None:
        """Apply the next record about the job."""
        match entry:
            case AttemptStart(attempt=number, site=site, time=time):
                story = self._of(number)
                story.site, story.start = site, time
            case AttemptRunning(attempt=number, native_id=native_id, host=host):
                story = self._of(number)
                story.native_id, story.host, story.held = native_id or story.native_id, host, ""
            case AttemptHeld(attempt=number, reason=reason, native_id=native_id):
                story = self._of(number)
                story.native_id, story.held = native_id or story.native_id, reason
                story.holds += 1
            case AttemptReleased(attempt=number):
                self._of(number).held = ""
            case AttemptEnd(attempt=number, record=record):
                self._of(number).record = record
            case Retry(attempt=number, pause_s=pause_s, memory_mb=memory_mb):
                pause = f" after {duration(pause_s)}" if pause_s else ""
                memory = f" with {size(memory_mb * 2**20)} of memory" if memory_mb else ""
                self._of(number).after = f"tried again{pause}{memory}"
            case Undone(attempt=number, why=why):
                self._of(number).after = f"to be run again: {why}"
            case Incomplete(attempt=number):
                self._of(number).after = "to be completed when the run is continued"
            case GiveUp(attempt=number, why=why):
                self._of(number).after = f"given up: {why}"

    def _of(self, number: int) -> AttemptStory:
        return self._by_number.setdefault(number, AttemptStory(number))


def read_attempts(journal: Path, position: int) -> list[AttemptStory]:
    """Return the attempts of one job, oldest first.

    Raises:
        CorruptJournal: the journal is damaged.
    """
    stories = AttemptStories()
    for entry in records_about(journal, position):
        stories.take(entry)
    return stories.all


def captured(record: dict[str, Any], stream: str, submit_dir: Path) -> str:
    """Return what a task wrote to `stdout` or `stderr`: the whole of it when short, else its end."""
    if text := record.get(stream):
        return str(text)
    name = record.get(f"{stream}_file")
    if not name:
        return ""
    try:
        with open(submit_dir / name, "rb", opener=open_regular) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - CAPTURED_SHOWN_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError as error:
        return f"(cannot read {name}: {error.strerror})"


def log_texts(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the logs of a failed attempt: name, and its end."""
    return [(str(log["lfn"]), str(log["text"])) for log in record.get("logs", ())]


def environment_texts(record: dict[str, Any]) -> list[str]:
    """Return the software environments of the tasks of an attempt, one a text."""
    texts = []
    for entry in record.get("environments", ()):
        parts = []
        if entry.get("tool"):
            python = f", Python {entry['python']}" if entry.get("python") else ""
            packages = f", {count(len(entry['packages']), 'package')}" if entry.get("packages") else ""
            parts.append(f"{entry['file']} ({entry['tool']}{python}{packages}; {entry['directory']})")
        if entry.get("modules"):
            parts.append(f"modules {' '.join(entry['modules'])}")
        texts.append(f"environment {', '.join(parts)}")
    return texts


def error_lines(record: dict[str, Any]) -> list[str]:
    """Return the errors of an attempt, one a line, each with its hint below.

    Outputs that are missing after another error, such as an exit code, follow from it: they are one line, the last.
    """
    errors = [error for error in (record.get("error"), *record.get("also", ())) if error]
    missing = [error for error in errors if error.get("kind") == ErrorKind.MISSING_OUTPUT]
    follow = missing if errors and errors[0] not in missing else []
    lines = []
    for error in errors:
        if error not in follow:
            lines.append(f"{error['message']}")
            if error.get("hint"):
                lines.append(f"  hint: {error['hint']}")
    if follow:
        more = f", and {count(len(follow) - 1, 'more output')}" if len(follow) > 1 else ""
        lines.append(f"{follow[0]['message']}{more}")
    return lines
