"""A file as it was once, to tell later whether it still is, without reading it if possible."""

from __future__ import annotations

import os

import msgspec

UNSETTLED_NS = 50_000_000
"""A file that was changed less than this before it was read is read again the next time: a further change may
come within the same tick of the clock, and would not be noticed."""

Version = tuple[int, int, int, int]
"""Inode, size in bytes, and the times of the last change of the content and of the inode in nanoseconds; the latter
cannot be set back by a program."""


def version_of(status: os.stat_result) -> Version:
    """Return what differs when a file is another one, or has changed."""
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def is_settled(status: os.stat_result, read_ns: int) -> bool:
    """Return whether any later change makes another version of a file that had this status when it was read.

    Not if it had just been changed, nor if its times are whole seconds: its file system may have no real ones.
    """
    has_real_times = status.st_ctime_ns % 1_000_000_000 != 0
    return has_real_times and status.st_ctime_ns + UNSETTLED_NS <= read_ns


class FileWitness(msgspec.Struct, frozen=True, array_like=True):
    """A regular file at a time."""

    path: str
    """Absolute."""
    version: Version | None
    """None: the file may have changed without changing it, so that only its content tells."""
    sha256: str
