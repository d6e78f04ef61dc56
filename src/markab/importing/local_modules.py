"""The modules beside a Python program that it imports: files that its job needs, and that no command line names."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path


def local_modules(directory: Path, program: str) -> set[str]:
    """Return the modules that a program imports from its own directory, and those that they import, as paths.

    `program` is a path from `directory`, as are the results; a package is all of its files. What cannot be read or
    parsed imports nothing.
    """
    found: set[str] = set()
    folder = os.path.dirname(program)
    left = [program]
    while left:
        for name in _imported(directory / left.pop()):
            base = os.path.join(folder, *name.split("."))
            for path in (
                f"{base}.py",
                *_files_of_package(directory, os.path.join(folder, name.split(".")[0])),
            ):
                if path not in found and path != program and (directory / path).is_file():
                    found.add(path)
                    left.append(path)
    return found


def _imported(path: Path) -> Iterator[str]:
    """Yield the full names of the modules that a file imports; the names in them may be modules too."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def _files_of_package(directory: Path, package: str) -> list[str]:
    root = directory / package
    return [str(path.relative_to(directory)) for path in sorted(root.rglob("*.py"))] if root.is_dir() else []
