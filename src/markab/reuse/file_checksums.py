"""Checksums of files, remembered from run to run for as long as a file does not change."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable

from markab.reuse.file_witness import FileWitness, Version, is_settled, version_of
from markab.reuse.result_index import ResultIndex
from markab.transfers.beneath import NOT_A_FILE
from markab.transfers.checksum import Verified


class FileChecksums:
    """The sha256 of files: each is read only if it is new or has changed.

    A file is known by its inode, its size and the times of its last changes, of contents and of the inode; the latter
    cannot be set back by a program. The device does not count, because a file system may have another one each time it
    is mounted. Nothing is remembered of a file whose times are whole seconds: its file system may have no real ones.
    May be used from several threads.
    """

    def __init__(self, index: ResultIndex | None, clock: Callable[[], int] = time.time_ns) -> None:
        """Without an index nothing is known from earlier. The clock is in nanoseconds since the epoch."""
        self._index = index
        self._clock = clock
        self._known: dict[Version, str] = {}
        self._asked: set[int] = set()
        self._new: dict[Version, tuple[os.stat_result, str]] = {}
        self._unsettled: set[Version] = set()
        self._last: dict[str, Version] = {}

    def prepare(self, paths: Iterable[str]) -> None:
        """Look many files up at once, which is faster than one after the other. Missing ones are no error."""
        inodes = []
        for path in paths:
            try:
                inodes.append(os.stat(path).st_ino)
            except OSError:
                continue
        self._look_up(inodes)

    def of(self, path: str, *, follow: bool = True) -> str:
        """Return the sha256 of a regular file, in hex.

        Args:
            path: the file.
            follow: it may be a symbolic link to one.

        Raises:
            OSError: it cannot be read, or is something else.
            TransferUnavailable: it is being written right now.
        """
        return self.of_status(path, os.stat(path, follow_symlinks=follow), follow=follow)

    def of_status(self, path: str, status: os.stat_result, *, follow: bool = True) -> str:
        """Return the sha256 of a file whose status was just read; as `of`."""
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, NOT_A_FILE, path)
        version = self._last[path] = version_of(status)
        if version not in self._known:
            self._look_up([status.st_ino])
        return self._known.get(version) or self._read(path, follow)

    def witness(self, path: str) -> FileWitness | None:
        """Return what tells later whether a file is as it was when its checksum was last asked for; None: it never was."""
        version = self._last.get(path)
        if version is None or version not in self._known:
            return None
        return FileWitness(path, None if version in self._unsettled else version, self._known[version])

    def remember(self, path: str, sha256: str, size_bytes: int, complete_s: float) -> None:
        """Remember the checksum of a file that was complete at a time, if it is as it was then; it is not read.

        Args:
            path: the file; a symbolic link is not followed.
            sha256: its checksum at that time.
            size_bytes: its size at that time.
            complete_s: seconds since the epoch. A later change of the file means that it is not remembered.
        """
        try:
            status = os.stat(path, follow_symlinks=False)
        except OSError:
            return
        is_as_then = status.st_size == size_bytes and status.st_ctime_ns <= complete_s * 1e9
        if stat.S_ISREG(status.st_mode) and is_as_then:
            self._add(status, sha256, self._clock())
            self._last[path] = version_of(status)

    def save(self) -> None:
        """Write the new checksums into the index, in one transaction."""
        new, self._new = self._new, {}
        if new and self._index is not None:
            self._index.remember_checksums(new.values())

    def _look_up(self, inodes: Iterable[int]) -> None:
        wanted = set(inodes) - self._asked
        self._asked |= wanted
        if wanted and self._index is not None:
            for inode, size_bytes, mtime_ns, ctime_ns, sha256 in self._index.checksums(wanted):
                self._known[inode, size_bytes, mtime_ns, ctime_ns] = sha256

    def _read(self, path: str, follow: bool) -> str:
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
        fd = os.open(path, flags)
        try:
            status, start_ns = os.fstat(fd), self._clock()
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, NOT_A_FILE, path)
            sha256 = Verified(remembered=1).checksum_of_open(fd, path)
            if version_of(os.fstat(fd)) == version_of(status):
                self._add(status, sha256, start_ns)
                self._last[path] = version_of(status)
            return sha256
        finally:
            os.close(fd)

    def _add(self, status: os.stat_result, sha256: str, read_ns: int) -> None:
        version = version_of(status)
        self._known[version] = sha256
        if is_settled(status, read_ns):
            self._new[version] = (status, sha256)
        else:
            self._unsettled.add(version)
