r"""The syntax of Java properties files.

A logical line is `key = value`, `key: value` or `key value`. Lines whose first
character is `#` or `!` are comments. A backslash at the end of a line joins the
next one to it, without its leading blanks. `\t`, `\n`, `\r`, `\f` and `\uXXXX`
are escapes; before any other character a backslash means that character. Blanks
at the end of a value are dropped (Java keeps them, which surprises users).

Source: the documentation of java.util.Properties.load.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_SPECIAL = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_SURROGATES = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_KEY = re.compile(r"((?:\\.|[^\\=: \t\f])*)[ \t\f]*[=:]?[ \t\f]*", re.DOTALL)


def parse(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line number, key and value of each entry; a key may come more than once."""
    for number, line in _logical_lines(text):
        match = _KEY.match(line)
        assert match  # it matches the empty text
        value = line[match.end() :]
        yield number, _unescape(match[1]), _unescape(_rstrip(value))


def write(entries: Mapping[str, str]) -> str:
    """Return the text of a file with these entries, one `key = value` a line, in their order."""
    return "".join(f"{_escape_key(key)} = {_escape_value(value)}\n" for key, value in entries.items())


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    start, joined = 0, ""
    for number, raw in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        line = raw.lstrip(" \t\f")
        if not start:
            if not line or line[0] in "#!":
                continue
            start = number
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            joined += line[:-1]
        else:
            yield start, joined + line
            start, joined = 0, ""
    if start:
        yield start, joined


def _rstrip(value: str) -> str:
    """Drop blanks at the end, but not one after a backslash."""
    bare = value.rstrip(" \t\f")
    backslashes = len(bare) - len(bare.rstrip("\\"))
    return value[: len(bare) + 1] if backslashes % 2 else bare


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    plain = _ESCAPE.sub(_meaning, text)
    return _SURROGATES.sub(lambda m: m[0].encode("utf-16", "surrogatepass").decode("utf-16"), plain)


def _meaning(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) == 5:
        return chr(int(code[1:], 16))
    return _SPECIAL.get(code, code)


def _escape_value(value: str) -> str:
    text = _escaped(value)
    if text.startswith(" "):
        text = "\\" + text
    if value.endswith(" ") and len(value) > 1:
        text = text[:-1] + "\\ "
    return text


def _escape_key(key: str) -> str:
    text = re.sub(r"([ =:])", r"\\\1", _escaped(key))
    return "\\" + text if text[:1] in ("#", "!") else text


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\\\")
    for letter, character in _SPECIAL.items():
        text = text.replace(character, "\\" + letter)
    return text
