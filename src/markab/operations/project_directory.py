"""The directory of a new project: its files appear all at once or not at all, and none is overwritten."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from markab.errors import StorageError
from markab.formatting import shown_path


class ProjectFile(NamedTuple):
    """A file of a new project."""

    path: str
    """Relative to the project."""
    content: bytes
    mode: int = 0o666


def write_project(directory: Path, files: Sequence[ProjectFile]) -> list[Path]:
    """Write the files of a project, and return their paths.

    A directory that does not exist appears with all of its files or not at all; in one that exists, none of the files
    may exist, and those written are removed again if another cannot be.

    Raises:
        StorageError: a file of that name exists, or one cannot be written.
    """
    if directory.is_symlink() and not directory.exists():
        raise StorageError(
            f"{shown_path(directory)} is a link to nothing", "remove the link, or name another directory"
        )
    try:
        if directory.exists():
            _write_into(directory, files)
        else:
            _write_new(directory, files)
    except OSError as error:
        raise StorageError(
            f"cannot write {str(error.filename or directory)!r}: {error.strerror}", "name another directory"
        ) from error
    return [directory / file.path for file in files]


def _write_new(directory: Path, files: Sequence[ProjectFile]) -> None:
    parent = directory.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=parent) as place:
        unfinished = Path(place) / directory.name
        unfinished.mkdir()
        try:
            _write_all(unfinished, files, [])
            unfinished.rename(directory)
        except OSError as error:
            # The user typed the name of the directory, and never saw the temporary one.
            relative = os.path.relpath(error.filename or unfinished, unfinished)
            raise OSError(error.errno, error.strerror, os.path.normpath(directory / relative)) from error


def _write_into(directory: Path, files: Sequence[ProjectFile]) -> None:
    if there := [file.path for file in files if os.path.lexists(directory / file.path)]:
        more = f" and {len(there) - 3} more" if len(there) > 3 else ""
        raise StorageError(
            f"{shown_path(directory)} already has {', '.join(there[:3])}{more}, and nothing is overwritten",
            "name a new directory, or move these files away",
        )
    written: list[Path] = []
    try:
        _write_all(directory, files, written)
    except OSError:
        for path in reversed(written):
            with suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        raise


def _write_all(directory: Path, files: Sequence[ProjectFile], written: list[Path]) -> None:
    """Write the files, and add what was made to `written`: directories before what is in them."""
    for file in files:
        path = directory / file.path
        for folder in (each for each in reversed(path.parents) if not each.exists()):
            folder.mkdir(exist_ok=True)
            written.append(folder)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode)
        written.append(path)
        with open(descriptor, "wb") as stream:
            stream.write(file.content)
