"""Replacing a file so that a crash leaves either the old one or the new one, whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from markab.errors import StorageError


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Yield a file to write; when the block ends without an error it takes the place of `path`.

    Written to a temporary name beside `path`, flushed to disk, renamed, and the
    directory flushed too. With `durable=False` the flushes are left out: still
    never half a file after a crash of the process, but perhaps after a power loss.

    Raises:
        StorageError: disk full, directory missing or not writable.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb", buffering=1 << 20) as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
        if durable:
            flush_directory(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(
            f"cannot write {str(path)!r}: {error.strerror or error}",
            hint="make room or choose another directory, then run the command again",
        ) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def flush_directory(path: Path) -> None:
    """Make the names in a directory survive a power loss."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
