"""A document is a regular file of a bounded size; anything else is refused at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from markab.errors import DocumentError, StorageError
from markab.spec.document_file import read_bytes


def test_a_document_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x\0\xff")
    assert read_bytes(tmp_path / "a") == b"x\0\xff"


def test_a_fifo_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(StorageError, match="is not a file") as refused:
        read_bytes(tmp_path / "a")
    assert "pipes and devices" in refused.value.hint


def test_a_link_to_a_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("/dev/zero")
    with pytest.raises(StorageError, match="is not a file"):
        read_bytes(tmp_path / "a")


def test_a_directory_is_called_a_directory(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is a directory, not a document"):
        read_bytes(tmp_path)


def test_a_document_over_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bytes(tmp_path / "a", 5) == b"12345"
    with pytest.raises(DocumentError, match="the limit is") as refused:
        read_bytes(tmp_path / "a", 4)
    assert "pegasus.parser.document.size=1" in refused.value.hint


def test_a_file_that_does_not_tell_its_size_is_limited_too() -> None:
    assert os.stat("/proc/self/maps").st_size == 0
    with pytest.raises(DocumentError, match="the limit is"):
        read_bytes("/proc/self/maps", 100)


def test_a_name_with_nul_is_refused() -> None:
    with pytest.raises(StorageError, match="cannot be read"):
        read_bytes("a\0b")
