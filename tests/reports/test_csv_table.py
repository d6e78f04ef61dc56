from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markab.reports.csv_table import write_rows


def written(*cells: object) -> list[str]:
    out = io.StringIO()
    write_rows(out, [cells])
    (row,) = csv.reader(io.StringIO(out.getvalue(), newline=""))
    return row


@pytest.mark.parametrize("first", list("=+-@\t＝＋－＠"))
def test_a_text_that_a_spreadsheet_would_calculate_has_an_apostrophe_before_it(first: str) -> None:
    assert written("a", f"{first}HYPERLINK(1)") == ["a", f"'{first}HYPERLINK(1)"]


def test_numbers_unknown_values_and_other_texts_stay_as_they_are() -> None:
    assert written(-1, -0.5, None, "-", "a=b", "a,b", 'x"y', "two\nlines") == [
        "-1", "-0.5", "", "-", "a=b", "a,b", 'x"y', "two\nlines",
    ]  # fmt: skip


@given(st.text(min_size=1))
def test_no_text_begins_as_a_formula(text: str) -> None:
    assert text == "-" or written("x", text)[1][0] not in "=+-@\t\r"


def test_no_character_of_a_text_controls_a_terminal_or_begins_a_row() -> None:
    assert written("a\r=1+1", "\x1b[2J", "\u202e") == [r"a\r=1+1", r"\x1b[2J", r"\u202e"]
