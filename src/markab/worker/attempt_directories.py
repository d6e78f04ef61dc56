"""Directories of attempts: made new, or taken over from an attempt that left its own empty.

A journalling file system takes 25 microseconds to make and remove a directory when it is idle, and milliseconds when the disk is busy; renaming one takes 15 in both
cases. So an executor of many attempts keeps a few, under their old names, until `close`.
"""

import os
import stat
from typing import List

from markab.transfers.local_directory import remove_tree

_GROWN_BYTES = 65536  # a directory that held thousands of files stays slow


class AttemptDirectories(object):
    """Gives each attempt an empty directory. May be used by many threads at once."""

    def __init__(self, keep: int = 64) -> None:
        self._keep = keep
        self._spare: List[str] = []
        self._mode = -1
        """Permissions of a directory as we make it; a task may change them."""

    def make(self, path: str) -> None:
        """Make the directory `path`, empty, whatever was there before. Raises OSError."""
        while self._spare:
            try:
                os.rename(self._spare.pop(), path)
                return
            except (IndexError, FileNotFoundError):
                continue  # another thread was faster, or it was removed
            except OSError:
                break  # `path` is there and not empty, or on another disk
        try:
            os.mkdir(path)
        except FileExistsError:
            discard_tree(path)
            os.mkdir(path)
        except FileNotFoundError:
            os.makedirs(path)
        if self._mode < 0:
            self._mode = stat.S_IMODE(os.stat(path).st_mode)

    def empty(self, path: str) -> None:
        """Remove what is in `path`, and `path` itself, or keep it empty for `make`; what cannot be removed stays."""
        try:
            for name in os.listdir(path):
                os.unlink(os.path.join(path, name))
            status = os.stat(path)
        except OSError:
            discard_tree(
                path
            )  # it has directories in it, or the task removed it or took away its permissions
            return
        as_made = stat.S_IMODE(status.st_mode) == self._mode and status.st_uid == os.geteuid()
        if as_made and status.st_size <= _GROWN_BYTES and len(self._spare) < self._keep:
            self._spare.append(path)
        else:
            os.rmdir(path)

    def close(self) -> None:
        """Remove what is kept. May be called twice."""
        while self._spare:
            discard_tree(self._spare.pop())


def discard_tree(path: str) -> None:
    """Remove whatever is at `path`, also what a task made read-only.

    What cannot be removed stays: it takes space, but changes no result.
    """
    remove_tree(path, on_error=lambda _: None)
