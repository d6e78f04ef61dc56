"""Software environments that are kept for later runs: found, measured, and removed when they were not used for long."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from markab.errors import StorageError


class KeptEnvironment(NamedTuple):
    """An environment in the user's cache."""

    path: str
    size_bytes: int
    used: float
    """When it was used last, or else changed."""


def environments_place() -> str:
    """Return the directory of the user's environments; empty: the user has no cache."""
    from markab.worker.failure import AttemptFailed
    from markab.worker.software_environment import environments_directory

    try:
        return environments_directory()
    except AttemptFailed:
        return ""


def kept_environments() -> Iterator[KeptEnvironment]:
    """Yield all environments, whole or not, by name."""
    from pathlib import Path

    from markab.operations.run_sizes import bytes_below
    from markab.worker.software_environment import last_use

    place = environments_place()
    for name in sorted(os.listdir(place)) if os.path.isdir(place) else ():
        path = os.path.join(place, name)
        try:
            if os.path.islink(path) or not os.path.isdir(path):
                continue
            used = last_use(path) or os.stat(path).st_mtime
        except OSError:
            continue  # it has just gone
        yield KeptEnvironment(path, bytes_below(Path(path)), used)


def prune_environments(before: float, *, dry_run: bool = False) -> list[KeptEnvironment]:
    """Remove the environments that were not used since a time, except those in use; return which.

    Raises:
        StorageError: one cannot be removed.
    """
    from markab.worker.software_environment import remove_environment

    removed = []
    for one in kept_environments():
        if one.used >= before:
            continue
        try:
            if dry_run or remove_environment(one.path):
                removed.append(one)
        except OSError as error:
            raise StorageError(
                f"cannot remove the software environment {one.path!r}: {error.strerror or error}",
                "correct that, and give the same command again",
            ) from error
    return removed
