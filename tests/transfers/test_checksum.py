"""Checksums are right, and computed again only for what has changed."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from pathlib import Path

import pytest

from markab.errors import ChecksumMismatch, StorageError, TransferRefused, TransferUnavailable
from markab.transfers import checksum as module
from markab.transfers.base import Cancelled
from markab.transfers.checksum import Verified, compare, sha256_of


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often a file was read as a whole."""
    calls: list[int] = []
    real = module.sha256_of_open

    def counted(fd: int, stop: threading.Event | None = None) -> str:
        calls.append(fd)
        return real(fd, stop)

    monkeypatch.setattr(module, "sha256_of_open", counted)
    return calls


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 32, 33, 100])
def test_every_byte_of_a_file_counts_whatever_its_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", 16)
    data = os.urandom(size)
    (tmp_path / "f").write_bytes(data)

    assert sha256_of(str(tmp_path / "f")) == sha256(data)


def test_a_computation_ends_when_it_is_cancelled(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    stop = threading.Event()
    stop.set()

    with pytest.raises(Cancelled):
        sha256_of(str(tmp_path / "f"), stop)


def test_a_fifo_in_place_of_a_file_is_an_error_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f")
    before = set(os.listdir("/proc/self/fd"))

    for compute in (sha256_of, Verified().checksum):
        with pytest.raises(OSError, match="Illegal seek"):
            compute(str(tmp_path / "f"))
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_file_that_did_not_change_is_read_once(tmp_path: Path, read: list[int]) -> None:
    path, verified = tmp_path / "f", Verified()
    path.write_text("x")

    assert verified.known(str(path)) is None
    assert verified.checksum(str(path)) == verified.checksum(str(path)) == sha256(b"x")
    assert verified.known(str(path)) == sha256(b"x")
    with path.open() as file:
        assert verified.checksum_of_open(file.fileno(), "f") == sha256(b"x")
    assert len(read) == 1


def test_what_was_said_to_be_its_checksum_is_believed(tmp_path: Path, read: list[int]) -> None:
    path, verified = tmp_path / "f", Verified()
    path.write_text("x")
    verified.remember(str(path), "said")

    assert verified.checksum(str(path)) == "said" and not read


@pytest.mark.parametrize("change", ["size", "time", "only the inode's time", "another file"])
def test_a_file_that_has_changed_is_read_again(tmp_path: Path, change: str) -> None:
    path, verified = tmp_path / "f", Verified()
    path.write_text("old")
    status = path.stat()
    verified.remember_status(status, "old")
    new = path
    if change == "another file":
        new = tmp_path / "g"
    new.write_text("newer" if change == "size" else "new")
    times = (1, 1) if change == "time" else (status.st_atime_ns, status.st_mtime_ns)
    os.utime(new, ns=times)
    os.replace(new, path)

    assert verified.checksum(str(path)) == sha256(path.read_bytes())


def test_the_oldest_are_forgotten_first(tmp_path: Path) -> None:
    verified = Verified(remembered=2)
    for name in "abc":
        (tmp_path / name).write_text(name)
        verified.remember(str(tmp_path / name), name)

    assert [verified.known(str(tmp_path / name)) for name in "abc"] == [None, "b", "c"]


@pytest.mark.parametrize(("changes", "is_known"), [(1, True), (2, True), (3, False)])
def test_a_file_that_changes_meanwhile_is_read_again_and_at_last_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: int, is_known: bool
) -> None:
    path, verified = tmp_path / "f", Verified()
    path.write_text("begun")
    real, calls = module.sha256_of_open, []

    def while_it_is_written(fd: int, stop: object = None) -> str:
        found = real(fd)
        calls.append(found)
        if len(calls) <= changes:
            path.write_text("x" * (10 + len(calls)))
        return found

    monkeypatch.setattr(module, "sha256_of_open", while_it_is_written)
    if is_known:
        assert verified.checksum(str(path)) == sha256(path.read_bytes())
    else:
        with pytest.raises(TransferUnavailable, match="changes while its checksum is computed"):
            verified.checksum(str(path))
        assert verified.known(str(path)) is None


def test_a_checksum_in_upper_case_is_the_same_and_another_is_an_error(tmp_path: Path) -> None:
    path, verified = tmp_path / "f", Verified()
    path.write_text("x")

    verified.verify(str(path), sha256(b"x").upper())
    with path.open() as file:
        verified.verify_open(file.fileno(), "f", sha256(b"x"))
    with pytest.raises(
        ChecksumMismatch, match=f"its sha256 is {sha256(b'x')}, expected {sha256(b'y')}"
    ) as caught:
        verified.verify(str(path), sha256(b"y"))
    assert caught.value.hint.startswith(f"sha256sum '{path}'; ")


def test_the_hint_for_a_url_can_be_typed_too() -> None:
    with pytest.raises(ChecksumMismatch) as caught:
        compare("https://h/f", "aa", "bb")
    assert caught.value.hint.startswith("curl -sL 'https://h/f' | sha256sum; ")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOENT, TransferRefused),
        (errno.EACCES, TransferRefused),
        (errno.EISDIR, TransferRefused),
        (errno.EIO, StorageError),
    ],
)
def test_what_cannot_be_verified_is_refused_unless_the_disk_failed(
    monkeypatch: pytest.MonkeyPatch, code: int, kind: type[Exception]
) -> None:
    def fail(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched, pytest.raises(Exception) as caught:
        patched.setattr(os, "stat", fail)
        Verified().verify("/f", "aa")

    assert type(caught.value) is kind
    assert "'/f' " in str(caught.value) and os.strerror(code) in str(caught.value)
