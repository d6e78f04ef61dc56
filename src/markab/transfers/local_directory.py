"""Make and remove directories and files on this machine; doing either twice is no error."""

import errno
import os
import stat
from typing import List, Sequence, Tuple

from markab.errors import MarkabError, StorageError, TransferRefused, quoted
from markab.transfers.base import Stop, check_stop
from markab.transfers.os_errors import writing_failed
from markab.transfers.partial_file import sync_directory
from markab.transfers.tree_removal import remove_tree


def remove(path: str, recursive: bool = False, stop: Stop = None, last: str = "") -> int:
    """Remove a file or a link, or with `recursive` a directory as `remove_tree` does; return the number removed.

    Raises:
        TransferRefused: not allowed, or a directory without `recursive`.
        Cancelled: `stop` was set; some of it may be removed.
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
        return remove_tree(path, stop, last)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        hint = "ls -la %s" % quoted(path if recursive else os.path.dirname(path) or ".")
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


def clean(top: str, names: Sequence[str], stop: Stop = None) -> Tuple[int, List[MarkabError]]:
    """Remove files below `top`, and the directories that they leave empty; see `Scheme.clean`.

    A file that is reached through a link that leads out of `top` is not removed.
    """
    inside = os.path.realpath(top)
    parents = set()
    removed = 0
    errors: List[MarkabError] = []
    for name in names:
        check_stop(stop)
        path = os.path.join(top, name)
        folder = os.path.realpath(os.path.dirname(path))
        if folder != inside and not folder.startswith(inside + "/"):
            errors.append(StorageError("'%s' is outside of the directory '%s': not removed" % (path, top)))
            continue
        try:
            removed += _unlink(os.path.join(folder, os.path.basename(path)), path)
        except MarkabError as error:
            errors.append(error)
        parents.add(folder)
    for folder in sorted(parents, key=len, reverse=True):
        _remove_empty(folder, inside)
    return removed, errors


def _unlink(path: str, name: str) -> int:
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise StorageError(
            "cannot remove '%s': %s" % (name, error.strerror), "ls -ld %s" % quoted(os.path.dirname(path))
        ) from error
    return 1


def _remove_empty(folder: str, inside: str) -> None:
    while folder.startswith(inside + "/"):
        try:
            os.rmdir(folder)
        except OSError:
            return  # not empty, or in use by another job
        folder = os.path.dirname(folder)
