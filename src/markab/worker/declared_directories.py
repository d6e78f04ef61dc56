"""Directories that a task reads and makes: unpacked into the directory of its attempt, and packed afterwards.

In the run's scratch each is one file (`transfers/tree_names.py`). A job that runs in the scratch itself (sharedfs) has the
directory beside that file.
"""

import errno
import os
import stat
from typing import Iterable

from markab.errors import MarkabError
from markab.transfers.base import Stop
from markab.transfers.beneath import Beneath
from markab.transfers.checksum import sha256_of_open
from markab.transfers.error_kinds import ErrorKind
from markab.transfers.packed_tree import pack, unpack
from markab.transfers.tree_names import declared_name, directory_name, is_tree
from markab.transfers.tree_removal import remove_contents
from markab.worker.attempt import Prepared
from markab.worker.failure import AttemptFailed, storage_error


def unpack_input(prepared: Prepared, lfn: str, fd: int, stop: Stop) -> None:
    """Unpack an open, verified file into the directory in which the tasks run; one that is there and the same is left alone.

    Raises:
        AttemptFailed: it cannot be unpacked.
        Cancelled: `stop` was set.
    """
    top, name = prepared.directory, directory_name(lfn)
    assert top is not None, "it is made before the inputs"
    try:
        if not prepared.has_directory:
            if _is_there(top, name, fd, stop):
                return
            remove_directories(top, [lfn])
        new = Beneath.of(top.open_directory(name, make=True))
        try:
            unpack(fd, new, stop=stop)
        finally:
            new.close()
    except OSError as error:
        place = os.path.join(prepared.cwd, name)
        raise storage_error(
            "cannot unpack input '%s' at '%s'" % (declared_name(lfn), place), error
        ) from error


def _is_there(top: Beneath, name: str, fd: int, stop: Stop) -> bool:
    try:
        return pack(top, name, -1, name, stop).sha256 == sha256_of_open(fd, stop)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return False
        raise


def pack_output(prepared: Prepared, lfn: str, stop: Stop) -> os.stat_result:
    """Pack the directory that a task made, beside it; return the status of the packed file.

    Raises:
        AttemptFailed: it is no directory, or something in it cannot be packed.
        OSError: it does not exist.
        Cancelled: `stop` was set.
    """
    top, name = prepared.directory, directory_name(lfn)
    assert top is not None, "its tasks ran there"
    output = "output '%s' of job '%s'" % (declared_name(lfn), prepared.job["id"])
    if not stat.S_ISDIR(top.status(name).st_mode):
        raise AttemptFailed(
            ErrorKind.MISSING_OUTPUT,
            "%s is no directory" % output,
            "the task must make a directory '%s'; if it makes a file, declare it without the slash" % name,
        )
    try:
        top.unlink(lfn)
    except FileNotFoundError:
        pass
    fd = top.open(lfn, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        packed = pack(top, name, fd, os.path.join(prepared.cwd, name), stop)
        status = os.fstat(fd)
        prepared.verified.remember_status(status, packed.sha256)
        return status
    except OSError as error:
        raise storage_error("cannot pack %s" % output, error) from error
    except MarkabError as error:
        if stop is not None and stop.is_set():
            raise
        raise AttemptFailed(
            ErrorKind.MISSING_OUTPUT, "%s cannot be taken: %s" % (output, error), error.hint
        ) from error
    finally:
        os.close(fd)


def remove_directories(top: Beneath, lfns: Iterable[str]) -> None:
    """Remove what was unpacked or made beside packed files; one that does not exist is no error. Raises OSError."""
    for lfn in lfns:
        if is_tree(lfn):
            try:
                fd = top.open_directory(directory_name(lfn))
            except FileNotFoundError:
                continue
            remove_contents(fd)
            top.remove_directory(directory_name(lfn))
