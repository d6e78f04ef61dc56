"""Checksums of files, computed once for as long as a file does not change."""

import hashlib
import os
import threading
from collections import OrderedDict
from typing import Any, Callable, Optional, Tuple

from markab.errors import ChecksumMismatch, StorageError, TransferRefused, TransferUnavailable, quoted
from markab.transfers.base import Stop, check_stop

_BLOCK_BYTES = 1 << 20
_REMEMBERED = 65536
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO that took the place of a file must not block

Key = Tuple[int, int, int, int, int]


def sha256_of(path: str, stop: Stop = None) -> str:
    """Return the sha256 of a file, in hex.

    Raises:
        OSError: it cannot be read.
        Cancelled: `stop` was set.
    """
    fd = os.open(path, _READ)
    try:
        return sha256_of_open(fd, stop)
    finally:
        os.close(fd)


def sha256_of_open(fd: int, stop: Stop = None) -> str:
    """Return the sha256 of an open file, from its start. Raises as `sha256_of`."""
    digest = hashlib.sha256()
    size_bytes = os.fstat(fd).st_size
    at = 0
    while True:
        check_stop(stop)
        # Memory for a large block takes longer than to hash a small file.
        left = size_bytes - at + 1 if at < size_bytes else _BLOCK_BYTES
        block = os.pread(fd, min(left, _BLOCK_BYTES), at)
        digest.update(block)
        at += len(block)
        if not block or (at == size_bytes and at < _BLOCK_BYTES):
            return digest.hexdigest()


class Verified(object):
    """Remembers checksums of files by what changes when a file does.

    The key is device, inode, size, and the times of the last change of contents and of
    the inode; the last one cannot be set back by a program. A change that keeps the size
    and comes within one tick of the kernel's clock (4 ms) after the file was read is not
    noticed. At most 65,536 files are remembered, the oldest are forgotten first. Safe to use
    from many threads.
    """

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._lock = threading.Lock()
        self._sums: "OrderedDict[Key, str]" = OrderedDict()
        self._remembered = remembered

    def remember(self, path: str, sha256: str) -> None:
        """Remember the checksum of a file that has just been computed. Raises OSError if it does not exist."""
        self.remember_status(os.stat(path), sha256)

    def remember_status(self, status: os.stat_result, sha256: str) -> None:
        """Remember the checksum of a file that has this status."""
        self._store(_key(status), sha256)

    def known(self, path: str) -> Optional[str]:
        """Return the checksum of `path` if it is remembered, without reading the file. Raises OSError."""
        key = _key(os.stat(path))
        with self._lock:
            return self._sums.get(key)

    def checksum(self, path: str, stop: Stop = None) -> str:
        """Return the sha256 of a file, reading it only if it is new or has changed.

        Raises:
            OSError: it cannot be read.
            TransferUnavailable: it is being written right now.
        """
        known = self.known(path)
        if known is not None:
            return known
        fd = os.open(path, _READ)
        try:
            return self.checksum_of_open(fd, path, stop)
        finally:
            os.close(fd)

    def checksum_of_open(self, fd: int, name: str, stop: Stop = None) -> str:
        """Return the sha256 of an open file, `name` in messages; raises as `checksum`."""
        for _ in range(3):
            before = _key(os.fstat(fd))
            with self._lock:
                known = self._sums.get(before)
            if known is not None:
                return known
            sha256 = sha256_of_open(fd, stop)
            if before == _key(os.fstat(fd)):
                self._store(before, sha256)
                return sha256
        raise TransferUnavailable(
            "'%s' changes while its checksum is computed" % name,
            "end what writes it: fuser -v %s" % quoted(name),
        )

    def verify(self, path: str, expected: str, stop: Stop = None) -> None:
        """Return if `path` has the checksum `expected`.

        Raises:
            ChecksumMismatch: it has another one.
            TransferRefused: there is no such file, or it may not be read.
            StorageError: the disk cannot be read.
        """
        self._compare(path, expected, lambda: self.checksum(path, stop))

    def verify_open(self, fd: int, name: str, expected: str, stop: Stop = None) -> None:
        """Return if the open file `fd`, `name` in messages, has the checksum `expected`; raises as `verify`."""
        self._compare(name, expected, lambda: self.checksum_of_open(fd, name, stop))

    def _compare(self, name: str, expected: str, compute: Callable[[], str]) -> None:
        try:
            actual = compute()
        except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
            raise TransferRefused(
                "'%s' cannot be verified: %s" % (name, error.strerror), "ls -l %s" % quoted(name)
            ) from error
        except OSError as error:
            raise StorageError(
                "'%s' cannot be read to verify it: %s" % (name, error.strerror), "ls -l %s" % quoted(name)
            ) from error
        compare(name, expected, actual)

    def _store(self, key: Key, sha256: str) -> None:
        with self._lock:
            self._sums[key] = sha256
            if len(self._sums) > self._remembered:
                self._sums.popitem(last=False)


def compare(name: str, expected: str, actual: str) -> None:
    """Raise ChecksumMismatch unless both checksums are the same, in upper or lower case."""
    if expected.lower() != actual.lower():
        command = "curl -sL %s | sha256sum" if name.startswith(("http://", "https://")) else "sha256sum %s"
        raise ChecksumMismatch(
            "'%s' is not the file that was recorded: its sha256 is %s, expected %s"
            % (name, actual, expected),
            command % quoted(name) + "; if the file is right, `markab run --refresh RUN` takes it anew;"
            " but correct its checksum in the replica catalog, should it have one there, and plan again",
        )


def _key(status: Any) -> Key:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
