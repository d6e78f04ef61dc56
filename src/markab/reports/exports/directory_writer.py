"""Writing a directory of many files so that it appears completely or not at all."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from markab.errors import StorageError
from markab.plan.atomic_file import flush_directory


@contextmanager
def filling(path: Path) -> Iterator[Path]:
    """Yield a directory to fill; when the block ends without an error it becomes `path`.

    A new directory is created beside `path`, flushed to disk and renamed. It is flushed
    in one call: 200,000 small files take two seconds, one by one a minute. A directory that
    exists is kept: the new one is created inside of it, and its content is moved up
    at the end, replacing files of the same names and nothing else; after a crash it may have old and new files.

    Raises:
        StorageError: disk full, directory not writable, `path` is a file, or something that is no
            file has the name of one; nothing of `path` has changed then, unless a disk fails at the end.
    """
    try:
        is_there = path.is_dir()
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
                _check_free(temporary, target)
                _move_up(temporary, target)
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


def _check_free(source: Path, target: Path) -> None:
    """Raise StorageError if a link, device or pipe has the name of a new file or directory, or one that of the other."""
    for folder, folders, names in os.walk(source):
        place = target / Path(folder).relative_to(source)
        for kind, is_kind, these in (("directory", stat.S_ISDIR, folders), ("file", stat.S_ISREG, names)):
            for name in these:
                try:
                    mode = (place / name).lstat().st_mode
                except FileNotFoundError:
                    continue
                if not is_kind(mode):
                    raise StorageError(
                        f"cannot write {str(place / name)!r}: what has this name is no {kind}",
                        hint="remove it, or name another directory with -o",
                    )


def _move_up(source: Path, target: Path) -> None:
    """Move what is in a directory into another, whose files of the same names are replaced."""
    for folder, folders, names in os.walk(source):
        place = target / Path(folder).relative_to(source)
        for name in folders[:]:
            if not (place / name).exists():
                os.rename(os.path.join(folder, name), place / name)
                folders.remove(name)  # all of it has been moved
        for name in names:
            os.replace(os.path.join(folder, name), place / name)
    shutil.rmtree(source)


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
