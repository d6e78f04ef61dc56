"""The SQLite file of a run: the lock of its writer, and its removal."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from markab.errors import StorageError
from markab.provenance.database import DatabaseLocked

_RETRY_EVERY_S = 0.02


@contextmanager
def locked(file: Path | None, patience_s: float) -> Iterator[None]:
    """Hold the writer's lock of a database file, so that no process deletes a file that another one fills."""
    if file is None:
        yield
        return
    path = file.with_name(f".{file.name}.lock")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise StorageError(
            f"cannot write {str(path)!r}: {error.strerror}",
            hint="check that the directory exists, and can be written",
        ) from error
    try:
        give_up_s = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= give_up_s:
                    raise DatabaseLocked(
                        f"database {str(file)!r} is being written to by another program",
                        hint="try again when it has finished",
                    ) from None
                time.sleep(_RETRY_EVERY_S)
        yield
    finally:
        os.close(descriptor)


def remove(file: Path) -> None:
    """Delete an SQLite database: the file first, so that its journal is never applied to another file."""
    for path in (file, file.with_name(file.name + "-journal"), file.with_name(file.name + "-wal")):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot replace {str(file)!r}: {error.strerror}") from error
