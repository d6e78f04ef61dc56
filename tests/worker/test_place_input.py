"""How inputs get into an attempt's directory."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markab.transfers.beneath import Beneath
from markab.transfers.copy_bytes import SMALL_BYTES
from markab.worker import place_input as place_input_module
from markab.worker.place_input import SMALL_INPUT_BYTES, place_input, ways


def place(staged: Path, name: str, order: tuple[str, ...], executable: bool = False) -> str:
    directory = Beneath(str(staged.parent))
    fd = os.open(staged, os.O_RDONLY)
    try:
        return place_input(fd, directory, name, os.fstat(fd), order, executable)
    finally:
        os.close(fd)
        directory.close()


def test_small_files_are_copied_and_large_ones_linked() -> None:
    assert ways(SMALL_INPUT_BYTES, False, False, False) == ("clone", "copy")
    assert ways(SMALL_INPUT_BYTES + 1, False, False, False) == ("clone", "link", "copy")
    assert ways(SMALL_INPUT_BYTES + 1, True, False, False) == ("clone", "copy"), (
        "root writes through permissions"
    )
    assert ways(SMALL_INPUT_BYTES + 1, False, True, False) == ("clone", "symlink", "copy")


@given(st.integers(0, 1 << 40), st.booleans(), st.booleans())
def test_a_file_that_the_task_changes_is_never_shared(size: int, root: bool, symlink: bool) -> None:
    assert set(ways(size, root, symlink, True)) <= {"clone", "copy"}


@pytest.mark.parametrize("size", [0, 5, 300_000])
def test_a_copy_can_be_written_and_run(tmp_path: Path, size: int) -> None:
    staged = tmp_path / "staged"
    staged.write_bytes(b"x" * size)
    staged.chmod(0o444)
    way = place(staged, "in", ("clone", "copy"), True)

    assert way in ("clone", "copy")
    assert (tmp_path / "in").read_bytes() == b"x" * size
    assert (tmp_path / "in").stat().st_mode & 0o700 == 0o700
    assert staged.stat().st_mode & 0o777 == 0o444


def test_a_linked_file_becomes_read_only(tmp_path: Path) -> None:
    staged = tmp_path / "staged"
    staged.write_text("x")
    assert place(staged, "in", ("link", "copy")) == "link"
    assert staged.stat().st_mode & 0o222 == 0
    assert os.path.samefile(staged, tmp_path / "in")

    assert place(staged, "again", ("link", "copy")) == "link"


def test_a_file_with_another_name_of_the_users_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("x")
    os.link(tmp_path / "users", tmp_path / "staged")
    mode = (tmp_path / "users").stat().st_mode

    way = place(tmp_path / "staged", "in", ("link", "copy"))

    assert way == "copy"
    assert (tmp_path / "users").stat().st_mode == mode


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_where_a_link_cannot_be_made_the_next_way_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def no_link(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", no_link)
    staged = tmp_path / "staged"
    staged.write_text("x")

    way = place(staged, "in", ("clone", "link", "copy"), False)

    assert way == "copy"
    assert (tmp_path / "in").read_text() == "x"


def test_a_link_to_a_file_of_the_users_names_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = tmp_path / "users"
    users.write_text("x")

    assert place(users, "in", ("symlink", "copy")) == "symlink"
    assert (tmp_path / "in").readlink() == users

    def no_link(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "symlink", no_link)

    assert place(users, "copied", ("symlink", "copy")) == "copy"
    assert (tmp_path / "copied").read_text() == "x"


def test_a_clone_has_the_mode_and_the_time_of_a_copy_and_is_tried_once_a_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    answers = [True, False]

    def clone(source: int, target: int) -> bool:
        asked.append(answers.pop(0))
        os.write(target, b"cloned") if asked[-1] else None
        return asked[-1]

    monkeypatch.setattr(place_input_module, "clone", clone)
    monkeypatch.setattr(place_input_module, "_no_clone_on", set())
    staged = tmp_path / "staged"
    staged.write_bytes(b"x" * (SMALL_BYTES + 1))
    os.utime(staged, (5, 5))
    ways_taken = [place(staged, name, ("clone", "copy"), True) for name in ("a", "b", "c")]

    assert ways_taken == ["clone", "copy", "copy"] and asked == [True, False]
    assert (tmp_path / "a").read_bytes() == b"cloned"
    assert (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes() == staged.read_bytes()
    for name in ("a", "b", "c"):
        status = (tmp_path / name).stat()
        assert (status.st_mode & 0o111, status.st_mtime) == (0o111, 5)
