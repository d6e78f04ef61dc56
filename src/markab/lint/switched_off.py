"""Codes that a workflow switches off: for itself, a job, a file or a line.

- `# markab: off=unread-output,secret` on a line of its own: in the whole document;
- the same behind something: on this line;
- metadata `markab.lint.off: unread-output secret` of the workflow, of a job or of a file: everywhere, or where that stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from markab.lint.finding import Finding
from markab.planner.document_places import SourcePlace
from markab.spec.model import Workflow

METADATA = "markab.lint.off"
_COMMENT = re.compile(r"^(.*?)#\s*markab:\s*off=([\w, \t-]+)", re.MULTILINE)
_SPLIT = re.compile(r"[\s,]+")


@dataclass
class SwitchedOff:
    """Which codes are switched off where."""

    everywhere: set[str] = field(default_factory=set)
    in_files: dict[str, set[str]] = field(default_factory=dict)
    at: dict[SourcePlace, set[str]] = field(default_factory=dict)

    def hides(self, finding: Finding) -> bool:
        """Return whether a finding is of a code that is switched off where it stands."""
        return (
            finding.code in self.everywhere
            or finding.code in self.in_files.get(finding.file, ())
            or finding.code in self.at.get(SourcePlace(finding.file, finding.line), ())
        )

    def codes(self) -> set[str]:
        """Return all codes that are switched off anywhere."""
        return self.everywhere.union(*self.in_files.values(), *self.at.values())

    def add_comments(self, file: str, text: str) -> None:
        """Add what the comments of a document or a script switch off."""
        for match in _COMMENT.finditer(text):
            codes = set(_codes(match[2]))
            if match[1].strip():
                self.at.setdefault(SourcePlace(file, text.count("\n", 0, match.start()) + 1), set()).update(
                    codes
                )
            else:
                self.in_files.setdefault(file, set()).update(codes)

    def add_metadata(
        self, workflow: Workflow, places: Iterable[tuple[Mapping[str, str], list[SourcePlace]]]
    ) -> None:
        """Add what the metadata of a workflow switches off, and that of its jobs and files at their places."""
        self.everywhere.update(_codes(workflow.metadata.get(METADATA, "")))
        for metadata, where in places:
            for place in where if METADATA in metadata else ():
                self.at.setdefault(place, set()).update(_codes(metadata[METADATA]))


def _codes(text: str) -> Iterator[str]:
    return (code for code in _SPLIT.split(text.strip()) if code)
