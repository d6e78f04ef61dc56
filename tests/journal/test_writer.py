from __future__ import annotations

import errno
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markab.errors import CorruptJournal, RunBusy, StorageError
from markab.journal.reader import JournalReader
from markab.journal.records import AttemptEnd, AttemptStart, Entry, Halt, RunEnd, RunStart, decode
from markab.journal.writer import SYNC_EVERY_S, Journal, encode

ENTRIES: list[Entry] = [
    RunStart(1.0, "uuid", 7, "host", cores=2),
    AttemptStart(2.0, 0, "a", 1, "local"),
    AttemptEnd(3.0, 0, 1, {"ok": True, "stdout": "zwei\nZeilen ü"}),
    RunEnd(4.0, "success", {"succeeded": 1}),
]


def read(path: Path) -> list[Entry]:
    return [decode(body) for body in JournalReader(path).bodies()]


def write(path: Path, entries: list[Entry]) -> bytes:
    journal = Journal.open(path)
    for entry in entries:
        journal.append(entry)
    journal.sync()
    journal.close()
    return path.read_bytes()


class FaultyStorage:
    """A disk that fails at chosen calls."""

    def __init__(
        self, fail_at: int = 0, partly: int = 0, failing: str = "write", error: int = errno.ENOSPC
    ) -> None:
        self.fail_at, self.partly, self.failing, self.error = fail_at, partly, failing, error
        self.calls = 0
        self.syncs = 0

    def _count(self, name: str) -> None:
        if name == self.failing:
            self.calls += 1
            if self.calls == self.fail_at:
                raise OSError(self.error, os.strerror(self.error))

    def write(self, descriptor: int, data: memoryview) -> int:
        try:
            self._count("write")
        except OSError:
            if self.partly:
                os.write(descriptor, data[: self.partly])
            raise
        return os.write(descriptor, data[: max(1, len(data) // 2)])

    def fdatasync(self, descriptor: int) -> None:
        self.syncs += 1
        self._count("fdatasync")

    def ftruncate(self, descriptor: int, length: int) -> None:
        self._count("ftruncate")
        os.ftruncate(descriptor, length)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    write(tmp_path / "j", ENTRIES)

    assert read(tmp_path / "j") == ENTRIES


def test_a_line_can_be_read_by_the_documented_format(tmp_path: Path) -> None:
    for line in write(tmp_path / "j", ENTRIES).splitlines(keepends=True):
        checksum, _, body = line[:-1].partition(b" ")
        assert (
            int(checksum, 16) == zlib.crc32(body)
            and len(checksum) == 8
            and checksum.islower() | checksum.isdigit()
        )
        assert "event" in json.loads(body)


def test_a_journal_cut_anywhere_replays_to_a_prefix_and_is_continued_from_there(tmp_path: Path) -> None:
    """A crash may stop a write at any byte; it may cost the last record, never more."""
    path = tmp_path / "j"
    whole = write(path, ENTRIES)

    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        committed = ENTRIES[: whole[:size].count(b"\n")]
        assert read(path) == committed
        write(path, [Halt(9.0)])
        assert read(path) == [*committed, Halt(9.0)]


def test_any_changed_byte_of_a_line_but_the_last_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "j"
    whole = write(path, ENTRIES)
    last = whole[:-1].rindex(b"\n") + 1

    for at in range(last):
        for flip in (1, 0x20, whole[at] ^ 0x0A, whole[at]):
            damaged = bytearray(whole)
            damaged[at] ^= flip
            if bytes(damaged) == whole:
                continue
            path.write_bytes(damaged)
            with pytest.raises(CorruptJournal, match=r"line \d+ \(byte \d+\)"):
                read(path)
            with pytest.raises(CorruptJournal):
                Journal.open(path)
            assert path.read_bytes() == damaged


def test_the_remedy_for_damage_keeps_all_records_above_it(tmp_path: Path) -> None:
    path = tmp_path / "j"
    whole = bytearray(write(path, ENTRIES))
    start = whole.index(b"\n") + 1
    whole[start + 20] ^= 1
    path.write_bytes(whole)

    with pytest.raises(CorruptJournal) as caught:
        Journal.open(path)

    assert f"line 2 (byte {start})" in str(caught.value)
    assert f"truncate -s {start} {path}" in caught.value.hint
    os.truncate(path, start)
    assert read(path) == ENTRIES[:1]


def test_a_block_that_a_power_loss_left_empty_at_the_end_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "j"
    whole = bytearray(write(path, ENTRIES))
    whole[-20:-10] = bytes(10)
    path.write_bytes(whole)

    assert read(path) == ENTRIES[:-1]
    write(path, [])
    assert read(path) == ENTRIES[:-1]


@pytest.mark.parametrize("partly", [0, 1, 10, 60])
@pytest.mark.parametrize("fail_at", range(1, 12))
def test_a_full_disk_leaves_whole_records_and_space_later_saves_the_rest(
    tmp_path: Path, fail_at: int, partly: int
) -> None:
    path = tmp_path / "j"
    storage = FaultyStorage(fail_at, partly)
    journal = Journal.open(path, storage=storage)
    failed = 0

    for number, entry in enumerate(ENTRIES):
        journal.append(entry)
        try:
            journal.flush()
        except StorageError as error:
            assert "No space left on device" in str(error) and "make room" in error.hint
            assert read(path) == ENTRIES[:number]
            assert path.read_bytes() == b"".join(encode(e) for e in ENTRIES[:number])
            failed += 1
    journal.flush()

    assert failed == 1
    assert read(path) == ENTRIES


@pytest.mark.parametrize("failing", ["fdatasync", "ftruncate"])
def test_a_disk_whose_content_is_unknown_breaks_the_journal(tmp_path: Path, failing: str) -> None:
    storage = FaultyStorage(1, 10, failing, errno.EIO)
    if failing == "ftruncate":
        storage.write = _full_disk  # type: ignore[method-assign]
    journal = Journal.open(tmp_path / "j", storage=storage)
    journal.append(ENTRIES[0])

    with pytest.raises(StorageError):
        journal.sync()
    assert journal.is_broken
    with pytest.raises(StorageError):
        journal.append(ENTRIES[1])
        journal.flush()


def _full_disk(descriptor: int, data: memoryview) -> int:
    os.write(descriptor, data[:10])
    raise OSError(errno.ENOSPC, "full")


def test_records_are_synced_every_100_ms_and_before_they_are_reported(tmp_path: Path) -> None:
    now = 0.0
    storage = FaultyStorage()
    journal = Journal.open(tmp_path / "j", clock=lambda: now, storage=storage)
    assert journal.sync_due_s() is None

    journal.append(ENTRIES[0])
    journal.flush()
    assert storage.syncs == 0 and journal.sync_due_s() == pytest.approx(SYNC_EVERY_S)
    now = SYNC_EVERY_S
    assert journal.sync_due_s() == 0
    journal.flush()
    assert storage.syncs == 1 and journal.sync_due_s() is None
    journal.append(ENTRIES[1])
    journal.sync()
    assert storage.syncs == 2
    journal.sync()
    assert storage.syncs == 2


def test_the_next_sync_is_due_100_ms_after_the_last(tmp_path: Path) -> None:
    now = 0.0
    storage = FaultyStorage()
    journal = Journal.open(tmp_path / "j", clock=lambda: now, storage=storage)
    journal.append(ENTRIES[0])
    now = 1.0
    journal.sync()

    journal.append(ENTRIES[1])
    now = 1.0 + SYNC_EVERY_S / 2
    journal.flush()
    assert storage.syncs == 1 and journal.sync_due_s() == pytest.approx(SYNC_EVERY_S / 2)
    now = 1.0 + SYNC_EVERY_S * 2
    journal.flush()
    assert storage.syncs == 2


def test_its_size_is_that_of_what_was_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "j"
    begun = len(write(path, ENTRIES[:1]))
    journal = Journal.open(path, storage=FaultyStorage(fail_at=1, partly=10))
    journal.append(ENTRIES[1])
    assert journal.size_bytes == begun

    with pytest.raises(StorageError):
        journal.flush()
    assert journal.size_bytes == begun
    journal.flush()
    assert journal.size_bytes == path.stat().st_size > begun


def _interrupt(body: bytes) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("each", "storage", "error"),
    [
        (_interrupt, FaultyStorage(), KeyboardInterrupt),
        (None, FaultyStorage(1, failing="ftruncate", error=errno.EIO), StorageError),
    ],
)
def test_a_journal_that_could_not_be_opened_is_let_go_of(
    tmp_path: Path, each: Callable[[bytes], None] | None, storage: FaultyStorage, error: type[BaseException]
) -> None:
    path = tmp_path / "j"
    path.write_bytes(write(path, ENTRIES) + b"torn")
    before = set(os.listdir("/proc/self/fd"))

    with pytest.raises(error):
        Journal.open(path, each, storage=storage)

    assert set(os.listdir("/proc/self/fd")) == before
    Journal.open(path).close()
    assert read(path) == ENTRIES


def test_closing_twice_closes_no_other_file(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "j")
    journal.close()
    with (tmp_path / "j").open() as other:  # it has the lowest free number: that of the closed one
        journal.close()
        assert other.read() == ""


def test_a_journal_that_is_deleted_accepts_no_more_records(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "j")
    journal.append(ENTRIES[0])
    journal.sync()
    (tmp_path / "j").unlink()

    journal.append(ENTRIES[1])
    with pytest.raises(StorageError, match="was deleted"):
        journal.sync()
    assert journal.is_broken


def test_a_directory_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write"):
        Journal.open(tmp_path / "missing" / "j")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters()), json_values, max_size=4))
