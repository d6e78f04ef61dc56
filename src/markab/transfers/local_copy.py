"""Copy a file on this machine, so that the copy is complete or not there.

Bytes go to a temporary name, which is renamed. Nothing ever writes into a file that exists.
"""

import errno
import hashlib
import os
import stat
from typing import Optional

from markab.errors import TransferRefused, TransferUnavailable, quoted
from markab.transfers.base import Moved, Stop, check_stop
from markab.transfers.checksum import Verified, compare, sha256_of_open
from markab.transfers.copy_bytes import (
    SMALL_BYTES,
    Shrank,
    WriteFailed,
    clone,
    copy_and_hash,
    copy_bytes,
    is_sparse,
    read_small,
    write_all,
)
from markab.transfers.group_commit import GroupCommit
from markab.transfers.os_errors import move_away, reading_failed, writing_failed
from markab.transfers.partial_file import PartialFile


def copy(
    source: str,
    destination: str,
    stop: Stop = None,
    sha256: Optional[str] = None,
    executable: bool = False,
    durable: bool = True,
    digest: bool = True,
    verified: Optional[Verified] = None,
    group: Optional[GroupCommit] = None,
) -> Moved:
    """Copy a file, with its mode bits and its time of modification; `destination` appears complete or not at all.

    An existing file is replaced; if it is the source itself, also by another name, it is left
    alone. Missing directories are made.

    Args:
        group: the copy gets its name, and is durable, when this is committed; `durable` does not matter then.

    Raises:
        TransferRefused: no such file, a directory, not allowed, read-only.
        TransferUnavailable: the disk failed, or `source` changed meanwhile.
        ChecksumMismatch: `source` has another sha256; `destination` is as it was.
        StorageError: the disk is full.
        Cancelled: `stop` was set.
    """
    check_stop(stop)
    status = file_status(source, destination)
    if is_same(status, destination):
        return _same(source, destination, status, sha256, executable, digest, stop, verified)
    try:
        fd = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise reading_failed(error, source, destination) from error
    try:
        return copy_open(
            fd, source, destination, stop, sha256, executable, durable, digest, verified, group, status
        )
    finally:
        os.close(fd)


def copy_open(
    fd: int,
    source: str,
    destination: str,
    stop: Stop = None,
    sha256: Optional[str] = None,
    executable: bool = False,
    durable: bool = True,
    digest: bool = True,
    verified: Optional[Verified] = None,
    group: Optional[GroupCommit] = None,
    status: Optional[os.stat_result] = None,
) -> Moved:
    """Copy the open file `fd`, which is called `source` in messages; see `copy`.

    Args:
        status: of the file when it was chosen; another one now is an error. None: it is that of `fd`.
    """
    part = None
    status = status or os.fstat(fd)
    try:
        try:
            part = PartialFile(destination)
        except OSError as error:
            raise writing_failed(error, source, destination) from error
        try:
            actual = _fill(fd, part.fd, status, stop, digest or bool(sha256), source, verified)
            after = os.fstat(fd)
        except WriteFailed as failed:
            raise writing_failed(failed.error, source, destination) from failed.error
        except OSError as error:
            raise reading_failed(error, source, destination) from error
        _check_unchanged(status, after, source, destination)
        if sha256 and actual:
            compare(source, sha256, actual)
        mode, mtime_ns = mode_of(status, executable), status.st_mtime_ns
        try:
            if group is not None:
                part.set_times(mode, mtime_ns)
                group.add(part, verified, actual)
                part = None
            else:
                arrived = part.commit(mode, durable, mtime_ns)
                if verified is not None and actual:
                    verified.remember_status(arrived, actual)
        except OSError as error:
            raise writing_failed(error, source, destination) from error
    finally:
        if part is not None:
            part.discard()
    return Moved(status.st_size, actual)


def mode_of(status: os.stat_result, executable: bool) -> int:
    """Return the permission bits a copy gets: those of the file, and x for all who may read if asked."""
    mode = stat.S_IMODE(status.st_mode) & 0o777
    return mode | (mode & 0o444) >> 2 if executable else mode


