from __future__ import annotations

import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from markab.formatting import output_lines, printable, printable_line, redrawn

JOINERS = {0x200C, 0x200D}
VISIBLE = {
    *range(0x600, 0x606),
    0x6DD,
    0x70F,
    0x890,
    0x891,
    0x8E2,
    0x110BD,
    0x110CD,
    *range(0x13430, 0x13440),
}
"""Format characters (Cf) that a font draws."""


def test_commands_to_the_terminal_become_escape_sequences() -> None:
    assert printable("\x1b]0;title\x07\x1b[2J\x9b31m") == r"\x1b]0;title\x07\x1b[2J\x9b31m"
    assert printable("a\rb\x00\x7f\x08") == r"a\rb\x00\x7f\x08"


def test_characters_that_change_the_order_or_are_invisible_become_escape_sequences() -> None:
    assert printable("photo\u202egnp.exe\u2066\u200b\ufeff") == r"photo\u202egnp.exe\u2066\u200b\ufeff"
    assert printable("a\U000e0041b\udce9\u2028") == r"a\U000e0041b\udce9\u2028"


def test_all_other_text_stays_as_it_is() -> None:
    text = "naïve 日本語 שלום می\u200cخواهم 👩\u200d🔬 ❤\ufe0f e\u0301\n\ttab \\x1b"
    assert printable(text) is text or printable(text) == text


def test_every_control_and_format_character_of_unicode_is_escaped() -> None:
    kept = {
        code
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        and printable(chr(code)) == chr(code)
    }
    assert kept - VISIBLE == {ord("\n"), ord("\t")} | JOINERS


def test_a_printable_line_is_one_line() -> None:
    assert printable_line("run\nerror: all is lost\t!\x1b") == r"run\nerror: all is lost\t!\x1b"


@given(st.text())
def test_what_is_printable_is_not_escaped_again(text: str) -> None:
    assert printable(printable(text)) == printable(text)
    assert len(printable_line(text).splitlines()) <= 1


def test_of_a_progress_bar_its_last_drawing_is_shown() -> None:
    assert redrawn("\r  1%\r 50%\r100%") == "100%"
    assert redrawn("100%\r5") == "500%", "a terminal does not erase the rest"
    assert redrawn("windows\r") == "windows" and redrawn("plain") == "plain" and redrawn("\r") == ""
    assert output_lines("start\n 1%\r99%\ndone\r\n", 2) == ["… (1 lines above)", "99%", "done"]


def test_a_line_that_is_drawn_over_a_million_times_takes_no_time_worth_mentioning() -> None:
    assert redrawn("x" * 1_000_000 + "\ra" * 1_000_000) == "a" + "x" * 999_999
