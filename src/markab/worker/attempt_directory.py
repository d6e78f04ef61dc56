"""The directory of an attempt: made new, held open, and removed at the end, whatever a task made of its name.

It is never used for a second attempt: a process that outlives its task may go on writing there.
"""

import os

from markab.transfers.beneath import Beneath
from markab.transfers.tree_removal import remove_contents, remove_tree


def make_directory(path: str) -> Beneath:
    """Make the directory `path`, empty, whatever was there before. Raises OSError."""
    try:
        os.mkdir(path)
    except FileExistsError:
        discard_tree(path)
        os.mkdir(path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.mkdir(path)
    return Beneath(path)


def remove_if_empty(path: str) -> bool:
    """Remove the directory `path` if nothing is in it, as after most tasks; return whether it was removed."""
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True


def remove_directory(directory: Beneath, path: str) -> None:
    """Close a directory and remove it, with what is in it and what is at `path` now; what cannot be removed stays."""
    status = os.fstat(directory.fd)
    try:
        remove_contents(directory.detach(), on_error=_ignore)
        if os.path.samestat(status, os.lstat(path)):
            os.rmdir(path)
            return
    except OSError:
        pass  # a process of the task is still at work in it, or it has permissions that are not ours
    discard_tree(path)


def discard_tree(path: str) -> None:
    """Remove whatever is at `path`, also what a task made read-only.

    What cannot be removed stays: it takes space, but changes no result.
    """
    remove_tree(path, on_error=_ignore)


def _ignore(error: OSError) -> None:
    pass
