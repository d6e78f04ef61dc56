"""The directories of a run on this machine: a path below them is reached without following links.

A transfer works with paths. One that is below a directory of the run is held: the directory above it
is opened component by component (`beneath.py`), and the kernel reaches the file through the open
directory, whatever a job makes of the names meanwhile. Errors have the usual name. Where /proc is not
mounted, as on a node behind walls, a path is only checked: a job that runs at the same time can still replace it.
"""

import errno
import os
from typing import Any, Iterable, List, Optional, Tuple

from markab.errors import MarkabError, TransferRefused, quoted
from markab.transfers.beneath import Beneath, held, name_inside, obstacle
from markab.transfers.os_errors import reading_failed, writing_failed

NOT_AS_MADE = (errno.ENOTDIR, errno.ELOOP, errno.EINVAL, errno.ENXIO, errno.EXDEV)
"""Errors of opening something below a directory where a job has put something else in place of a file or directory."""


_proc: List[bool] = []  # whether /proc is mounted, once that is known


def _has_proc(path: str) -> bool:
    if not _proc:
        _proc.append(os.path.exists(path))
    return _proc[0]


class Held(object):
    """One path, for as long as it is held: a context manager that gives `path`, and ends with `close`."""

    __slots__ = ("_fd", "_held", "_name", "path")

    def __init__(self, path: str, fd: int = -1, file: str = "", name: str = "") -> None:
        self._fd = fd
        self._held = held(fd)
        self._name = name
        self.path = path
        if fd >= 0 and _has_proc(self._held):
            self.path = self._held + "/" + file if file else self._held
        """What to give to system calls."""

    def __enter__(self) -> str:
        return self.path

    def __exit__(self, kind: Any, error: Optional[BaseException], trace: Any) -> None:
        self.close(error)

    def close(self, error: Optional[BaseException] = None) -> None:
        """Let go of it; `error`, which happened meanwhile, then has the usual name. May be called twice."""
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        if isinstance(error, MarkabError):
            error.message = error.message.replace(self._held, self._name)
            error.hint = error.hint.replace(self._held, self._name)
            error.args = (error.message, error.hint)
        elif isinstance(error, OSError) and isinstance(error.filename, str):
            error.filename = error.filename.replace(self._held, self._name)


class OwnDirectories(object):
    """Directories below which paths are held; all other paths are taken as they are."""

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._tops = tuple(path.rstrip("/") + "/" for path in paths)

    def source(self, path: str, destination: str) -> Held:
        """Hold a file that is read; a link is followed only to another file in the same directory of the run.

        Raises:
            TransferRefused: it does not exist, is no file, or is outside.
            TransferUnavailable: the disk failed.
        """
        top, name = self._find(path)
        if not top:
            return Held(path)
        try:
            return Held(path, open_inside(top, name), name=path)
        except OSError as error:
            _refuse_obstacle(top, name, error)
            raise reading_failed(error, path, destination) from error

    def destination(self, path: str, source: str) -> Held:
        """Hold the place of a file that is written; directories that are missing on the way are made.

        Raises:
            TransferRefused: what is on the way is no directory, or cannot be written.
            TransferUnavailable: the disk failed.
            StorageError: it is full.
        """
        top, name = self._find(path)
        if not top:
            return Held(path)
        folder, _, last = name.rpartition("/")
        try:
            return Held(path, _open_folder(top, folder), last, os.path.join(top, folder) if folder else top)
        except OSError as error:
            _refuse_obstacle(top, name, error)
            raise writing_failed(error, source, path) from error

    def _find(self, path: str) -> Tuple[str, str]:
        """Return the directory of the run that has `path`, and the name in it; empty: none has it."""
        for top in self._tops:
            if path.startswith(top):
                return top[:-1], path[len(top) :]
        return "", ""


def open_inside(top: str, name: str) -> int:
    """Return a descriptor of a regular file in the directory `top`, also behind links that stay in it. Raises OSError."""
    directory = Beneath(top)
    try:
        try:
            return directory.open(name)
        except OSError:
            inside = name_inside(top, name)
            if inside is None or inside == name:
                raise
            return directory.open(inside)
    finally:
        directory.close()


def open_own(top: str) -> Beneath:
    """Return a directory of the run, held open; it is made if it is missing.

    Raises:
        TransferRefused: something else is in its place.
        OSError: it cannot be made or opened.
    """
    try:
        return Beneath(top)
    except FileNotFoundError:
        os.makedirs(top, exist_ok=True)
        return Beneath(top)
    except NotADirectoryError as error:
        _refuse_obstacle(top, ".", error)
        raise


def _open_folder(top: str, folder: str) -> int:
    directory = open_own(top)
    try:
        return directory.open_directory(folder, make=True) if folder else directory.detach()
    finally:
        directory.close()


def _refuse_obstacle(top: str, name: str, error: OSError) -> None:
    if error.errno in NOT_AS_MADE:
        what = why_not_as_made(top, name)
        if what is not None:
            raise what from error


def why_not_as_made(top: str, name: str) -> Optional[TransferRefused]:
    """Return the error for a file `name` of the directory `top` that `obstacle` finds out of reach; None: it is not."""
    path, what = obstacle(top, name)
    if not path:
        return None
    return TransferRefused(
        "'%s' is %s, and not as the run made it: '%s' is neither read nor written"
        % (path, what, os.path.join(top, name)),
        "rm -r %s, then run again: what is missing is made again" % quoted(path),
    )
