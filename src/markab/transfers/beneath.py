"""A directory that is held open, and the files below it: reached without following any link.

A task may leave anything in its directory. So each component of a name is opened from the directory
above it, and only if it is a directory itself; what is read is a regular file, so that a FIFO never
blocks and no device is touched.
"""

import errno
import os
import stat
from typing import Callable, Optional, Tuple, TypeVar

from markab.transfers.mounts import check_same_mount, mount_of
from markab.transfers.tree_removal import DIRECTORY

NOT_A_FILE = "Not a regular file"

T = TypeVar("T")


class Beneath(object):
    """A directory, whatever its path means by now. Names are relative to it, with `/` between components.

    Every method raises OSError; NotADirectoryError also for a component that is a symbolic link. So is one at which
    something is mounted: what is there belongs to others.
    """

    __slots__ = ("_mount", "fd")

    def __init__(self, path: str) -> None:
        """Open a directory; that `path` itself is a symbolic link is an error."""
        self.fd = os.open(path, DIRECTORY)
        self._mount: Optional[int] = None

    @classmethod
    def of(cls, fd: int) -> "Beneath":
        """Return the directory that is open as `fd`, which is closed with it."""
        found = cls.__new__(cls)
        found.fd, found._mount = fd, None
        return found

    def detach(self) -> int:
        """Return the descriptor, which the caller closes."""
        fd, self.fd = self.fd, -1
        return fd

    def close(self) -> None:
        """Close it. May be called twice."""
        fd = self.detach()
        if fd >= 0:
            os.close(fd)

    def status(self, name: str) -> os.stat_result:
        """Return the status of what is there; a symbolic link has its own."""
        return self._at(name, lambda fd, last: os.stat(last, dir_fd=fd, follow_symlinks=False))

    def open(self, name: str, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
        """Return a descriptor of a regular file, or of a new one with O_CREAT. Anything else is an error."""
        return self._at(name, lambda fd, last: _open_file(fd, last, flags | os.O_NOFOLLOW, mode))

    def open_linked(self, name: str) -> int:
        """Return a descriptor of a regular file, or of that to which a symbolic link with its name leads, anywhere."""
        return self._at(name, lambda fd, last: _open_file(fd, last, os.O_RDONLY, 0))

    def open_directory(self, name: str, make: bool = False) -> int:
        """Return a descriptor of a directory below this one, or of a duplicate of this one for "".

        Args:
            make: make it and those above it, as far as they are missing.
        """
        fd = os.dup(self.fd)
        for part in name.split("/") if name else ():
            above = fd
            try:
                fd = _open_part(part, above, make)
            finally:
                os.close(above)
        if name:
            try:
                if self._mount is None:
                    self._mount = mount_of(self.fd)
                check_same_mount(fd, self._mount, name)
            except OSError:
                os.close(fd)
                raise
        return fd

    def make_directory(self, name: str) -> None:
        """Make a directory, and those above it; one that is there is no error."""
        os.close(self.open_directory(name, make=True))

    def unlink(self, name: str) -> None:
        """Remove a file or a link."""
        self._at(name, lambda fd, last: os.unlink(last, dir_fd=fd))

    def remove_directory(self, name: str) -> None:
        """Remove an empty directory."""
        self._at(name, lambda fd, last: os.rmdir(last, dir_fd=fd))

    def link(self, fd: int, name: str) -> None:
        """Give the open file `fd` one more name, which is new."""
        self._at(name, lambda folder, last: os.link(held(fd), last, dst_dir_fd=folder, follow_symlinks=True))

    def symlink(self, target: str, name: str) -> None:
        """Make a symbolic link."""
        self._at(name, lambda folder, last: os.symlink(target, last, dir_fd=folder))

    def allow(self, name: str, bits: int) -> None:
        """Add permission bits to a regular file."""

        def add(fd: int, last: str) -> None:
            handle = os.open(last, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
            try:
                mode = os.fstat(handle).st_mode
                if not stat.S_ISREG(mode):
                    raise OSError(errno.EINVAL, NOT_A_FILE, name)
                os.chmod(held(handle), stat.S_IMODE(mode) | bits)
            finally:
                os.close(handle)

        self._at(name, add)

    def move(self, name: str, other: "Beneath", destination: str) -> None:
        """Rename a file to `destination` in `other`, whose missing directories are made; what has that name is replaced."""

        def move_to(fd: int, last: str) -> None:
            self._at(name, lambda source, old: os.rename(old, last, src_dir_fd=source, dst_dir_fd=fd))

        try:
            other._at(destination, move_to)
        except FileNotFoundError:
            if "/" not in destination:
                raise
            other.make_directory(os.path.dirname(destination))
            other._at(destination, move_to)

    def _at(self, name: str, call: Callable[[int, str], T]) -> T:
        """Return the result of `call` with the open directory of `name`, and its last component."""
        folder, slash, last = name.rpartition("/")
        if last == "..":
            raise _leads_out(name)
        if not slash:
            return call(self.fd, last)
        fd = self.open_directory(folder)
        try:
            return call(fd, last)
        finally:
            os.close(fd)


def held(fd: int) -> str:
    """Return the path by which this process reaches what it has open, whatever its names mean by now.

    There is no such path where /proc is not mounted, as in some containers.
    """
    return "/proc/self/fd/%d" % fd


def name_inside(top: str, name: str) -> Optional[str]:
    """Return the name, below the directory `top`, of what symbolic links at or above `name` lead to; None: it is outside."""
    target, inside = os.path.realpath(os.path.join(top, name)), os.path.realpath(top)
    return target[len(inside) + 1 :] if target.startswith(inside + "/") else None


def obstacle(top: str, name: str) -> Tuple[str, str]:
    """Return what stands in place of a directory on the way to the file `name` below `top`, or in place of the file.

    Its path, and what it is, like "a symbolic link to '/home/me'"; two empty texts if nothing does, or no more.
    """
    path = top
    parts = [part for part in name.split("/") if part]
    try:
        for left, part in zip(range(len(parts), -1, -1), ["", *parts]):  # noqa: B905  Python 3.6
            path = os.path.join(path, part) if part else path
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                return path, "a symbolic link to '%s'" % os.readlink(path)
            if not (stat.S_ISDIR if left else stat.S_ISREG)(mode):
                return path, _TYPES.get(stat.S_IFMT(mode), "of an unknown type")
    except OSError:
        pass  # it has just been removed
    return "", ""


_TYPES = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: str, flags: int) -> int:
    """Open a regular file; as the `opener` of `open`. Never waits for the other end of a FIFO.

    Raises:
        OSError: it cannot be opened, or is something else.
    """
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, NOT_A_FILE, path)
    return fd


def _open_part(part: str, above: int, make: bool) -> int:
    if part == "..":
        raise _leads_out(part)
    try:
        return os.open(part or ".", DIRECTORY, dir_fd=above)
    except FileNotFoundError:
        if not make:
            raise
    try:
        os.mkdir(part, dir_fd=above)
    except FileExistsError:
        pass  # another thread was faster
    return os.open(part, DIRECTORY, dir_fd=above)


def _leads_out(name: str) -> OSError:
    return OSError(errno.EXDEV, "It leads out of the directory", name)


def _open_file(folder: int, name: str, flags: int, mode: int) -> int:
    fd = os.open(name, flags | os.O_NONBLOCK | os.O_CLOEXEC, mode, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, NOT_A_FILE, name)
    return fd
