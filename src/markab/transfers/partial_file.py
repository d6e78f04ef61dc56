"""A file while it is being written: beside its final name, which it takes when complete.

The temporary name is `.<name>.part-<n>` with the smallest n that is not being written. Its
writer holds a lock (flock) on it, which is released in whatever way the writer ends. So the
next attempt for the same file finds a left file without listing the directory, and uses it
again; and two attempts at the same time never share a name.
"""

import errno
import fcntl
import hashlib
import itertools
import os
import stat
from typing import List, Tuple

from markab.transfers.reserved_names import PART

_NAME_MAX = 160  # of 255 bytes, less ".", ".part-" and a number, or name of the host, process and number
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_unique = itertools.count()
_TAKEN = (-1, 0)


class PartialFile(object):
    """One temporary file, open for reading and writing as `fd`, locked until `commit` or `discard`."""

    __slots__ = ("destination", "device", "fd", "new_names_in", "path")

    def __init__(self, destination: str) -> None:
        """Open it; directories that are missing on the way are made. Raises OSError."""
        self.destination = destination
        self.new_names_in = [os.path.dirname(destination)]
        stem = part_stem(destination)
        try:
            self.path, self.fd, self.device = _open_free(stem)
        except FileNotFoundError:
            self.new_names_in += make_parent(destination)
            self.path, self.fd, self.device = _open_free(stem)

    def commit(self, mode: int, durable: bool, mtime_ns: int = 0) -> os.stat_result:
        """Give the file its final name, replacing what has it; return its status. Raises OSError; then call `discard`.

        Args:
            mtime_ns: when its contents were changed; 0: now.
        """
        self.set_times(mode, mtime_ns)
        if durable:
            os.fsync(self.fd)
        elif not os.major(self.device):
            # Network file systems report a failed write when a descriptor is closed. Closing a
            # duplicate does that too, and keeps the lock.
            os.close(os.dup(self.fd))
        status = self.take_name()
        if durable:
            for folder in self.new_names_in:
                sync_directory(folder)
        return status

    def set_times(self, mode: int, mtime_ns: int = 0) -> None:
        """Set permission bits and the time of modification (0: as it is). Raises OSError."""
        os.fchmod(self.fd, mode)
        if mtime_ns:
            os.utime(self.fd, ns=(mtime_ns, mtime_ns))

    def take_name(self) -> os.stat_result:
        """Rename the file and close it; return its status. Raises OSError; then call `discard`."""
        os.rename(self.path, self.destination)
        self.path = ""
        status = os.fstat(self.fd)  # renaming changed it
        fd, self.fd = self.fd, -1
        os.close(fd)
        return status

    def discard(self) -> None:
        """Remove what was written, if it has not become the file. May be called twice; never raises."""
        if self.path:
            try:
                os.unlink(self.path)
            except OSError:
                pass  # removed already, or on a disk that is not mounted any more: the next attempt uses it again
            self.path = ""
        if self.fd >= 0:
            try:
                os.close(self.fd)
            except OSError:
                pass  # a failed write does not matter: the file is discarded
            self.fd = -1


def part_stem(destination: str) -> str:
    """Return the path of temporary names for `destination`, without the number at their end."""
    folder, slash, name = destination.rpartition("/")
    if len(name) > _NAME_MAX // 4:  # a character has up to 4 bytes
        raw = os.fsencode(name)
        if len(raw) > _NAME_MAX:
            name = os.fsdecode(raw[:144]) + hashlib.sha256(raw).hexdigest()[:16]
    return folder + slash + "." + name + PART


def make_parent(path: str) -> List[str]:
    """Make the directory of `path`, and return the directories that got a new name by that. Raises OSError."""
    changed = []
    folder = os.path.dirname(os.path.abspath(path))
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
        changed.append(folder)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    return changed


def sync_directory(path: str) -> None:
    """Make the names in a directory survive a power loss. Raises OSError."""
    fd = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that sync names by themselves
            raise
    finally:
        os.close(fd)


def _open_free(stem: str) -> Tuple[str, int, int]:
    """Return the path, descriptor and device of a new file."""
    for number in itertools.count():
        path = stem + str(number)
        try:
            fd, device = _open_locked(path)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            break
        if fd >= 0:
            return path, fd, device
    path = "%s%s-%d-%d" % (stem, os.uname().nodename, os.getpid(), next(_unique))
    return path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), 0


def _open_locked(path: str) -> Tuple[int, int]:
    """Open `path` empty and locked; return its descriptor and device, or -1 if another writer has it."""
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                return _TAKEN
            if error.errno == errno.EACCES and os.path.lexists(path):
                if _remove_abandoned(path):
                    continue
                return _TAKEN
            raise
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
                os.close(fd)
                return (
                    _TAKEN  # no file of ours, or one that has another name too: a task may have put it there
                )
            # Its last writer may have renamed or removed it between our open and our lock.
            if _is_at(status, path):
                if status.st_size:
                    os.ftruncate(fd, 0)
                return fd, status.st_dev
        except BlockingIOError:
            os.close(fd)
            return _TAKEN
        except BaseException:
            _discard_empty(fd, path)
            raise
        os.close(fd)


def _discard_empty(fd: int, path: str) -> None:
    """Close a file that could not be locked or examined; remove it if it is empty."""
    try:
        status = os.fstat(fd)
        if status.st_size == 0 and _is_at(status, path):
            os.unlink(path)
    except OSError:
        pass  # the first error is the one to report
    os.close(fd)


def _remove_abandoned(path: str) -> bool:
    """Remove a file that its writer, which has ended, had already made read-only; return whether that worked."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(os.fstat(fd), path):
            os.unlink(path)
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


def _is_at(status: os.stat_result, path: str) -> bool:
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(status, there)
