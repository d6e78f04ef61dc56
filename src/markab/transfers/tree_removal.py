"""Remove a directory with all that is in it: no link is followed, and no depth is too much.

The walk keeps one directory open, whatever the depth: it goes down by name and up by `..`, and
ends with an error if that is not the directory that it came from.
"""

import errno
import os
from functools import partial
from typing import Any, Callable, List, Optional, Tuple

from markab.transfers.base import Stop, check_stop
from markab.transfers.mounts import check_same_mount, mount_of

OnError = Callable[[OSError], None]

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags that open a directory, and not what a link names."""

_Identity = Tuple[int, int]


def remove_tree(path: str, stop: Stop = None, last: str = "", on_error: Optional[OnError] = None) -> int:
    """Remove whatever is at `path`, a directory with all that is in it; return how many entries were removed.

    Symbolic links are removed, never followed; what is mounted at or below `path` is left alone. Directories
    below `path`, and itself, that a task made read-only are made writable first. An entry that does not
    exist, or that another process removes at the same time, is no error.

    Args:
        last: name of the file directly in the directory that is removed after everything else in it.
        on_error: called for each entry that cannot be removed; the others are still removed. None:
            the first error is raised.

    Raises:
        OSError: an entry cannot be removed, and there is no `on_error`.
        Cancelled: `stop` was set; some of it may be removed.
    """
    report = on_error or _raise
    removed = 0
    try:
        try:
            os.unlink(path)
        except IsADirectoryError:
            removed = remove_contents(_open_unmounted(path), stop, last, report)
            os.rmdir(path)
        removed += 1
    except FileNotFoundError:
        pass
    except OSError as error:
        report(error)
    return removed


def remove_contents(fd: int, stop: Stop = None, last: str = "", on_error: Optional[OnError] = None) -> int:
    """Remove all that is in the open directory `fd`, which is closed; see `remove_tree`."""
    walk = _Walk(fd, stop, last, on_error or _raise)
    try:
        walk.run()
    finally:
        os.close(walk.fd)
    return walk.removed


class _Walk(object):
    """The removal of what is in one directory."""

    def __init__(self, fd: int, stop: Stop, last: str, on_error: OnError) -> None:
        self.fd = fd
        """The directory in which it is."""
        self.removed = 0
        self._stop = stop
        self._last = last
        self._on_error = on_error
        self._mount: Optional[int] = None
        """The mount that the first directory is in; asked for only when there are directories below."""
        self._above: List[Tuple[_Identity, str, List[str]]] = []
        """Of each directory above: its identity, our name in it, and its directories that are still to be removed."""

    def run(self) -> None:
        """Remove everything; what is called `last` comes last."""
        self._remove_directories(self._remove_files(self._last))
        if self._last:
            try:
                self._do(partial(os.unlink, self._last, dir_fd=self.fd))
            except IsADirectoryError:
                self._remove_directories([self._last])

    def _remove_directories(self, directories: List[str]) -> None:
        while directories or self._above:
            directories = self._down(directories) if directories else self._up()

    def _remove_files(self, but: str = "") -> List[str]:
        """Remove all files that are in the directory; return the names of the directories."""
        directories = []
        for name in os.listdir(self.fd):
            check_stop(self._stop)
            if name != but:
                try:
                    self._do(partial(os.unlink, name, dir_fd=self.fd))
                except IsADirectoryError:
                    directories.append(name)
        return directories

    def _down(self, directories: List[str]) -> List[str]:
        """Go into the last of `directories`; return those in it."""
        name = directories.pop()
        try:
            child = _open_directory(name, self.fd)
        except FileNotFoundError:
            return directories
        except OSError as error:
            self._on_error(error)
            return directories
        if self._mount is None:
            self._mount = mount_of(self.fd)
        try:
            check_same_mount(child, self._mount, name)
        except OSError as error:
            os.close(child)
            self._on_error(error)
            return directories
        self._above.append((_identity(self.fd), name, directories))
        os.close(self.fd)
        self.fd = child
        return self._remove_files()

    def _up(self) -> List[str]:
        """Go to the directory above, and remove the one that is now empty; return its directories that are left."""
        identity, name, directories = self._above.pop()
        above = _permitted(self.fd, partial(os.open, "..", DIRECTORY, dir_fd=self.fd))
        os.close(self.fd)
        self.fd = above
        if _identity(above) != identity:
            raise OSError(errno.ESTALE, "it was moved while it was removed", name)
        self._do(partial(os.rmdir, name, dir_fd=self.fd))
        return directories

    def _do(self, call: Callable[[], Any]) -> None:
        try:
            _permitted(self.fd, call)
            self.removed += 1
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            raise
        except OSError as error:
            self._on_error(error)


def _raise(error: OSError) -> None:
    raise error


def _identity(fd: int) -> _Identity:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def _open_unmounted(path: str) -> int:
    """Open a directory, unless something is mounted at it."""
    above = os.open(os.path.dirname(path.rstrip("/")) or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = _open_directory(path, None)
        try:
            check_same_mount(fd, mount_of(above), path)
        except OSError:
            os.close(fd)
            raise
        return fd
    finally:
        os.close(above)


def _open_directory(name: str, parent: Optional[int]) -> int:
    try:
        return os.open(name, DIRECTORY, dir_fd=parent)
    except PermissionError:
        # By what was found, not by its name: that may be a link by now.
        found = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            os.chmod("/proc/self/fd/%d" % found, 0o700)
        finally:
            os.close(found)
        return os.open(name, DIRECTORY, dir_fd=parent)


def _permitted(directory: int, call: Callable[[], Any]) -> Any:
    """Make `call`; if it is not permitted, make the open `directory` writable and try again."""
    try:
        return call()
    except PermissionError:
        os.fchmod(directory, 0o700)
        return call()
