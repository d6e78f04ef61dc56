"""The file of a catalog: the one that a property names, else the default one."""

from __future__ import annotations

from pathlib import Path

from markab.catalogs.problem_list import ProblemList
from markab.spec.document_file import note_missing
from markab.spec.properties import Properties


def below(directory: Path, name: str) -> Path:
    """Return the path of a file that is named as a path or a `file:` URL."""
    return directory / name.removeprefix("file://")


def catalog_file(
    properties: Properties, key: str, directory: Path, default: str, problems: ProblemList
) -> Path | None:
    """Return the file that a property names, else the default one; None: it does not exist.

    That a named file does not exist is a problem.
    """
    name = properties.get(key, "").strip()
    path = below(directory, name) if name else directory / default
    if path.exists():
        return path
    if name:
        problems.add(properties.problem(key, "there is no such file"))
    note_missing(path)
    return None
