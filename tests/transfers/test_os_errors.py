"""What an error of the system means for a transfer: to be tried again, for good, or a full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from markab.errors import StorageError, TransferRefused, TransferUnavailable
from markab.transfers.os_errors import reading_failed, writing_failed

READING = {
    errno.ENOENT: (TransferRefused, "does not exist", "ls -l '/a'"),
    errno.EACCES: (TransferRefused, "may not be read", "chmod u+r '/a/f'"),
    errno.EPERM: (TransferRefused, "may not be read", "chmod u+r '/a/f'"),
    errno.EISDIR: (TransferRefused, "is a directory, not a file", "pack it into an archive"),
    errno.ENOTDIR: (TransferRefused, "cannot be read: Not a directory", "ls -l '/a/f'"),
    errno.ELOOP: (TransferRefused, "cannot be read: Too many levels", "ls -l '/a/f'"),
    errno.ENAMETOOLONG: (TransferRefused, "cannot be read: File name too long", "ls -l '/a/f'"),
    errno.ENXIO: (TransferRefused, "cannot be read: No such device", "ls -l '/a/f'"),
    errno.EINVAL: (TransferRefused, "cannot be read: Invalid", "ls -l '/a/f'"),
    errno.EIO: (TransferUnavailable, "cannot be read: Input/output error", "ls -l '/a/f'"),
    errno.ESTALE: (TransferUnavailable, "cannot be read: Stale", "ls -l '/a/f'"),
    errno.EMFILE: (TransferUnavailable, "cannot be read: Too many open files", "ls -l '/a/f'"),
}
WRITING = {
    errno.ENOSPC: (StorageError, "No space left", "df -h '/b'"),
    errno.EDQUOT: (StorageError, "quota", "df -h '/b'"),
    errno.EROFS: (TransferRefused, "is read-only", "name another directory"),
    errno.EACCES: (TransferRefused, "permission denied", "ls -ld '/b'"),
    errno.EPERM: (TransferRefused, "permission denied", "ls -ld '/b'"),
    errno.EISDIR: (
        TransferRefused,
        "there is a directory of that name",
        "move it away: mv '/b/g' '/b/g.old'",
    ),
    errno.ENOTEMPTY: (
        TransferRefused,
        "there is a directory of that name",
        "move it away: mv '/b/g' '/b/g.old'",
    ),
    errno.EEXIST: (
        TransferRefused,
        "there is a directory of that name",
        "move it away: mv '/b/g' '/b/g.old'",
    ),
    errno.ENOTDIR: (TransferRefused, "a part of the path is a file", "ls -ld '/b'"),
    errno.ENOENT: (TransferRefused, "No such file", "ls -ld '/b'"),
    errno.EFBIG: (TransferRefused, "File too large", "ls -ld '/b'"),
    errno.EXDEV: (TransferRefused, "Invalid cross-device", "ls -ld '/b'"),
    errno.EMLINK: (TransferRefused, "Too many links", "ls -ld '/b'"),
    errno.EIO: (TransferUnavailable, "Input/output error", "ls -ld '/b'"),
    errno.ESTALE: (TransferUnavailable, "Stale", "ls -ld '/b'"),
}


@pytest.mark.parametrize("code", READING)
def test_why_a_source_was_not_read_says_whether_to_try_again(code: int) -> None:
    kind, message, hint = READING[code]
    found = reading_failed(OSError(code, os.strerror(code)), "/a/f", "/b/g")

    assert type(found) is kind
    assert found.message.startswith("'/a/f' (wanted at '/b/g') ") and message in found.message
    assert found.hint.startswith(hint)


@pytest.mark.parametrize("code", WRITING)
def test_why_a_destination_was_not_written_says_whether_to_try_again(code: int) -> None:
    kind, message, hint = WRITING[code]
    found = writing_failed(OSError(code, os.strerror(code)), "/a/f", "/b/g")

    assert type(found) is kind
    assert found.message.startswith("cannot write '/b/g' (from '/a/f'): ") and message in found.message
    assert found.hint == hint


def test_a_link_to_nothing_is_named_with_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "f").symlink_to("gone")
    found = reading_failed(OSError(errno.ENOENT, ""), str(tmp_path / "f"), "/b/g")

    assert isinstance(found, TransferRefused)
    assert found.message.endswith("is a dangling symbolic link to 'gone'")
    assert found.hint.startswith(f"restore '{tmp_path}/gone'")


def test_the_hint_for_a_name_without_a_directory_can_be_typed() -> None:
    assert reading_failed(OSError(errno.ENOENT, ""), "f", "g").hint == "ls -l '.'"
    assert writing_failed(OSError(errno.EACCES, ""), "f", "g").hint == "ls -ld '.'"
