"""Removing directory trees: all of it, or all that can be removed."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from typing import Any

import pytest

from kit.mounts import mounted
from markab.transfers import mounts
from markab.transfers.tree_removal import remove_tree


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


def make_deep(top: Path, name: str, depth: int) -> None:
    """Make a directory in a directory, `depth` times, whatever the length of a path may be."""
    fd = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)


def test_a_tree_of_any_depth_is_removed_with_few_open_files_and_no_recursion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_deep(tmp_path, "d" * 20, 3000)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = len(os.listdir("/proc/self/fd"))
    limit = sys.getrecursionlimit()
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened + 4, hard))
    sys.setrecursionlimit(200)
    try:
        assert remove_tree(str(tmp_path / ("d" * 20))) == 3000
    finally:
        sys.setrecursionlimit(limit)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_directories_without_any_permission_are_removed(tmp_path: Path) -> None:
    make_tree(tmp_path / "tree")
    for name in ("a", "b", "c", "."):
        (tmp_path / "tree" / name).chmod(0)

    assert remove_tree(str(tmp_path / "tree")) == 7


def test_links_in_a_tree_are_removed_and_what_they_name_is_not(tmp_path: Path) -> None:
    make_tree(tmp_path / "precious")
    make_tree(tmp_path / "tree")
    (tmp_path / "tree/to directory").symlink_to(tmp_path / "precious")
    (tmp_path / "tree/to file").symlink_to(tmp_path / "precious/a/x")

    assert remove_tree(str(tmp_path / "tree")) == 9
    assert len(list((tmp_path / "precious").rglob("*"))) == 6


def test_a_directory_that_is_moved_away_meanwhile_takes_nothing_else_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(tmp_path / "precious")
    (tmp_path / "tree/inner/file").parent.mkdir(parents=True)
    (tmp_path / "tree/inner/file").touch()
    unlink = os.unlink

    def move_then_unlink(path: str, *, dir_fd: int | None = None) -> None:
        if path == "file":
            os.rename(tmp_path / "tree/inner", tmp_path / "precious/inner")
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", move_then_unlink)

    with pytest.raises(OSError, match="moved while it was removed"):
        remove_tree(str(tmp_path / "tree"))
    assert len(list((tmp_path / "precious").rglob("*"))) == 7


@pytest.mark.parametrize("place", ["tree/a/m", "tree/m", "tree"])
def test_what_is_mounted_there_is_left_alone_and_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/thesis").write_text("years")
    (tmp_path / "tree/a").mkdir(parents=True)
    (tmp_path / "tree/a/file").touch()
    (tmp_path / place).mkdir(exist_ok=True)
    errors: list[OSError] = []

    with mounted(tmp_path / place, "--bind", tmp_path / "precious"):
        remove_tree(str(tmp_path / "tree"), on_error=errors.append)

        assert "years" == (tmp_path / "precious/thesis").read_text()
        assert "something is mounted there" == errors[0].strerror
    remove_tree(str(tmp_path / "tree"))
    assert not (tmp_path / "tree").exists()


def test_where_the_system_does_not_say_what_is_mounted_all_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(tmp_path / "tree")
    real_open = os.open

    def without_proc(path: str, *args: Any, **named: Any) -> int:
        if str(path).startswith("/proc/"):
            raise FileNotFoundError(2, "No such file or directory", path)
        return real_open(path, *args, **named)

    monkeypatch.setattr(mounts.os, "open", without_proc)

    remove_tree(str(tmp_path / "tree"))

    assert not (tmp_path / "tree").exists()
