"""Make directories and remove things on this machine; doing either twice is no error."""

import errno
import os
import stat

from markab.errors import TransferRefused
from markab.transfers.base import Stop, check_stop
from markab.transfers.os_errors import writing_failed
from markab.transfers.partial_file import sync_directory


def remove(path: str, recursive: bool = False, stop: Stop = None) -> int:
    """Remove a file or a link, or with `recursive` a directory and all in it; return how many went.

    Links are removed, never followed. What is gone already is no error.

    Raises:
        TransferRefused: not allowed, or a directory without `recursive`.
        Cancelled: `stop` was set; what went is gone.
    """
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            return 1
        if not recursive:
            os.rmdir(path)
            return 1
        if os.path.realpath(path) == "/":
            raise TransferRefused("'%s' is the whole file system: not removed" % path)
        return _remove_tree(path, stop)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        hint = "ls -la '%s'" % (path if recursive else os.path.dirname(path) or ".")
        if error.errno == errno.ENOTEMPTY:
            hint = "ask for it to be removed recursively"
        raise TransferRefused("'%s' cannot be removed: %s" % (path, error.strerror), hint) from error


def make_directory(path: str, durable: bool = False) -> None:
    """Make a directory and its parents; one that is there is no error. Raises as `copy` does."""
    try:
        os.makedirs(path, exist_ok=True)
        if durable:
            sync_directory(os.path.dirname(os.path.abspath(path)))
    except OSError as error:
        raise writing_failed(error, "a new directory", path) from error


def _remove_tree(path: str, stop: Stop) -> int:
    """Remove a directory bottom-up; another one who removes the same at the same time is no error."""
    removed = 0
    with os.scandir(path) as entries:
        children = list(entries)
    for entry in children:
        check_stop(stop)
        if entry.is_dir(follow_symlinks=False):
            removed += _remove_tree(entry.path, stop)
            continue
        try:
            os.unlink(entry.path)
            removed += 1
        except FileNotFoundError:
            pass
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return removed
    return removed + 1
