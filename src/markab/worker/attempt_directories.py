"""The directories of attempts: held open, so that whatever a task makes of the name, we know what is ours.

Making and removing a directory costs a journalling file system three times as much as renaming one. So
one is used again, under a new name, if it is provably as it was made and no process of its last attempt
is alive: what outlives a task may go on writing there.
"""

import os
import stat
from typing import List, Tuple

from markab.transfers.beneath import Beneath
from markab.transfers.tree_removal import remove_contents, remove_tree

_GROWN_BYTES = 65536  # a directory that held thousands of files stays slow


class AttemptDirectories(object):
    """Gives each attempt an empty directory. May be used by many threads at once."""

    def __init__(self, keep: int = 0) -> None:
        """Start with none; at most `keep` are kept to be used again."""
        self._keep = keep
        self._spare: List[Tuple[Beneath, str]] = []
        self._mode = -1
        """Permissions of a directory as we make it."""
        self._owner = os.geteuid()

    def make(self, path: str) -> Beneath:
        """Make the directory `path`, empty, whatever was there before. Raises OSError."""
        while True:
            try:
                directory, spare = self._spare.pop()
            except IndexError:  # none is left; not asked before, since another thread may be faster
                return self._make_new(path)
            try:
                os.rename(spare, path)
                if _is_at(directory, path):
                    return directory
            except OSError:
                pass  # it was removed, or `path` is there and not empty, or on another disk
            directory.close()
            discard_tree(spare)

    def _make_new(self, path: str) -> Beneath:
        try:
            os.mkdir(path)
        except FileExistsError:
            discard_tree(path)
            os.mkdir(path)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.mkdir(path)
        directory = Beneath(path)
        if self._mode < 0:
            self._mode = stat.S_IMODE(os.fstat(directory.fd).st_mode)
        return directory

    def remove(self, directory: Beneath, path: str, reusable: bool) -> None:
        """Close a directory and remove it, with what is in it and what is at `path` now; what cannot be removed stays.

        Args:
            reusable: it is empty, and no process of its attempt is alive: it may be kept.
        """
        try:
            if reusable and len(self._spare) < self._keep and self._is_as_made(directory, path):
                self._spare.append((directory, path))
                return
            if reusable and _is_at(directory, path):
                os.rmdir(path)
                directory.close()
                return
            status = os.fstat(directory.fd)
            remove_contents(directory.detach(), on_error=_ignore)
            if os.path.samestat(status, os.lstat(path)):
                os.rmdir(path)
                return
        except OSError:
            pass  # a process of the task is still at work in it, or it has permissions that are not ours
        directory.close()
        discard_tree(path)

    def _is_as_made(self, directory: Beneath, path: str) -> bool:
        status = os.fstat(directory.fd)
        return (
            stat.S_IMODE(status.st_mode) == self._mode
            and status.st_uid == self._owner
            and status.st_size <= _GROWN_BYTES
            and os.path.samestat(status, os.lstat(path))
        )

    def close(self) -> None:
        """Remove what is kept. May be called twice."""
        while self._spare:
            directory, path = self._spare.pop()
            directory.close()
            discard_tree(path)


def discard_tree(path: str) -> None:
    """Remove whatever is at `path`, also what a task made read-only.

    What cannot be removed stays: it takes space, but changes no result.
    """
    remove_tree(path, on_error=_ignore)


def _is_at(directory: Beneath, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(directory.fd), os.lstat(path))
    except OSError:
        return False


def _ignore(error: OSError) -> None:
    pass
