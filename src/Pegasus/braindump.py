"""Braindumps from and to files."""

from __future__ import annotations

from typing import IO, Any, TextIO

from markab.api.braindump import Braindump, to_braindump

__all__ = ["Braindump", "dump", "dumps", "load", "loads"]


def load(fp: IO[Any], *args: object, **kwargs: object) -> Braindump:
    """Return the Braindump of an open file."""
    return to_braindump(fp.read())


def loads(s: str, *args: object, **kwargs: object) -> Braindump:
    """Return the Braindump of a text."""
    return to_braindump(s)


def dump(obj: Braindump, fp: TextIO, *args: object, **kwargs: object) -> None:
    """Write it to an open file."""
    fp.write(obj.to_text())


def dumps(obj: Braindump, *args: object, **kwargs: object) -> str:
    """Return the text of its file."""
    return obj.to_text()
