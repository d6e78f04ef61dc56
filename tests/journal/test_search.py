"""Records of one kind, or about one job, are found without decoding the whole journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.made_run import T0, began, end, start
from markab.journal import records
from markab.journal.records import (
    EVENTS,
    AnyRecord,
    AttemptHeld,
    AttemptReleased,
    AttemptRunning,
    GiveUp,
    Halt,
    Incomplete,
    Interrupt,
    NoRoom,
    Refresh,
    RefreshedFile,
    Refused,
    Remove,
    Retry,
    RunEnd,
    RunStart,
    Undone,
)
from markab.journal.search import beginning, records_about, records_of, records_success
from markab.journal.writer import encode

ONE_OF_EACH = [
    began(),
    Refused(T0, "this machine has no GPUs", "buy some"),
    start(0),
    AttemptRunning(T0, 0, 1, "12.0", "node7"),
    AttemptHeld(T0, 0, 1, "disk quota exceeded", "12.0"),
    AttemptReleased(T0, 0, 1),
    end(0),
    Retry(T0, 0, 1),
    GiveUp(T0, 0, 1),
    Incomplete(T0, 0, 1),
    Undone(T0, 0, 1, "gone"),
    Refresh(T0, [RefreshedFile("f", "/data/f", "ab" * 32)], [0], [1], ["c"]),
    NoRoom(T0, 0, "too large", "a larger bound"),
    Halt(T0),
    Remove(T0),
    Interrupt(T0),
    RunEnd(T0, "halted"),
]


def test_every_kind_is_written_as_the_search_expects_it(tmp_path: Path) -> None:
    assert {type(it) for it in ONE_OF_EACH} == set(EVENTS)
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(b"".join(map(encode, ONE_OF_EACH)))

    for entry in ONE_OF_EACH:
        assert list(records_of(journal, type(entry))) == [entry]
        assert [kind for kind in EVENTS if encode(entry)[9:].startswith(beginning(kind))] == [type(entry)]
    about = [entry for entry in ONE_OF_EACH if hasattr(entry, "job")]
    assert list(records_about(journal, 0)) == about and len(about) == 10


def test_all_records_are_kinds_of_one_base() -> None:
    assert set(EVENTS) == {
        it for it in vars(records).values() if isinstance(it, type) and issubclass(it, AnyRecord)
    } - {AnyRecord}


def test_success_is_read_from_the_record_not_from_what_a_task_prints() -> None:
    assert records_success(encode(end(0)))
    assert not records_success(encode(end(0, ok=False, stdout='{"ok":true}')))


def test_records_of_one_kind_are_found_in_their_order(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    entries = [began(), start(0), end(0, stdout=' {"event":"undone"} '), Interrupt(T0), RunEnd(T0, "halted")]
    undone = [Undone(T0, 0, 1, "a file is gone"), Undone(T0, 7, 1, "another")]
    whole = b"".join(map(encode, [*entries, *undone]))
    journal.write_bytes(whole + b'00000000 {"event":"undone","torn')

    assert undone == list(records_of(journal, Undone))
    assert [began()] == list(records_of(journal, RunStart))
    assert list(records_of(journal, Halt)) == []


def test_a_job_is_distinguished_from_one_whose_number_stands_in_a_text(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    nested = end(1, said={"job": 7, "more": 1})
    journal.write_bytes(b"".join(map(encode, [began(), start(7), start(70), nested])))

    assert list(records_about(journal, 7)) == [start(7)]


@pytest.mark.parametrize("is_empty", [False, True])
def test_without_a_journal_there_are_none(tmp_path: Path, is_empty: bool) -> None:
    journal = tmp_path / "journal.jsonl"
    if is_empty:
        journal.touch()
    assert list(records_of(journal, Undone)) == list(records_about(journal, 0)) == []
