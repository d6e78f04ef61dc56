"""Reading and validating CWL documents, with the package `cwl-utils`."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from markab.errors import DocumentError, Problem, StorageError
from markab.importing.extras import imported

_LINE = re.compile(r"^(?P<file>\S[^\n]*?):(?P<line>\d+):\d+:\s+(?P<text>.*)$")
_LEAD = re.compile(r"(because:?|using `\w+`|reasons?:)$")
"""The end of a line that leads to what is wrong, and does not tell it."""


def load(document: Path, fragment: str = "") -> Any:
    """Return the process of a document; of several, the one of that name, by default `main`.

    Raises:
        DocumentError: it is not valid.
        StorageError: there is no such file.
        MarkabError: the package is not installed.
    """
    parser = imported("cwl_utils.parser", "cwl-utils", "cwl")
    failures = import_module("schema_salad.exceptions")
    if not document.is_file():
        raise StorageError(f"there is no file {str(document)!r}", "check its name")
    try:
        found = parser.load_document_by_uri(str(document.absolute()))
    except (failures.SchemaSaladException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DocumentError(*_problems(str(error), document)) from error
    if not isinstance(found, list):
        return found
    named = [each for each in found if each.id.rpartition("#")[2] == (fragment or "main")]
    workflows = [each for each in found if each.class_ == "Workflow"]
    if named or len(workflows) == 1:
        return (named or workflows)[0]
    raise DocumentError(Problem("none of its processes is `main`", "name one of them `main`", str(document), 1))


def _problems(text: str, document: Path) -> list[Problem]:
    """Return the errors of a validation: the innermost line of each branch, with its place."""
    found: list[Problem] = []
    lines = re.sub(r",\n\s+", ", ", text).splitlines()  # long lists are folded
    file, number = str(document), 0
    for whole in lines:
        line = whole
        if match := _LINE.match(line):
            file, number, line = match["file"], int(match["line"]), match["text"]
        if line.strip() and not _LEAD.search(line.strip()):
            text, _, expected = line.strip().removeprefix("* ").partition(", expected one of: ")
            hint = f"known are {expected}" if expected else ""
            found.append(Problem(text.strip(), hint, _shown(file, document), number, "cwl"))
    return found or [Problem(f"not a CWL document: {lines[0] if lines else 'unreadable'}", "", str(document), 1, "cwl")]


def _shown(file: str, document: Path) -> str:
    path = Path(file.removeprefix("file://"))
    return str(document) if path.absolute() == document.absolute() or path.name == document.name else str(path)
