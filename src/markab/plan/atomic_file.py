"""Replacing a file atomically: a crash leaves either the old one or the new one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from markab.errors import StorageError


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Yield a file to write; when the block ends without an error it replaces `path`.

    It is written under a temporary name beside `path`, flushed to disk and renamed, and
    the directory is flushed. `durable=False` leaves out the flushes: the file is then
    complete after a crash of the process, but perhaps not after a power loss.

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
    """Flush the entries of a directory to disk, so that they survive a power loss."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
