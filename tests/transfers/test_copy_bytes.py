"""Moving bytes between two descriptors when one end fails."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from markab.transfers import copy_bytes as module
from markab.transfers.base import Cancelled
from markab.transfers.copy_bytes import (
    SMALL_BYTES,
    Shrank,
    WriteFailed,
    copy_and_hash,
    copy_bytes,
    read_small,
)

SIZE = SMALL_BYTES + 1000
DATA = os.urandom(SIZE)
WAYS = [(), ("kernel",), ("kernel", "sendfile")]


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """A source with DATA, and an empty target."""
    (tmp_path / "a").write_bytes(DATA)
    source = os.open(tmp_path / "a", os.O_RDWR)
    target = os.open(tmp_path / "b", os.O_RDWR | os.O_CREAT)
    yield source, target
    os.close(source)
    os.close(target)


def without(monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]) -> None:
    def no(*_: object) -> int:
        raise OSError(errno.EXDEV, "no")

    if "kernel" in missing:
        monkeypatch.setattr(module, "_copy_file_range", no)
    if "sendfile" in missing:
        monkeypatch.setattr(os, "sendfile", no)


@pytest.mark.parametrize("missing", WAYS)
def test_a_source_that_is_shorter_than_it_was_is_an_error_by_every_way(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]
) -> None:
    without(monkeypatch, missing)
    os.ftruncate(ends[0], SIZE - 1)

    with pytest.raises(Shrank):
        copy_bytes(*ends, SIZE, None)


@pytest.mark.parametrize("missing", WAYS)
def test_what_one_way_has_begun_the_next_goes_on_with(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]
) -> None:
    without(monkeypatch, missing)
    monkeypatch.setattr(module, "_STEP_BYTES", 100_000)
    monkeypatch.setattr(module, "_BLOCK_BYTES", 70_000)
    calls = []
    real = os.sendfile

    def first_then_not_supported(target: int, source: int, offset: int, count: int) -> int:
        calls.append(offset)
        if len(calls) > 1:
            raise OSError(errno.EINVAL, "not any more")
        return real(target, source, offset, count)

    if missing == ("kernel",):
        monkeypatch.setattr(os, "sendfile", first_then_not_supported)
    copy_bytes(*ends, SIZE, None)

    assert os.pread(ends[1], SIZE + 1, 0) == DATA
    assert calls == ([0, 100_000] if missing == ("kernel",) else [])


def test_an_end_that_is_a_hole_is_part_of_the_copy(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.write(b"x" * 4096)
        file.truncate(1 << 22)
    with (tmp_path / "a").open("rb") as source, (tmp_path / "b").open("w+b") as target:
        copy_bytes(source.fileno(), target.fileno(), 1 << 22, None)

    assert (tmp_path / "b").stat().st_size == 1 << 22
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()


def test_where_holes_cannot_be_found_a_sparse_file_is_copied_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.truncate(1 << 21)
        file.seek(1 << 20)
        file.write(b"x" * 4096)
    real = os.lseek

    def no_holes(fd: int, position: int, how: int) -> int:
        if how in (os.SEEK_DATA, os.SEEK_HOLE):
            raise OSError(errno.EINVAL, "not on this file system")
        return real(fd, position, how)

    monkeypatch.setattr(os, "lseek", no_holes)
    with (tmp_path / "a").open("rb") as source, (tmp_path / "b").open("w+b") as target:
        copy_bytes(source.fileno(), target.fileno(), 1 << 21, None)

    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()


def test_a_file_that_has_grown_is_copied_as_long_as_it_was(ends: tuple[int, int]) -> None:
    os.ftruncate(ends[0], 4 * SIZE)  # the end is a hole
    os.lseek(ends[1], 5, os.SEEK_SET)

    copy_bytes(*ends, SIZE - 10, None)

    assert os.pread(ends[1], 2 * SIZE, 0) == DATA[: SIZE - 10]


@pytest.mark.parametrize("missing", WAYS)
def test_a_copy_ends_when_it_is_cancelled_by_whatever_way(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]
) -> None:
    without(monkeypatch, missing)
    stop = threading.Event()
    stop.set()

    with pytest.raises(Cancelled):
        copy_bytes(*ends, SIZE, stop)
    with pytest.raises(Cancelled):
        copy_and_hash(*ends, hashlib.sha256(), stop)

    assert os.fstat(ends[1]).st_size == 0


class LateStop(threading.Event):
    """Is set after so many questions."""

    def __init__(self, questions: int) -> None:
        super().__init__()
        self.left = questions

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("missing", WAYS)
def test_a_copy_that_has_begun_ends_when_it_is_cancelled(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]
) -> None:
    without(monkeypatch, missing)
    for name in ("_STEP_BYTES", "_BLOCK_BYTES"):
        monkeypatch.setattr(module, name, 100_000)

    with pytest.raises(Cancelled):
        copy_bytes(*ends, SIZE, LateStop(len(missing) + 1))

    assert os.fstat(ends[1]).st_size == 100_000


def test_a_hash_is_of_the_whole_file_wherever_it_was_read_to(ends: tuple[int, int]) -> None:
    os.lseek(ends[0], 1000, os.SEEK_SET)
    digest = hashlib.sha256()

    assert copy_and_hash(*ends, digest, None) == SIZE
    assert digest.digest() == hashlib.sha256(DATA).digest()
    assert os.pread(ends[1], 2 * SIZE, 0) == DATA


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EFBIG])
def test_a_target_that_cannot_get_its_size_cannot_be_written(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "ftruncate", refuse)

    with pytest.raises(WriteFailed) as caught:
        copy_bytes(*ends, SIZE, None)

    assert caught.value.error.errno == code


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_an_error_of_a_copy_in_the_kernel_is_one_of_the_target(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(module, "_copy_file_range", full)

    with pytest.raises(WriteFailed) as caught:
        copy_bytes(*ends, SIZE, None)

    assert caught.value.error.errno == code


def test_a_source_that_cannot_be_read_is_found_by_reading_it(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "I/O error")

    for name, where in (("_copy_file_range", module), ("sendfile", os), ("pread", os)):
        monkeypatch.setattr(where, name, broken)

    with pytest.raises(OSError, match="I/O error"):
        copy_bytes(*ends, SIZE, None)


@pytest.mark.parametrize(("size", "is_small"), [(0, True), (SMALL_BYTES, True), (SMALL_BYTES + 1, False)])
@pytest.mark.parametrize("said", [None, 5, "size"])
def test_a_small_file_is_read_whole_whatever_its_size_was_said_to_be(
    tmp_path: Path, size: int, is_small: bool, said: object
) -> None:
    (tmp_path / "a").write_bytes(DATA[:size])
    with (tmp_path / "a").open("rb") as file:
        found = read_small(file.fileno(), size if said == "size" else said)  # type: ignore[arg-type]

    assert found == (DATA[:size] if is_small else None)
