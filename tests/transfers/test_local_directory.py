"""Removing directory trees: all of it, or all that can be removed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from markab.transfers.local_directory import remove_tree


def make_tree(top: Path) -> None:
    for name in ("a/x", "b/y", "c/z"):
        (top / name).parent.mkdir(parents=True)
        (top / name).touch()


def refuse(monkeypatch: pytest.MonkeyPatch, refused: str) -> None:
    unlink = os.unlink

    def unlink_others(path: str, *, dir_fd: int | None = None) -> None:
        if path == refused:
            raise OSError(5, "Input/output error", path)
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink_others)


def test_files_links_and_what_does_not_exist_are_removed_too(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)

    assert [remove_tree(str(tmp_path / name)) for name in ("file", "link", "none")] == [1, 1, 0]
    assert os.listdir(tmp_path) == []


def test_the_first_error_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path / "tree")
    refuse(monkeypatch, "y")

    with pytest.raises(OSError, match="Input/output error"):
        remove_tree(str(tmp_path / "tree"))


def test_with_a_handler_of_errors_everything_else_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(tmp_path / "tree")
    refuse(monkeypatch, "y")
    errors: list[OSError] = []

    assert remove_tree(str(tmp_path / "tree"), on_error=errors.append) == 4  # a, a/x, c, c/z
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["tree", "tree/b", "tree/b/y"]
    assert "Input/output error" in str(errors[0])


def test_a_tree_that_is_deeper_than_a_path_is_long_can_be_removed(tmp_path: Path) -> None:
    top = os.getcwd()
    os.chdir(tmp_path)
    try:
        for _ in range(30):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
    finally:
        os.chdir(top)

    assert remove_tree(str(tmp_path / ("d" * 200))) == 30
