"""Writes documents: plain data to YAML or JSON text, piece by piece.

Plain data is dict, list or tuple, str, int, float, bool and None. An iterator
may be used in place of a list: its items are written as they come and not kept,
so a workflow of a million jobs is written without its text, or a second copy of
its data, in memory.

The YAML is the block style of Pegasus: keys in the order given, list items level
with their key, one scalar a line. A string is plain when every YAML reader reads
it as a string, in single quotes when it is printable, and otherwise in double
quotes with escapes. So YAML 1.1 and 1.2 read back the same value, be it `yes`,
`1e3`, `0x1f` or `2026-01-01`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import msgspec

Write = Callable[[str], object]
"""Receives the next piece of text: the `write` of an open file, or the `append` of a list."""

_BARE = re.compile(r"-{0,2}[A-Za-z_/][A-Za-z0-9_./+=@-]*(?:[: ](?=[A-Za-z0-9_./])[A-Za-z0-9_./+=@-]*)*")
"""Narrower than YAML allows: no first digit (numbers, dates), no sign that has a meaning anywhere."""

_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity"])
"""What some YAML reader reads as a boolean, a number or null, in any letter case."""

_LONGEST_WORD = 2 + max(map(len, _WORDS))

_ESCAPED = re.compile(r"[^ !#-\[\]-~]")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}

_SIMPLE_KEY_CHARACTERS = 1000
"""Readers reject a longer key unless a question mark precedes it; the standard's limit is 1024."""

_PIECES = 2000
"""How many pieces are joined into one call of `write`: 20 to 100 kB."""


def emit(data: object, write: Write, indent: int = 0) -> None:
    """Write `data` as YAML, each line led by `indent` blanks.

    Raises:
        TypeError: something in it is not plain data.
        ValueError: a string holds half a surrogate pair, which cannot be encoded.
    """
    buffer: list[str] = []
    pad = " " * indent
    flush = _Flush(buffer, write)
    if isinstance(data, dict) and data:
        _mapping(data, pad, pad, buffer, flush)
    elif (items := _as_items(data)) is not None:
        _sequence(items, pad, pad, buffer, flush)
    else:
        buffer.append(f"{pad}{_scalar(data)}\n")
    flush()


def emit_json(data: object, write: Write) -> None:
    """Write `data` as JSON: one line for each entry of the outer mapping, and for each item of its lists.

    Raises:
        TypeError: something in it is not plain data.
    """
    import json

    dump = json.JSONEncoder(ensure_ascii=False).encode
    if not isinstance(data, dict) or not data:
        write(dump(data) + "\n")
        return
    lead = "{\n"
    for key, value in data.items():
        write(f"{lead}{dump(str(key))}: ")
        lead = ",\n"
        items = _as_items(value)
        if items is None:
            write("[]" if isinstance(value, Iterator) else dump(value))
            continue
        item_lead = "[\n"
        for item in items:
            write(f"{item_lead}{dump(item)}")
            item_lead = ",\n"
        write("\n]")
    write("\n}\n")


def to_document(struct: msgspec.Struct, version: str | None = None) -> dict[str, Any]:
    """Return the plain data of a struct of `spec.model`, as in a document.

    `version` goes in front as `pegasus`, which a catalog in a file of its own
    needs and an inline one must not have.
    """
    import msgspec

    from markab.spec.model import Workflow

    data: dict[str, Any] = msgspec.to_builtins(struct)
    if isinstance(struct, Workflow):
        # Required in every job, even when empty.
        data["jobs"] = [{"type": "job", "arguments": [], "uses": [], **job} for job in data["jobs"]]
    return data if version is None else {"pegasus": version, **data}


class _Flush:
    """Passes the pieces collected so far to `write`, on request or when there are many."""

    __slots__ = ("buffer", "write")

    def __init__(self, buffer: list[str], write: Write) -> None:
        self.buffer = buffer
        self.write = write

    def __call__(self) -> None:
        self.write("".join(self.buffer))
        self.buffer.clear()


