"""Files below a directory, reached without following a link."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kit.mounts import mounted
from markab.transfers.beneath import Beneath


@pytest.fixture
def top(tmp_path: Path) -> Iterator[Beneath]:
    (tmp_path / "top/a/b").mkdir(parents=True)
    (tmp_path / "top/a/b/file").write_text("inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("precious")
    (tmp_path / "outside/file").chmod(0o644)
    (tmp_path / "top/to outside").symlink_to(tmp_path / "outside")
    (tmp_path / "top/to a").symlink_to("a")
    (tmp_path / "top/to file").symlink_to(tmp_path / "outside/file")
    os.mkfifo(tmp_path / "top/fifo")
    directory = Beneath(str(tmp_path / "top"))
    yield directory
    directory.close()


def read(top: Beneath, name: str) -> str:
    fd = top.open(name)
    with open(fd, encoding="utf-8") as file:
        return file.read()


def test_a_file_is_reached_at_any_depth(top: Beneath) -> None:
    assert read(top, "a/b/file") == read(top, "a/./b//file") == "inside"
    assert top.status("a/b/file").st_size == 6


CALLS: list[Callable[[Beneath, str], object]] = [
    Beneath.open,
    Beneath.unlink,
    lambda top, name: top.allow(name, 0o700),
    lambda top, name: top.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    lambda top, name: top.move("a/b/file", top, name + "/new"),
    lambda top, name: top.move(name, top, "moved"),
    lambda top, name: top.make_directory(name + "/new"),
]


@pytest.mark.parametrize("call", CALLS, ids=["open", "unlink", "allow", "create", "move to", "move", "make"])
@pytest.mark.parametrize("name", ["to outside/file", "../outside/file", "a/../../outside/file", "to a/.."])
def test_nothing_is_reached_through_a_link_or_from_above(
    top: Beneath, tmp_path: Path, name: str, call: Callable[[Beneath, str], object]
) -> None:
    with pytest.raises(OSError):
        call(top, name)

    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["file"]
    assert (tmp_path / "outside/file").read_text() == "precious"
    assert stat.S_IMODE((tmp_path / "outside/file").stat().st_mode) == 0o644


def test_a_link_to_a_directory_in_it_is_not_followed_either(top: Beneath) -> None:
    with pytest.raises(NotADirectoryError):
        top.status("to a/b/file")


@pytest.mark.parametrize("name", ["to file", "fifo", "a"])
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC], ids=["read", "write"])
def test_only_a_regular_file_is_opened_and_nothing_blocks(
    top: Beneath, tmp_path: Path, name: str, flags: int
) -> None:
    with pytest.raises(OSError):
        top.open(name, flags)

    assert (tmp_path / "outside/file").read_text() == "precious"


def test_the_status_of_a_link_is_its_own_and_it_can_be_removed(top: Beneath, tmp_path: Path) -> None:
    assert stat.S_ISLNK(top.status("to file").st_mode)
    top.unlink("to file")

    assert (tmp_path / "outside/file").exists() and not (tmp_path / "top/to file").is_symlink()


def test_what_has_its_name_now_does_not_matter(top: Beneath, tmp_path: Path) -> None:
    (tmp_path / "top").rename(tmp_path / "elsewhere")
    (tmp_path / "top").symlink_to(tmp_path / "outside")
    top.make_directory("x/y")
    top.move("a/b/file", top, "new/er/file")

    assert sorted(os.listdir(tmp_path / "elsewhere/new/er")) == ["file"]
    assert os.listdir(tmp_path / "outside") == ["file"]


def test_a_directory_that_is_a_link_is_not_opened(top: Beneath, tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError):
        Beneath(str(tmp_path / "top/to outside"))


def test_no_descriptor_is_left_open(top: Beneath) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    for name in ("a/b/file", "to outside/file", "a/none", "fifo", "a"):
        for call in (top.status, lambda name: os.close(top.open(name)), top.make_directory):
            try:
                call(name)
            except OSError:
                continue

    assert sorted(os.listdir("/proc/self/fd")) == before


def test_permissions_are_added_to_a_file(top: Beneath, tmp_path: Path) -> None:
    (tmp_path / "top/a/b/file").chmod(0o044)
    top.allow("a/b/file", 0o600)

    assert stat.S_IMODE((tmp_path / "top/a/b/file").stat().st_mode) == 0o644


def test_what_is_mounted_inside_is_not_reached(top: Beneath, tmp_path: Path) -> None:
    with mounted(tmp_path / "top/a/b", "--bind", tmp_path / "outside"):
        other = Beneath(str(tmp_path / "top"))
        for call in (
            lambda: other.open("a/b/file"),
            lambda: other.move("a/b/file", other, "file"),
            lambda: other.unlink("a/b/file"),
        ):
            with pytest.raises(OSError, match="something is mounted there"):
                call()
        other.close()
    assert "precious" == (tmp_path / "outside/file").read_text()
