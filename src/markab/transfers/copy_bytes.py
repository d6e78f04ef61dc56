"""Move bytes between two open files by the cheapest way that both file systems know.

In this order: share the blocks (reflink), let the kernel copy (copy_file_range, then
sendfile), read and write. Holes of sparse files stay holes.
"""

import errno
import fcntl
import os
from typing import Any, Iterator, Optional, Tuple

from markab.transfers.base import Stop, check_stop

SMALL_BYTES = 1 << 18
"""Up to this size, one read and one write cost less than trying the other ways."""

_FICLONE = 0x40049409  # <linux/fs.h>: _IOW(0x94, 9, int)
_STEP_BYTES = 4 << 20  # a slow disk moves this much in less than a second
_BLOCK_BYTES = 1 << 18
_NOT_THIS_WAY = (
    errno.ENOSYS,
    errno.EOPNOTSUPP,
    errno.EXDEV,
    errno.EINVAL,
    errno.EPERM,
    errno.EBADF,
    errno.ENOTTY,
    errno.ETXTBSY,
)
_copy_file_range = getattr(os, "copy_file_range", None)  # Python 3.8


class WriteFailed(Exception):
    """An OSError of the side that is written, so that messages name the right file."""

    def __init__(self, error: OSError) -> None:
        super(WriteFailed, self).__init__(error)
        self.error = error


class Shrank(Exception):
    """The file that is read ended earlier than its size said."""


def clone(source: int, target: int) -> bool:
    """Let `target` share all blocks of `source`; return whether the file system can."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False  # a real error comes back when bytes are copied
    return True


def copy_bytes(source: int, target: int, size_bytes: int, stop: Stop) -> None:
    """Copy `size_bytes` from one descriptor to the other, both at any position.

    Raises:
        Shrank: `source` has fewer bytes.
        WriteFailed: `target` cannot be written.
        OSError: `source` cannot be read.
        Cancelled: `stop` was set.
    """
    for start, end in _extents(source, size_bytes):
        at = start
        for way in (_by_kernel, _by_sendfile, _by_read_and_write):
            at = way(source, target, at, end, stop)
            if at == end:
                break
        else:
            raise Shrank()
    try:
        os.ftruncate(target, size_bytes)
    except OSError as error:
        raise WriteFailed(error) from error


def copy_and_hash(source: int, target: int, digest: Any, stop: Stop) -> int:
    """Copy to the end of `source` from its start, feeding `digest`; return how many. Raises as `copy_bytes`."""
    os.lseek(source, 0, os.SEEK_SET)
    copied = 0
    while True:
        check_stop(stop)
        block = os.read(source, _BLOCK_BYTES)
        if not block:
            return copied
        digest.update(block)
        write_all(target, block)
        copied += len(block)


def write_all(target: int, block: bytes) -> None:
    """Write every byte at the current position. Raises WriteFailed."""
    view = memoryview(block)
    try:
        while view:
            view = view[os.write(target, view) :]
    except OSError as error:
        raise WriteFailed(error) from error


def is_sparse(status: os.stat_result) -> bool:
    """Return whether a file has fewer blocks than bytes."""
    return status.st_blocks * 512 < status.st_size


def _extents(source: int, size_bytes: int) -> Iterator[Tuple[int, int]]:
    """Yield (start, end) of the parts of a file that hold data."""
    if not is_sparse(os.fstat(source)):
        yield 0, size_bytes
        return
    at = 0
    while at < size_bytes:
        try:
            start = os.lseek(source, at, os.SEEK_DATA)
            end = os.lseek(source, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:  # ENXIO: only a hole follows
                yield at, size_bytes
            return
        yield start, min(end, size_bytes)
        at = end


def _by_kernel(source: int, target: int, at: int, end: int, stop: Stop) -> int:
    return _copy_by(_copy_file_range, source, target, at, end, stop) if _copy_file_range else at


def _by_sendfile(source: int, target: int, at: int, end: int, stop: Stop) -> int:
    def step(source: int, target: int, count: int, from_: int, to: int) -> int:
        os.lseek(target, to, os.SEEK_SET)
        return os.sendfile(target, source, from_, count)

    return _copy_by(step, source, target, at, end, stop)


def _copy_by(step: Any, source: int, target: int, at: int, end: int, stop: Stop) -> int:
    while at < end:
        check_stop(stop)
        try:
            copied = step(source, target, min(_STEP_BYTES, end - at), at, at)
        except OSError as error:
            if error.errno in _NOT_THIS_WAY:
                return at
            # Both ends are in one call. If it is the source that cannot be read, reading it alone fails too.
            if error.errno == errno.EIO:
                return at
            raise WriteFailed(error) from error
        if copied == 0:
            return at
        at += copied
    return at


def _by_read_and_write(source: int, target: int, at: int, end: int, stop: Stop) -> int:
    os.lseek(target, at, os.SEEK_SET)
    while at < end:
        check_stop(stop)
        block = os.pread(source, min(_BLOCK_BYTES, end - at), at)
        if not block:
            return at
        write_all(target, block)
        at += len(block)
    return at


def read_small(source: int, size_bytes: Optional[int] = None) -> Optional[bytes]:
    """Return all of a file of at most SMALL_BYTES, or None if it is longer. `size_bytes`: how long it should be.

    Memory for 256 KB takes the system 20 times as long as the rest: read no more than one byte too many.
    """
    block = os.read(source, (SMALL_BYTES if size_bytes is None else size_bytes) + 1)
    if len(block) > SMALL_BYTES:
        return None
    if size_bytes is not None and len(block) == size_bytes:
        return block
    blocks = [block]
    total = len(block)
    while block:
        block = os.read(source, SMALL_BYTES + 1)
        total += len(block)
        if total > SMALL_BYTES:
            return None
        blocks.append(block)
    return b"".join(blocks)