def file_status(source: str, destination: str) -> os.stat_result:
    """Return the status of a source; raise TransferRefused if it is not an existing file."""
    try:
        status = os.stat(source)
    except OSError as error:
        raise reading_failed(error, source, destination) from error
    if stat.S_ISDIR(status.st_mode):
        raise reading_failed(OSError(errno.EISDIR, "Is a directory"), source, destination)
    if not stat.S_ISREG(status.st_mode):
        raise TransferRefused(
            "'%s' (wanted at '%s') is a device, pipe or socket, not a file" % (source, destination)
        )
    return status


def is_same(status: os.stat_result, destination: str) -> bool:
    """Return whether `destination` is itself the source (not a link to it, which a copy replaces).

    Raises:
        TransferRefused: there is something that a file must not replace.
    """
    try:
        there = os.lstat(destination)
    except OSError:
        return False  # a real error comes back when the destination is written
    if stat.S_ISDIR(there.st_mode) or (stat.S_ISLNK(there.st_mode) and os.path.isdir(destination)):
        raise TransferRefused(
            "'%s' is a directory, and a file should go there" % destination,
            move_away(destination),
        )
    if not (stat.S_ISREG(there.st_mode) or stat.S_ISLNK(there.st_mode)):
        raise TransferRefused(
            "'%s' is a device, pipe or socket, and a file should go there: it is not replaced" % destination,
            "rm %s" % quoted(destination),
        )
    return os.path.samestat(status, there)


def _same(
    source: str,
    destination: str,
    status: os.stat_result,
    sha256: Optional[str],
    executable: bool,
    digest: bool,
    stop: Stop,
    verified: Optional[Verified],
) -> Moved:
    """Handle a source that is its own destination: verify it, and leave its bytes alone."""
    known = checksum_of(source, sha256, stop, verified) if (sha256 or digest) else None
    if lacks_x(status, executable):
        try:
            os.chmod(destination, mode_of(status, True))
        except OSError as error:
            raise writing_failed(error, source, destination) from error
    return Moved(status.st_size, known, "same")


def lacks_x(status: os.stat_result, executable: bool) -> bool:
    """Return whether the file would need x bits that it does not have."""
    return executable and mode_of(status, True) != mode_of(status, False)


def _fill(
    source: int,
    target: int,
    status: os.stat_result,
    stop: Stop,
    digest: bool,
    path: str,
    verified: Optional[Verified],
) -> Optional[str]:
    """Copy all bytes; return the checksum of what was copied, if asked."""
    if status.st_size <= SMALL_BYTES:
        block = read_small(source, status.st_size)
        if block is not None:
            write_all(target, block)
            return hashlib.sha256(block).hexdigest() if digest else None
    elif clone(source, target):
        if not digest:
            return None
        return (
            verified.checksum_of_open(source, path, stop)
            if verified is not None
            else sha256_of_open(target, stop)
        )
    if digest and not is_sparse(status):
        running = hashlib.sha256()
        copy_and_hash(source, target, running, stop)
        return running.hexdigest()
    try:
        copy_bytes(source, target, status.st_size, stop)
    except Shrank:
        return None  # the caller compares sizes and times, and raises
    return sha256_of_open(target, stop) if digest else None


def _check_unchanged(before: os.stat_result, after: os.stat_result, source: str, destination: str) -> None:
    if (before.st_size, before.st_mtime_ns, before.st_ino) != (
        after.st_size,
        after.st_mtime_ns,
        after.st_ino,
    ):
        raise TransferUnavailable(
            "'%s' changed while it was copied to '%s'" % (source, destination), "fuser -v %s" % quoted(source)
        )


def checksum_of(path: str, sha256: Optional[str], stop: Stop, verified: Optional[Verified]) -> str:
    """Return the sha256 of a file that is linked or moved; raise ChecksumMismatch if it is not `sha256`."""
    try:
        actual = (verified or Verified()).checksum(path, stop)
    except OSError as error:
        raise reading_failed(error, path, path) from error
    if sha256:
        compare(path, sha256, actual)
    return actual
