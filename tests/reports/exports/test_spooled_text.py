from __future__ import annotations

import io
import json
from typing import Any

import pytest

from markab.reports.exports import spooled_text
from markab.reports.exports.spooled_text import Spool


def text_of(filled: Spool) -> str:
    out = io.BytesIO()
    filled.copy_to(out)
    filled.close()
    return out.getvalue().decode()


@pytest.mark.parametrize("limit", [1, 20, 1 << 20])
def test_what_is_added_comes_out_in_order_wherever_it_was_kept(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooled_text, "IN_MEMORY_BYTES", limit)
    items, members = Spool(), Spool()
    said: dict[str, Any] = {f"é{n}": {"n": n, "text": "a\n"} for n in range(9)}
    for key, value in said.items():
        items.item(value)
        members.member(key, value)

    assert (9, 9) == (items.count, members.count)
    assert list(said.values()) == json.loads(f"[{text_of(items)}]")
    assert said == json.loads(f"{{{text_of(members)}}}")


def test_past_the_limit_nothing_more_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooled_text, "IN_MEMORY_BYTES", 100)
    filled = Spool()

    for _ in range(50):
        filled.item("x" * 30)
        assert len(filled._buffer) <= 100 + 40

    assert 50 == len(json.loads(f"[{text_of(filled)}]"))


def test_nothing_added_is_nothing_written() -> None:
    assert "" == text_of(Spool())
