from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

import pytest

from markab.errors import StorageError
from markab.reports.exports import directory_writer as filling_module
from markab.reports.exports.directory_writer import filling


def test_a_new_directory_has_its_name_only_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep/out"

    with filling(path) as directory:
        (directory / "a").write_text("1")
        assert not path.exists()

    assert ["a"] == [file.name for file in path.iterdir()]
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
def test_nothing_is_left_of_one_that_failed(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises((StorageError, KeyboardInterrupt)), filling(tmp_path / "out") as directory:
        (directory / "a").write_text("1")
        raise error

    assert [] == list(tmp_path.iterdir())


def test_an_empty_directory_is_taken_and_what_is_in_another_stays(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")

    for name in ("empty", "full"):
        with filling(tmp_path / name) as directory:
            (directory / "a").write_text("1")
            assert not (tmp_path / name / "a").exists()

    assert ["a"] == os.listdir(tmp_path / "empty")
    assert {"a", "mine"} == set(os.listdir(tmp_path / "full"))


def test_an_empty_directory_stays_the_one_it_is(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty").chmod(0o2770)
    before = (tmp_path / "empty").stat()

    with filling(tmp_path / "empty") as directory:
        (directory / "deep").mkdir()
        (directory / "deep/a").write_text("1")

    after = (tmp_path / "empty").stat()
    assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)
    assert ["deep"] == os.listdir(tmp_path / "empty")


def test_nothing_is_left_in_an_empty_directory_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(StorageError), filling(tmp_path) as directory:
        (directory / "a").write_text("1")
        raise OSError("full")

    assert [] == list(tmp_path.iterdir())


def test_nothing_is_made_beside_an_empty_directory(tmp_path: Path) -> None:
    """Its parent may not be writable, and it may be where another file system is mounted."""
    (tmp_path / "empty").mkdir()

    with filling(tmp_path / "empty") as directory:
        assert [tmp_path / "empty"] == list(tmp_path.iterdir())
        assert tmp_path / "empty" == directory.parent


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_to_a_directory_is_followed(tmp_path: Path, is_there: bool) -> None:
    (tmp_path / "link").symlink_to("real")
    if is_there:
        (tmp_path / "real").mkdir()

    with filling(tmp_path / "link") as directory:
        (directory / "a").write_text("1")

    assert (tmp_path / "link").is_symlink()
    assert ["a"] == os.listdir(tmp_path / "real")


def test_the_current_directory_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with filling(Path()) as directory:
        (directory / "a").write_text("1")

    assert ["a"] == os.listdir(tmp_path)


def test_a_file_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    entered = False

    with pytest.raises(StorageError, match="Not a directory"), filling(tmp_path / "file"):
        entered = True

    assert not entered
    assert [tmp_path / "file"] == list(tmp_path.iterdir())


def test_it_is_flushed_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named_at_flush = []
    flush = filling_module._flush_file_system

    def noticed(path: Path) -> None:
        flush(path)
        named_at_flush.append((tmp_path / "out").exists())

    monkeypatch.setattr(filling_module, "_flush_file_system", noticed)

    with filling(tmp_path / "out"):
        pass

    assert [False] == named_at_flush


def test_a_place_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StorageError, match=r"cannot write to '.*file/out'"), filling(tmp_path / "file/out"):
        pass


def test_a_flush_that_fails_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        @staticmethod
        def syncfs(descriptor: int) -> int:
            ctypes.set_errno(errno.EIO)
            return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Library)

    with pytest.raises(StorageError, match=os.strerror(errno.EIO)), filling(tmp_path / "out"):
        pass

    assert [] == list(tmp_path.iterdir())


def test_where_one_file_system_cannot_be_flushed_all_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = []
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    monkeypatch.setattr(os, "sync", lambda: flushed.append(True))

    with filling(tmp_path / "out"):
        pass

    assert [True] == flushed


def test_files_are_replaced_and_directories_joined(tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/a").write_text("old")
    (tmp_path / "deep/mine").write_text("mine")

    with filling(tmp_path) as directory:
        for name in ("deep/a", "deep/er/b", "new/c"):
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text("new")

    found = {
        str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert {"deep/a": "new", "deep/er/b": "new", "new/c": "new", "deep/mine": "mine"} == found


@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "directory", "file"])
def test_what_is_no_file_is_neither_replaced_nor_written_through(tmp_path: Path, kind: str) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "out").mkdir()
    place = tmp_path / "out" / ("deep" if kind == "file" else "a")
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "directory":
        place.mkdir()
    elif kind == "file":
        place.write_text("mine")
    else:
        place.symlink_to(tmp_path / ("precious" if kind == "link" else "none"))
    before = sorted(os.listdir(tmp_path / "out"))

    with (
        pytest.raises(StorageError, match="what has this name is no"),
        filling(tmp_path / "out") as directory,
    ):
        (directory / "deep").mkdir()
        (directory / "deep/b").write_text("new")
        (directory / "a").write_text("new")

    assert before == sorted(os.listdir(tmp_path / "out"))
    assert "mine" == (tmp_path / "precious").read_text()
    assert not (tmp_path / "none").exists()
