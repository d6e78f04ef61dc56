"""Replacing a file, and writing where the user asked for it."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from markab.errors import StorageError
from markab.plan.atomic_file import replacing, user_output


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert path.read_text() == "old"
    with replacing(path) as file:
        file.write(b"new")

    assert path.read_text() == "new" and os.listdir(tmp_path) == ["file"]


def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    (tmp_path / f".file.{os.getpid()}.tmp").symlink_to(tmp_path / "precious")
    with replacing(tmp_path / "file") as file:
        file.write(b"new")

    assert (tmp_path / "precious").read_text() == "x" and (tmp_path / "file").read_text() == "new"


def test_a_link_that_the_user_names_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("old")
    for name, target in (("link", "data/file"), ("dangling", "data/new")):
        (tmp_path / name).symlink_to(target)
        with user_output(tmp_path / name) as file:
            file.write(b"new")

        assert (tmp_path / name).is_symlink() and (tmp_path / target).read_text() == "new"


def test_a_fifo_is_written_to_and_stays_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "fifo").read_text()))
    reader.start()
    with user_output(tmp_path / "fifo") as file:
        file.write(b"text")
    reader.join()

    assert read == ["text"] and stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)


def test_a_link_to_a_device_is_written_through_and_stays(tmp_path: Path) -> None:
    (tmp_path / "null").symlink_to("/dev/null")
    with user_output(tmp_path / "null") as file:
        file.write(b"text")

    assert (tmp_path / "null").is_symlink() and stat.S_ISCHR((tmp_path / "null").stat().st_mode)


def test_a_directory_is_no_place_for_a_file(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="Is a directory"), user_output(tmp_path) as file:
        file.write(b"text")