def test_any_worker_record_becomes_one_line(record: dict[str, object]) -> None:
    line = encode(AttemptEnd(1.0, 0, 1, record))

    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert isinstance(decode(line[9:-1]), AttemptEnd)


def test_bytes_of_a_task_that_are_no_text_are_marked() -> None:
    line = encode(AttemptEnd(1.0, 0, 1, {"ok": True, "stdout": "caf\udce9 \ud800"}))

    end = decode(line[9:-1])
    assert isinstance(end, AttemptEnd) and end.record["ok"] is True
    assert end.record["stdout"].startswith("caf")


def test_a_journal_that_another_engine_writes_is_not_opened(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal.jsonl")

    with pytest.raises(RunBusy, match="another engine writes"):
        Journal.open(tmp_path / "journal.jsonl")
    journal.close()
    Journal.open(tmp_path / "journal.jsonl").close()


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["fifo", "device"]
)
def test_what_is_no_file_is_an_error_and_never_waited_for(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "journal.jsonl"
    make(path)

    with pytest.raises(StorageError, match="Not a regular file"):
        list(JournalReader(path).lines())
    with pytest.raises(StorageError, match="Not a regular file"):
        Journal.open(path)


def test_a_file_without_line_ends_is_damage_and_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.touch()
    os.truncate(path, 1 << 40)

    with pytest.raises(CorruptJournal, match="line 1"):
        list(JournalReader(path).lines())
