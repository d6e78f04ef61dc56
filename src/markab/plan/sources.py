"""`sources.json`: where the planner was called, and which documents it read; advice about the run is made of it.

    {"directory": "/home/ada/words", "documents": {"workflow.yml": "/home/ada/words/workflow.yml"}}

`documents` has the path of each document by the name of its copy in `catalogs/`; `script`, if a script built the
workflow, what stands in place of the document on a command line: `["--set", "n=50", "workflow.py"]`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from markab.plan.atomic_file import read_regular


@dataclass(frozen=True, slots=True)
class Sources:
    """What a plan was made from; all paths are absolute."""

    directory: str | None = None
    """None if it is not known."""
    documents: Mapping[str, str] = field(default_factory=dict)
    script: tuple[str, ...] = ()


def write_sources(path: Path, sources: Sources) -> None:
    """Write the file; an OSError if that cannot be done."""
    path.write_text(json.dumps(asdict(sources)) + "\n")


def read_sources(path: Path) -> Sources:
    """Read the file; if it is absent or damaged, nothing is known: a run does not need it."""
    try:
        found = json.loads(read_regular(path))
        directory, documents = found["directory"], dict(found["documents"])
        script = tuple(found.get("script", ()))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Sources()
    if not all(isinstance(text, str) for text in (directory, *documents, *documents.values(), *script)):
        return Sources()
    return Sources(directory, documents, script)
