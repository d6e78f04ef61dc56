"""The text of a lock file, whatever another program has written there."""

from __future__ import annotations

from pathlib import Path

import pytest

from markab.errors import RunBusy
from markab.journal.lock import RunLock, holder, read_holder


def test_the_lock_names_its_holder(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("4711 node7\n")
    assert read_holder(tmp_path / "lock") == (4711, "node7")


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
