"""Directories of attempts, used again."""

from __future__ import annotations

import os
from pathlib import Path

from markab.worker.directories import Directories


def test_a_directory_is_taken_over_empty(tmp_path: Path) -> None:
    directories = Directories()
    directories.make(str(tmp_path / "a"))
    (tmp_path / "a/file").write_text("x")
    inode = (tmp_path / "a").stat().st_ino
    directories.empty(str(tmp_path / "a"))
    directories.make(str(tmp_path / "b"))

    assert os.listdir(tmp_path) == ["b"] and os.listdir(tmp_path / "b") == []
    assert (tmp_path / "b").stat().st_ino == inode


def test_one_that_the_task_changed_or_filled_with_directories_is_not(tmp_path: Path) -> None:
    directories = Directories()
    for name in ("a", "b"):
        directories.make(str(tmp_path / name))
    (tmp_path / "a").chmod(0o777)
    (tmp_path / "b/deep/er").mkdir(parents=True)
    for name in ("a", "b"):
        directories.empty(str(tmp_path / name))

    assert os.listdir(tmp_path) == []


def test_what_was_there_before_is_gone(tmp_path: Path) -> None:
    directories = Directories()
    directories.make(str(tmp_path / "spare"))
    directories.empty(str(tmp_path / "spare"))
    (tmp_path / "a/old").mkdir(parents=True)
    directories.make(str(tmp_path / "a"))

    assert os.listdir(tmp_path / "a") == []


def test_closing_leaves_none(tmp_path: Path) -> None:
    directories = Directories()
    for name in ("new/a", "new/b"):
        directories.make(str(tmp_path / name))
    for name in ("new/a", "new/b"):
        directories.empty(str(tmp_path / name))
    directories.close()

    assert os.listdir(tmp_path / "new") == []
