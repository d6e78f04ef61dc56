"""How far a journal can be read, and what is said where it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from markab.errors import StorageError
from markab.journal.reader import whole_bytes


def test_only_whole_lines_count(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    assert 0 == whole_bytes(journal)
    journal.write_bytes(b"one\ntwo\ntor")
    assert 8 == whole_bytes(journal)
    journal.write_bytes(b"one\n" + b"x" * 200_000)
    assert 4 == whole_bytes(journal)


def test_a_journal_that_cannot_be_read_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot read"):
        whole_bytes(tmp_path)
