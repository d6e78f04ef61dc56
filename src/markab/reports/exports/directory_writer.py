"""Writing a directory of many files so that it appears completely or not at all."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from markab.errors import StorageError
from markab.plan.atomic_file import flush_directory


@contextmanager
def filling(path: Path) -> Iterator[Path]:
    """Yield a directory to fill; when the block ends without an error it becomes `path`.

    A new directory is created beside `path`, flushed to disk and renamed. It is flushed
    in one call: 200,000 small files take two seconds, one by one a minute. An empty
    directory is kept: the new one is created inside of it, and its content is moved up
    at the end. A directory with content is filled in place, and keeps what is not
    replaced; after a crash it may have old and new files.

    Raises:
        StorageError: disk full, directory not writable, `path` is a file.
    """
    try:
        is_there = path.is_dir()
        if is_there and any(path.iterdir()):
            yield path
            return
        target = Path(os.path.realpath(path))
        if target.exists() and not is_there:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        parent = target if is_there else target.parent
        parent.mkdir(parents=True, exist_ok=True)
        temporary = parent / f".{target.name}.{os.getpid()}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            yield temporary
            _flush_file_system(temporary)
            if is_there:
                _move_up(temporary)
            else:
                os.rename(temporary, target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        flush_directory(parent)
    except OSError as error:
        raise StorageError(
            f"cannot write to {str(path)!r}: {error.strerror or error}",
            hint="free some space, or name another directory with -o",
        ) from error


def _move_up(directory: Path) -> None:
    """Move the entries of a directory into its parent."""
    for name in os.listdir(directory):
        os.rename(directory / name, directory.parent / name)
    directory.rmdir()


def _flush_file_system(path: Path) -> None:
    """Flush the whole file system of `path` to disk, and no other."""
    try:
        syncfs = ctypes.CDLL(None, use_errno=True).syncfs
    except AttributeError:  # Linux only
        os.sync()
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    finally:
        os.close(descriptor)
