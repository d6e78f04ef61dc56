"""Moving a directory of a workflow: packed where it is staged in, unpacked where it is delivered; complete or not there.

At its place of delivery a directory is unpacked beside its final name, and then gets it. What had that name before is kept
beside it, unless it is the same: users may have put files of their own into it.
"""

import errno
import fcntl
import itertools
import os
import stat
import tempfile
from typing import Optional, Tuple

from markab.errors import TransferRefused, quoted
from markab.transfers.base import Moved, Stop
from markab.transfers.beneath import Beneath
from markab.transfers.checksum import Verified, compare, sha256_of_open
from markab.transfers.os_errors import reading_failed, writing_failed
from markab.transfers.packed_tree import Packed, pack, unpack
from markab.transfers.partial_file import PartialFile, make_parent, part_stem, sync_directory
from markab.transfers.tree_removal import remove_contents, remove_tree

_BEING_WRITTEN = "tree-"
KEPT = ".replaced-"
"""What stands between the name of a directory that was replaced and a number."""


def is_directory(path: str) -> bool:
    """Return whether a directory is there, or a link to one."""
    return os.path.isdir(path)


def checksum_of_tree(path: str, stop: Stop = None) -> str:
    """Return the sha256 that a directory has when it is packed. Raises as `pack`."""
    return _pack(path, -1, stop).sha256


def stage_tree(
    source: str,
    destination: str,
    stop: Stop = None,
    sha256: Optional[str] = None,
    durable: bool = True,
    verified: Optional[Verified] = None,
    shown: str = "",
) -> Moved:
    """Pack the directory `source` into the file `destination`, which appears complete or not at all.

    Args:
        shown: what messages call the destination.

    Raises as `copy`, and as `pack`.
    """
    try:
        part = PartialFile(destination)
    except OSError as error:
        raise writing_failed(error, source, shown or destination) from error
    try:
        packed = _pack_for(source, part.fd, shown or destination, stop)
        if sha256:
            compare(source, sha256, packed.sha256)
        try:
            arrived = part.commit(0o644, durable)
        except OSError as error:
            raise writing_failed(error, source, shown or destination) from error
        if verified is not None:
            verified.remember_status(arrived, packed.sha256)
    finally:
        part.discard()
    return Moved(packed.size_bytes, packed.sha256)


def _pack_for(source: str, fd: int, destination: str, stop: Stop) -> Packed:
    try:
        return _pack(source, fd, stop)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise writing_failed(error, source, destination) from error
        raise reading_failed(error, source, destination) from error


def _pack(source: str, fd: int, stop: Stop) -> Packed:
    top = Beneath(os.path.realpath(source))  # the user may have put a link in place of it, but not into it
    try:
        return pack(top, "", fd, source, stop)
    finally:
        top.close()


def deliver_tree(
    source: str,
    destination: str,
    stop: Stop = None,
    sha256: Optional[str] = None,
    durable: bool = True,
    check: bool = True,
) -> Moved:
    """Make the directory `destination` of `source`: a packed file, or a directory.

    Raises as `copy`, and as `pack`.
    """
    if not is_directory(source):
        with open(source, "rb") as file:
            return _deliver(file.fileno(), source, destination, stop, sha256, durable, check)
    with tempfile.TemporaryFile() as between:
        _pack_for(source, between.fileno(), destination, stop)
        return _deliver(between.fileno(), source, destination, stop, sha256, durable, check)


def _deliver(
    fd: int,
    source: str,
    destination: str,
    stop: Stop,
    sha256: Optional[str],
    durable: bool,
    check: bool,
) -> Moved:
    actual = None
    if check:
        actual = sha256_of_open(fd, stop)
        if sha256:
            compare(source, sha256, actual)
    size_bytes = os.fstat(fd).st_size
    if actual and is_directory(destination) and _is_same(destination, actual, stop):
        return Moved(size_bytes, actual, link="same")
    _refuse_others(destination)
    try:
        _put(fd, destination, durable, stop)
    except OSError as error:
        raise writing_failed(error, source, destination) from error
    return Moved(size_bytes, actual)


def _is_same(destination: str, sha256: str, stop: Stop) -> bool:
    try:
        return checksum_of_tree(destination, stop) == sha256
    except (OSError, TransferRefused):
        return False


def _refuse_others(destination: str) -> None:
    try:
        status = os.lstat(destination)
    except OSError:
        return
    if not stat.S_ISDIR(status.st_mode):
        raise TransferRefused(
            "cannot deliver a directory to '%s': something else has that name" % destination,
            "mv %s elsewhere" % quoted(destination),
        )


def _put(fd: int, destination: str, durable: bool, stop: Stop) -> None:
    changed = make_parent(destination)
    path, new = _make_empty(part_stem(destination) + _BEING_WRITTEN)
    try:
        try:
            unpack(fd, new, durable, stop)
        except BaseException:
            remove_tree(path, on_error=lambda _: None)
            raise
        if os.path.lexists(destination):
            os.rename(destination, _free_name(destination + KEPT))
        os.rename(path, destination)
    finally:
        new.close()
    for folder in [os.path.dirname(destination), *changed] if durable else ():
        sync_directory(folder)


def _make_empty(stem: str) -> Tuple[str, Beneath]:
    """Return the path of an empty directory that no one else writes, and the directory, locked until it is closed."""
    for number in itertools.count():
        path = stem + str(number)
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            pass
        try:
            new = Beneath(path)
        except (NotADirectoryError, PermissionError):
            continue
        try:
            fcntl.flock(new.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            new.close()
            continue
        except OSError:
            pass  # a file system without locks
        if _is_at(new.fd, path):
            os.fchmod(new.fd, 0o700)  # a delivery that was killed may have made it read-only
            remove_contents(os.dup(new.fd))
            return path, new
        new.close()
    raise AssertionError("there is always a free number")


def _is_at(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except OSError:
        return False


def _free_name(stem: str) -> str:
    return next(
        path for path in (stem + str(number) for number in itertools.count(1)) if not os.path.lexists(path)
    )
