"""A file while it is being written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from markab.transfers import partial_file
from markab.transfers.partial_file import PartialFile, sync_directory


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("durable", [True, False])
def test_no_descriptor_is_left_open(tmp_path: Path, durable: bool) -> None:
    before = open_descriptors()
    for name in ("a", "d/b"):
        part = PartialFile(str(tmp_path / name))
        os.write(part.fd, b"x")
        part.commit(0o644, durable)
    part = PartialFile(str(tmp_path / "c"))
    part.discard()
    part.discard()

    assert open_descriptors() == before
    assert sorted(os.listdir(tmp_path)) == ["a", "d"]


@pytest.mark.parametrize(
    ("code", "is_error"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True)]
)
def test_only_file_systems_that_sync_names_by_themselves_may_refuse_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, is_error: bool
) -> None:
    def refuse(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    before = open_descriptors()
    if is_error:
        with pytest.raises(OSError) as caught:
            sync_directory(str(tmp_path))
        assert caught.value.errno == code
    else:
        sync_directory(str(tmp_path))

    assert open_descriptors() == before


@pytest.mark.parametrize("content", ["", "of another"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_file_that_cannot_be_examined_is_not_left_open_nor_left_behind_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, number: int
) -> None:
    if content:
        (tmp_path / ".a.part-0").write_text(content)
    calls, real = 0, os.fstat

    def fail_once(fd: int) -> os.stat_result:
        nonlocal calls
        calls += 1
        if calls == number:
            raise OSError(errno.EIO, "Input/output error")
        return real(fd)

    before = open_descriptors()
    monkeypatch.setattr(os, "fstat", fail_once)
    try:
        PartialFile(str(tmp_path / "a")).discard()
        has_failed = False
    except OSError:
        has_failed = True
    monkeypatch.undo()

    assert has_failed == (number == 1)
    assert open_descriptors() == before
    assert os.listdir(tmp_path) == ([".a.part-0"] if content and number == 1 else [])


def test_what_was_discarded_is_not_removed_again_when_another_has_taken_its_name(tmp_path: Path) -> None:
    part = PartialFile(str(tmp_path / "a"))
    part.discard()
    assert [] == os.listdir(tmp_path)
    (tmp_path / ".a.part-0").write_text("of another attempt")

    part.discard()

    assert [".a.part-0"] == os.listdir(tmp_path)


def test_what_is_no_file_of_ours_at_a_temporary_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis").write_text("years")
    os.link(tmp_path / "thesis", tmp_path / ".a.part-0")
    os.mkfifo(tmp_path / ".a.part-1")
    (tmp_path / ".a.part-2").symlink_to("thesis")
    (tmp_path / ".a.part-3").mkdir()

    part = PartialFile(str(tmp_path / "a"))
    os.write(part.fd, b"new")
    part.commit(0o640, durable=False)

    assert ("new", "years") == ((tmp_path / "a").read_text(), (tmp_path / "thesis").read_text())


def test_what_was_left_is_used_again_empty(tmp_path: Path) -> None:
    (tmp_path / ".a.part-0").write_text("of a process that was killed")

    part = PartialFile(str(tmp_path / "a"))
    os.write(part.fd, b"new")
    part.commit(0o640, durable=False, mtime_ns=5_000_000_000)

    assert os.listdir(tmp_path) == ["a"]
    status = (tmp_path / "a").stat()
    assert ((tmp_path / "a").read_text(), status.st_mode & 0o777, status.st_mtime) == ("new", 0o640, 5)


@pytest.mark.parametrize("name", ["x" * 240, "x" * 241, "x" * 255, "é" * 127])
def test_two_long_names_that_begin_alike_have_temporary_names_of_their_own(tmp_path: Path, name: str) -> None:
    other = name[:-1] + "y"
    parts = [PartialFile(str(tmp_path / one)) for one in (name, other)]
    for part, text in zip(parts, (b"1", b"2"), strict=True):
        os.write(part.fd, text)
    for part in parts:
        part.commit(0o644, durable=False)

    assert {name: "1", other: "2"} == {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert partial_file.part_stem(name) != partial_file.part_stem(other)


@pytest.mark.parametrize("is_alive", [False, True])
def test_a_read_only_file_is_used_again_if_its_writer_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_alive: bool
) -> None:
    """Which root could open for writing, so that the system refuses it by hand."""
    first = PartialFile(str(tmp_path / "a"))
    first.set_times(0o444)
    if not is_alive:
        os.close(first.fd)
    really = os.open

    def refuse(path: str, flags: int, *mode: int) -> int:
        if flags & os.O_RDWR and os.path.exists(path) and not os.stat(path).st_mode & 0o200:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return really(path, flags, *mode)

    monkeypatch.setattr(os, "open", refuse)
    second = PartialFile(str(tmp_path / "a"))
    monkeypatch.undo()

    assert [".a.part-0", ".a.part-1"][: is_alive + 1] == sorted(os.listdir(tmp_path))
    assert second.path == str(tmp_path / f".a.part-{int(is_alive)}")
    second.discard()


@pytest.mark.parametrize(("size", "is_whole"), [(160, True), (161, False)])
def test_a_name_is_shortened_only_beyond_the_limit(size: int, is_whole: bool) -> None:
    for name in ("x" * size, "é" * (size // 2) + "x" * (size % 2)):
        stem = partial_file.part_stem(f"/d/{name}")

        assert (stem == f"/d/.{name}.part-") == is_whole
        assert len(os.fsencode(stem)) <= 160 + len("/d/..part-")
