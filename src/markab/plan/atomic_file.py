"""Replacing a file atomically: a crash leaves either the old one or the new one."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from markab.errors import StorageError
from markab.transfers.beneath import open_regular


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
        temporary.unlink(missing_ok=True)
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666
        )
        with open(descriptor, "wb", buffering=1 << 20) as file:
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


def read_regular(path: Path) -> bytes:
    """Return the contents of a file; anything else in its place is an OSError, and never waited for."""
    with open(path, "rb", opener=open_regular) as file:
        return file.read()


@contextmanager
def user_output(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write where the user asked for it.

    A file is replaced as by `replacing`; a symbolic link stays, and the file that it names is
    replaced; a device or a FIFO is written to, and never replaced.

    Raises:
        StorageError: as `replacing`, or it is a directory or a socket.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        mode = stat.S_IFREG  # nothing is there yet; what is wrong with the place is found below
    if stat.S_ISREG(mode):
        with replacing(Path(os.path.realpath(path))) as file:
            yield file
        return
    try:
        with open(path, "wb", buffering=1 << 20) as file:
            yield file
    except OSError as error:
        raise StorageError(
            f"cannot write {str(path)!r}: {error.strerror or error}", hint="name a file"
        ) from error


def flush_directory(path: Path) -> None:
    """Flush the entries of a directory to disk, so that they survive a power loss."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
