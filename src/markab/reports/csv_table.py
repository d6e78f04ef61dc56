"""CSV for spreadsheets, which calculate a cell that looks like a formula, also in a file of another person.

A text that begins with one of `=+-@` or a tab gets an apostrophe before it, as
spreadsheets themselves mark a text. Numbers stay numbers, and so does a single `-`,
which stands for an unknown value. Characters that control a terminal or, such as the
carriage return, begin a row for some programs are escape sequences; see `printable`.

Source: OWASP, "CSV Injection".
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import TextIO

from markab.formatting import printable

_FORMULA = frozenset("=+-@\t＝＋－＠")
"""With the wide forms, which spreadsheets read as the narrow ones."""


def write_rows(file: TextIO, rows: Iterable[Iterable[object]]) -> None:
    """Write rows as CSV; None is an empty cell."""
    csv.writer(file, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    return f"'{printable(value)}" if value[:1] in _FORMULA and value != "-" else printable(value)