def _mapping(data: dict[Any, Any], lead: str, pad: str, buffer: list[str], flush: _Flush) -> None:
    """Add a mapping that is not empty; `lead` stands before its first key, `pad` before the others."""
    for key, value in data.items():
        name = _KEYS.get(key) or _key(key, pad)
        if type(value) is str:
            buffer.append(f"{lead}{name}: {_BARE_TEXTS.get(value) or _text(value)}\n")
        elif value is True or value is False:
            buffer.append(f"{lead}{name}: {'true' if value else 'false'}\n")
        elif isinstance(value, dict) and value:
            buffer.append(f"{lead}{name}:\n")
            inner = pad + "  "
            _mapping(value, inner, inner, buffer, flush)
        elif (items := _as_items(value)) is not None:
            buffer.append(f"{lead}{name}:\n")
            _sequence(items, pad, pad, buffer, flush)
        else:
            buffer.append(f"{lead}{name}: {_scalar(value)}\n")
        lead = pad


def _sequence(items: Iterator[Any], lead: str, pad: str, buffer: list[str], flush: _Flush) -> None:
    """Add the items of a list that is not empty, each behind a dash."""
    inner = pad + "  "
    for item in items:
        if type(item) is str:
            buffer.append(f"{lead}- {_BARE_TEXTS.get(item) or _text(item)}\n")
        elif isinstance(item, dict) and item:
            _mapping(item, lead + "- ", inner, buffer, flush)
        elif (parts := _as_items(item)) is not None:
            _sequence(parts, lead + "- ", inner, buffer, flush)
        else:
            buffer.append(f"{lead}- {_scalar(item)}\n")
        lead = pad
        if len(buffer) > _PIECES:
            flush()


def _as_items(value: object) -> Iterator[Any] | None:
    """Return what to write as a block list, or None for an empty list or anything else."""
    if isinstance(value, (list, tuple)):
        return iter(value) if value else None
    if isinstance(value, Iterator):
        for first in value:
            return chain((first,), value)
    return None


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return _text(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, (list, tuple, Iterator)):
        return "[]"
    raise TypeError(f"{value!r} is a {type(value).__name__}, which cannot be written to a document")


def _key(key: object, pad: str) -> str:
    text = _scalar(key)
    if text[0] == "-" and isinstance(key, str):
        text = f"'{text}'"  # a plain `-l` is valid as a value, but rapidyaml does not accept it as a key
    return text if len(text) < _SIMPLE_KEY_CHARACTERS else f"? {text}\n{pad}"


def _text(value: str) -> str:
    """Return `value` bare or quoted, always on one line."""
    if _BARE.fullmatch(value) and not (len(value) <= _LONGEST_WORD and value.lower().strip("-") in _WORDS):
        if len(_BARE_TEXTS) < _BARE_TEXTS_KEPT and len(value) < 100:
            _BARE_TEXTS[value] = value
        return value
    if value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return '"' + _ESCAPED.sub(_escape, value) + '"'


_BARE_TEXTS: dict[object, str] = {}
"""The first strings found to need no quotes: names of executables recur in every job."""

_BARE_TEXTS_KEPT = 2000

_KEYS = {
    key: key
    for key in [
        "id",
        "type",
        "name",
        "file",
        "namespace",
        "version",
        "arguments",
        "uses",
        "nodeLabel",
        "stdin",
        "stdout",
        "stderr",
        "profiles",
        "metadata",
        "hooks",
        "lfn",
        "stageOut",
        "registerReplica",
        "bypass",
        "forPlanning",
        "size",
        "pfns",
        "site",
        "pfn",
        "env",
        "condor",
        "pegasus",
        "children",
    ]
}
"""Recurring keys that need no quotes."""


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    if 0xD800 <= code < 0xE000:
        raise ValueError(f"{match.string!r} is not valid Unicode: it holds half a surrogate pair")
    short = _ESCAPES.get(character)
    if short:
        return short
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _float(value: float) -> str:
    """Return a float as YAML 1.1 requires it, with a point: `1.0e+20`, not `1e+20`."""
    if value != value:
        return ".nan"
    text = float.__repr__(value)
    if text.endswith("inf"):
        return text.replace("inf", ".inf")
    return text if "." in text else text.replace("e", ".0e")
