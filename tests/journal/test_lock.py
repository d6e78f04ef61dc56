"""Who holds the lock of a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from markab.errors import NotARun, RunBusy, StorageError
from markab.journal import lock
from markab.journal.lock import RunLock, holder, read_holder

FORMS = [
    ("12 here\n", (12, "here")),
    ("", (0, "?")),
    ("x here", (0, "?")),
    ("12", (0, "?")),
    ("1 2 3", (0, "?")),
]


def unreadable(monkeypatch: pytest.MonkeyPatch, path: Path, locks: str | None = None) -> None:
    """Let `path` be a file that only another user may open; `locks` is the kernel's list, None: unreadable too."""
    real_open, real_read = lock.open_regular, Path.read_text

    def open_regular(name: str, flags: int) -> int:
        if name == str(path):
            raise PermissionError(13, "Permission denied", name)
        return real_open(name, flags)

    def read_text(self: Path, *args: Any, **named: Any) -> str:
        if str(self) != "/proc/locks":
            return real_read(self, *args, **named)
        if locks is None:
            raise PermissionError(13, "Permission denied", "/proc/locks")
        return locks

    monkeypatch.setattr(lock, "open_regular", open_regular)
    monkeypatch.setattr(Path, "read_text", read_text)


def line(path: Path, pid: int = 77, kind: str = "FLOCK", inode: int | None = None) -> str:
    status = path.stat()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    return f"1: {kind}  ADVISORY  WRITE {pid} {device}:{inode or status.st_ino} 0 EOF\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "lock").write_text("5 there\n")
    return tmp_path / "lock"


def test_a_lock_names_its_holder_while_it_is_held(path: Path) -> None:
    assert holder(path) is None
    with RunLock(path) as held:
        assert holder(path) == os.getpid()
        with pytest.raises(RunBusy, match=f"is being run by process {os.getpid()} on "):
            RunLock(path).take()
        held.release()
        assert holder(path) is None
    assert path.exists()


def test_without_a_file_no_engine_holds_it(tmp_path: Path) -> None:
    assert holder(tmp_path / "lock") is None
    with pytest.raises(NotARun):
        RunLock(tmp_path / "none" / "lock").take()


@pytest.mark.parametrize(("text", "found"), FORMS)
def test_a_file_that_names_nobody_is_held_by_an_unknown_process(
    path: Path, text: str, found: tuple[int, str]
) -> None:
    path.write_text(text)
    assert read_holder(path) == found


def test_the_list_of_the_kernel_tells_who_holds_a_lock_that_may_not_be_opened(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = line(path, 1, inode=3) + line(path, 2, kind="POSIX") + "damaged\n"
    unreadable(monkeypatch, path, others + line(path) + line(path, 78))
    assert holder(path) == 77


@pytest.mark.parametrize("pid", [-1, 0])
def test_a_holder_in_another_container_is_an_unknown_process(
    path: Path, monkeypatch: pytest.MonkeyPatch, pid: int
) -> None:
    unreadable(monkeypatch, path, line(path, pid))
    assert holder(path) == 0


@pytest.mark.parametrize("locks", [None, ""])
def test_where_nothing_can_be_read_no_engine_is_seen(
    path: Path, monkeypatch: pytest.MonkeyPatch, locks: str | None
) -> None:
    unreadable(monkeypatch, path, locks)
    assert holder(path) is None


def test_a_lock_that_is_no_file_is_a_storage_error(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()

    with pytest.raises(StorageError, match=r"cannot write '.*lock'"):
        RunLock(path).take()


def test_a_file_that_cannot_be_locked_is_a_storage_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bool:
        raise OSError(37, "No locks available")

    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(lock, "try_lock", refuse)
    with pytest.raises(StorageError, match="cannot lock .*: No locks available"):
        RunLock(path).take()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_process_that_only_looks_does_not_keep_an_engine_out(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    looking = os.open(path, os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == lock.ATTEMPTS - 1:
            os.close(looking)

    monkeypatch.setattr(lock.time, "sleep", pause)
    RunLock(path).take()
    assert len(pauses) == lock.ATTEMPTS - 1


@pytest.mark.parametrize(
    "text", [b"", b"\xff\xfe \x00", "\u00b2 node7".encode(), b"one two three", b"9" * 5000 + b" x"]
)
def test_a_text_of_another_kind_names_nothing(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(text)
    assert read_holder(tmp_path / "lock") == (0, "?")


def test_a_lock_whose_text_was_damaged_is_still_a_lock(tmp_path: Path) -> None:
    with RunLock(tmp_path / "lock"):
        (tmp_path / "lock").write_bytes(b"\xff")
        assert holder(tmp_path / "lock") == 0
        with pytest.raises(RunBusy, match="is being run"):
            RunLock(tmp_path / "lock").take()
