"""Records of one kind are found without decoding a journal."""

from __future__ import annotations

from pathlib import Path

from markab.journal.records import Interrupt, RunEnd, Undone
from markab.journal.search import records_of
from markab.journal.writer import encode
from reports.made_run import T0, began, end, start


def test_records_of_one_kind_are_found_in_their_order(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    entries = [began(), start(0), end(0, stdout=' {"event":"undone"} '), Interrupt(T0), RunEnd(T0, "halted")]
    undone = [Undone(T0, 0, 1, "a file is gone"), Undone(T0, 7, 1, "another")]
    whole = b"".join(map(encode, [*entries, *undone]))
    journal.write_bytes(whole + b'00000000 {"event":"undone","torn')

    assert [encode(it)[9:-1] for it in undone] == [body.strip() for body in records_of(journal, "undone")]
    assert len(list(records_of(journal, "run-start"))) == 1
    assert list(records_of(journal, "halt")) == []


def test_without_a_journal_there_are_none(tmp_path: Path) -> None:
    assert list(records_of(tmp_path / "journal.jsonl", "undone")) == []
    (tmp_path / "journal.jsonl").touch()
    assert list(records_of(tmp_path / "journal.jsonl", "undone")) == []
