"""Make and remove directories and files on this machine; doing either twice is no error."""

import errno
import os
import stat
from typing import List, Sequence, Tuple

from markab.errors import MarkabError, StorageError, TransferRefused, quoted
from markab.transfers.base import Stop, check_stop
from markab.transfers.beneath import Beneath, name_inside, obstacle
from markab.transfers.os_errors import writing_failed
from markab.transfers.own_directories import NOT_AS_MADE
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
    removed = 0
    errors: List[MarkabError] = []
    folders = set()
    try:
        directory = Beneath(top)
    except FileNotFoundError:
        return 0, []
    except OSError as error:
        return 0, [_not_removed(top, "", error)]
    try:
        for name in names:
            check_stop(stop)
            try:
                folders.add(os.path.dirname(_unlink(directory, top, name)))
                removed += 1
            except FileNotFoundError:
                folders.add(os.path.dirname(name))
            except OSError as error:
                errors.append(_not_removed(top, name, error))
        for folder in sorted(folders, key=len, reverse=True):
            _remove_empty(directory, folder)
    finally:
        directory.close()
    return removed, errors


def _unlink(directory: Beneath, top: str, name: str) -> str:
    """Remove a file; return its name, which is another one if links above it lead to another directory in `top`."""
    try:
        directory.unlink(name)
        return name
    except NotADirectoryError:
        folder, _, last = name.rpartition("/")
        inside = name_inside(top, folder)
        if inside is None:
            raise
        directory.unlink(os.path.join(inside, last))
        return os.path.join(inside, last)


def _not_removed(top: str, name: str, error: OSError) -> MarkabError:
    path = os.path.join(top, name)
    if error.errno in NOT_AS_MADE:
        found, what = obstacle(top, name)
        if found and found != path:
            return StorageError(
                "'%s' is %s, outside of the directory '%s': '%s' is not removed" % (found, what, top, path),
                "rm -r %s" % quoted(found),
            )
    return StorageError(
        "cannot remove '%s': %s" % (path, error.strerror), "ls -ld %s" % quoted(os.path.dirname(path))
    )


def _remove_empty(directory: Beneath, folder: str) -> None:
    while folder:
        try:
            directory.remove_directory(folder)
        except OSError:
            return  # not empty, or in use by another job
        folder = os.path.dirname(folder)
