"""Braindumps: a flat map of texts, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markab.errors import CorruptPlan
from markab.plan.braindump import (
    braindump_text,
    original_of,
    parse_braindump,
    read_braindump,
    write_braindump,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = {"a": "1", "b": None, "c": "null", "d": "true", "e": "2026-01-01", "f": "x: [y]", "g": ""}
    write_braindump(tmp_path / "braindump.yml", dict(written))
    read = read_braindump(tmp_path / "braindump.yml")
    assert read == {**written, "submit_dir": str(tmp_path.resolve())}


def test_values_without_quotes_keep_their_spelling() -> None:
    text = "a: 5.0\nb: true\nc: 2026-99-99\nd: 010\ne:\nf: ~\n"
    assert parse_braindump(text) == {
        "a": "5.0",
        "b": "true",
        "c": "2026-99-99",
        "d": "010",
        "e": None,
        "f": None,
    }


@pytest.mark.parametrize(
    "text",
    [
        "a: [b]",
        "a: {b: c}",
        "[a]",
        "a",
        "",
        "[a]: b",
        "a: &a [*a]",
        "a: [" * 5000,
        "a: 'b",
        "a: b\n---\na: c",
        "a: \x01",
        "- " * 5000,
    ],
)
def test_anything_else_is_an_error_that_names_the_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "braindump.yml").write_text(text)
    with pytest.raises(CorruptPlan, match="braindump.yml' is not"):
        read_braindump(tmp_path / "braindump.yml")


def test_a_damaged_braindump_at_the_place_of_the_original_makes_no_copy(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for path in (here, there):
        path.mkdir()
        write_braindump(path / "braindump.yml", {"wf_uuid": "7a3c", "submit_dir": str(there)})
    assert original_of(here / "braindump.yml") == there
    (there / "braindump.yml").write_text("wf_uuid: [7a3c\n")
    assert original_of(here / "braindump.yml") is None


PLAIN = st.characters(min_codepoint=32, max_codepoint=126)


@given(st.dictionaries(st.text("abc_", min_size=1), st.none() | st.text(PLAIN), min_size=1))
def test_the_short_way_to_read_it_gives_what_a_reader_of_yaml_gives(values: dict[str, str | None]) -> None:
    text = braindump_text(values)

    assert parse_braindump(text) == values
    assert parse_braindump(f"# comment\n{text}") == values, "this is read as YAML"
