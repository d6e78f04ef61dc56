"""A finding of the linter, and what a check finds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from markab.planner.document_places import SourcePlace

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The gravest first. With an error the workflow cannot be planned, or would fail; a note is no reason to change it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the linter found."""

    severity: Severity
    code: str
    """A short fixed word, such as `unread-output`."""
    message: str
    hint: str = ""
    file: str = ""
    line: int = 0
    """0: not known."""

    @property
    def where(self) -> str:
        """`file:line`, `file`, or nothing when it has no place in a file."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file


class Found(NamedTuple):
    """What a check found, before it has the severity of its code."""

    code: str
    place: SourcePlace
    message: str
    hint: str = ""


def shown_file(path: str | Path) -> str:
    """Return a path as findings have it: relative if it is below the current directory."""
    absolute = os.path.abspath(path)
    relative = os.path.relpath(absolute)
    return absolute if relative.startswith("..") else relative
