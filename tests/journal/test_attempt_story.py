"""What is said of an attempt."""

from __future__ import annotations

from typing import Any

from markab.journal.attempt_story import error_lines


def missing(name: str) -> dict[str, Any]:
    return {"kind": "missing-output", "message": f"output '{name}' is missing", "hint": f"write '{name}'"}


def test_each_error_has_its_hint_below() -> None:
    record = {"error": missing("a"), "also": [missing("b"), {"kind": "input-changed", "message": "c"}]}
    assert error_lines(record) == [
        "output 'a' is missing",
        "  hint: write 'a'",
        "output 'b' is missing",
        "  hint: write 'b'",
        "c",
    ]
    assert error_lines({"ok": True}) == []


def test_outputs_that_are_missing_after_another_error_are_one_line_without_a_hint_and_the_last() -> None:
    code = {"kind": "exit", "message": "exit code 5"}
    changed = {"kind": "input-changed", "message": "input changed", "hint": "restore it"}
    record = {"error": code, "also": [missing("a"), missing("b"), missing("c"), changed]}
    assert error_lines(record) == [
        "exit code 5",
        "input changed",
        "  hint: restore it",
        "output 'a' is missing, and 2 more outputs",
    ]
    assert error_lines({"error": code, "also": [missing("a")]})[1:] == ["output 'a' is missing"]
