"""Placing a staged input in the directory of an attempt: by clone, copy or link.

A task may write to its inputs, and what it writes must not reach the
staged file, which other tasks read. So it gets its own copy where that is
cheap: the file system shares the blocks (reflink), or the file is small. A large
file is linked, and the staged file is made read-only so that no task changes it
by accident; root would write through that, so root gets a copy.
"""

import errno
import os
import stat
from typing import Set, Tuple

from markab.transfers.base import Stop
from markab.transfers.beneath import Beneath, held
from markab.transfers.copy_bytes import SMALL_BYTES, Shrank, WriteFailed, clone, copy_bytes, write_all

SMALL_INPUT_BYTES = 16 * 1024 * 1024

_no_clone_on: Set[int] = set()  # devices of file systems that cannot


def ways(size_bytes: int, as_root: bool, is_symlink: bool, private: bool) -> Tuple[str, ...]:
    """Return the ways to try, best first, out of "clone", "copy", "link" and "symlink".

    Args:
        is_symlink: the staged file is a symbolic link to a file of the user's, which is
            never to be made read-only or to get further hard links.
        private: the task is expected to change it (a checkpoint).
    """
    if private or size_bytes <= SMALL_INPUT_BYTES or as_root:
        return ("clone", "copy")
    return ("clone", "symlink", "copy") if is_symlink else ("clone", "link", "copy")


def place_input(
    staged: int,
    directory: Beneath,
    name: str,
    status: os.stat_result,
    order: Tuple[str, ...],
    executable: bool,
    stop: Stop = None,
) -> str:
    """Put the open file `staged`, whose status is `status`, at `name` in a directory; return the way that worked.

    `name` does not exist yet.

    Raises:
        OSError: none of the ways worked; this is the last one's reason.
        Cancelled: `stop` was set.
    """
    for way in order:
        if way == "clone" and _copy(staged, directory, name, status, executable, stop, only_clone=True):
            return way
        if way == "link" and _link(staged, directory, name, status, executable):
            return way
        if way == "symlink" and _symlink(staged, directory, name):
            return way
        if way == "copy":
            _copy(staged, directory, name, status, executable, stop)
            return way
    raise AssertionError("the last way always works or raises")


def _copy(
    staged: int,
    directory: Beneath,
    name: str,
    status: os.stat_result,
    executable: bool,
    stop: Stop,
    only_clone: bool = False,
) -> bool:
    """Copy; return whether it was done. With `only_clone`, nothing is left behind when it was not."""
    if only_clone and (status.st_size <= SMALL_BYTES or status.st_dev in _no_clone_on):
        return False
    target = directory.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, _mode(status, executable) | 0o600)
    try:
        if only_clone and not clone(staged, target):
            _no_clone_on.add(status.st_dev)
            directory.unlink(name)
            return False
        if not only_clone:
            _copy_bytes(staged, target, status.st_size, stop)
        os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))
    finally:
        os.close(target)
    return True


def _copy_bytes(source: int, target: int, size_bytes: int, stop: Stop) -> None:
    try:
        if size_bytes <= SMALL_BYTES:
            write_all(target, os.pread(source, size_bytes, 0))
        else:
            copy_bytes(source, target, size_bytes, stop)
    except WriteFailed as error:
        raise error.error from error
    except Shrank as error:
        raise OSError(errno.EIO, "it became shorter while it was read") from error


def _link(staged: int, directory: Beneath, name: str, status: os.stat_result, executable: bool) -> bool:
    read_only = _mode(status, executable) & 0o555
    try:
        if stat.S_IMODE(status.st_mode) != read_only:
            # A further name may be one that the user gave it: leave its mode alone.
            if status.st_nlink > 1:
                return False
            os.fchmod(staged, read_only)
        directory.link(staged, name)
    except OSError:
        return False  # another file system, or one without links: the next way copies
    return True


def _symlink(staged: int, directory: Beneath, name: str) -> bool:
    try:
        directory.symlink(os.readlink(held(staged)), name)
    except OSError:
        return False
    return True


def _mode(status: os.stat_result, executable: bool) -> int:
    mode = stat.S_IMODE(status.st_mode) & 0o777 | 0o400
    return mode | 0o111 if executable else mode
