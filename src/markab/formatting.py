"""Numbers, times, long texts and texts from outside in a readable form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1: \x1b and \x9b begin the commands of a terminal
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # change the order of the characters around them
    "\xad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"  # invisible
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"
    "\u2028\u2029\ud800-\udfff\ufffe\uffff]"  # line ends; not in UTF-8; forbidden in XML
)
"""Not here: the joiners U+200C and U+200D and the variation selectors, which scripts and emoji need."""

LABEL_CHARACTERS = 60
"""A longer label is cut where it stands beside a name."""


def size(size_bytes: float) -> str:
    """Return a number of bytes with its unit; units of 1024, in the usual notation: 1.5 GB."""
    value = float(size_bytes)
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if abs(value) < 1000:  # not 1024: "1023 KB" is harder to read than "1.0 MB"
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} PB"


def duration(duration_s: float) -> str:
    """Return a time span: 0.3 s, 12 s, 3:07 (minutes), 2:03:07 (hours)."""
    if duration_s < 9.95:
        return f"{max(duration_s, 0):.1f} s"
    whole = round(duration_s)
    if whole < 60:
        return f"{whole} s"
    hours, minutes, seconds = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def moment(epoch_s: float) -> str:
    """Return a time in the local time zone."""
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(epoch_s))


def parameters_text(parameters: Mapping[str, str]) -> str:
    """Return the parameters of a script in one line, as they are typed; a long one is cut."""
    return clipped(", ".join(f"{name}={value}" for name, value in parameters.items()), 300)


def count(number: int, noun: str, plural: str = "") -> str:
    """Return `1 job`, `2 jobs`, `1,000 jobs`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def clipped(text: str, characters: int) -> str:
    """Return the beginning of a text, with a note of how much is left out."""
    if len(text) <= characters:
        return text
    return f"{text[:characters]}… ({len(text) - characters:,} more characters)"


def titled(name: str, label: str) -> str:
    """Return the name of a job with the user's label, if it has one, in one line: `fit_ID1 (decade 1990)`."""
    if not label:
        return name
    line = printable_line(label)
    return f"{name} ({line if len(line) <= LABEL_CHARACTERS else line[: LABEL_CHARACTERS - 1] + '…'})"


def tail(text: str, lines: int) -> str:
    """Return the last lines of a text, with a note of how many are left out."""
    all_lines = text.rstrip("\n").split("\n")
    if len(all_lines) <= lines:
        return "\n".join(all_lines)
    return "\n".join([f"… ({len(all_lines) - lines:,} lines above)", *all_lines[-lines:]])


def shown_path(path: Path) -> str:
    """Return a path as it is typed: relative if it is in the current directory, quoted, and not like an option."""
    import shlex

    typed = str(_relative_path(path))
    return shlex.quote(f"./{typed}" if typed.startswith("-") else typed)


def _relative_path(path: Path) -> Path:
    try:
        here = path.cwd()
    except FileNotFoundError:  # the current directory was removed
        return path
    return path.relative_to(here) if path.is_relative_to(here) else path


def printable(text: str) -> str:
    """Return text of which no character controls a terminal, changes the order of others or is invisible.

    Such characters become escape sequences such as `\\x1b`; the line end and the tab remain.
    """
    # Names, of which there are millions, are nearly all printable to Python too: a tenth of the time.
    return text if text.isprintable() else _UNPRINTABLE.sub(_escape, text)


def printable_line(text: str) -> str:
    """Return text as `printable` does, with escape sequences for line ends and tabs too."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def json_text(value: object, indent: int = 2) -> str:
    """Return a value as JSON: exact, and in ASCII without control characters, so that a terminal can show it."""
    import json

    # DEL is the only control character that JSON in ASCII may have.
    return json.dumps(value, indent=indent, default=str).replace("\x7f", "\\u007f")


def html_text(text: str) -> str:
    """Return text as `printable` does, for an element or a quoted attribute of HTML."""
    from html import escape

    return escape(printable(text))


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def redrawn(line: str) -> str:
    """Return what a terminal shows at last of a line: after a carriage return it is drawn over from its beginning."""
    shown = ""
    for part in reversed(line.split("\r")):
        shown += part[len(shown) :]
    return shown


def output_lines(text: str, lines: int) -> list[str]:
    """Return the last lines of the output of a program, as a terminal shows them at last; see `tail`."""
    return [redrawn(line) for line in tail(text, lines).split("\n")]
