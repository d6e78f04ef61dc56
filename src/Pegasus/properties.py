"""Properties from and to files."""

from __future__ import annotations

import io
from typing import TextIO

from markab.api import Properties

__all__ = ["dump", "dumps", "load", "loads"]


def load(fp: TextIO, *args: object, **kwargs: object) -> Properties:
    """Return the Properties of an open file."""
    return Properties.load(fp)


def loads(s: str, *args: object, **kwargs: object) -> Properties:
    """Return the Properties of a text."""
    return load(io.StringIO(s))


def dump(obj: Properties, fp: TextIO, *args: object, **kwargs: object) -> None:
    """Write them to an open file."""
    obj.write(fp)


def dumps(obj: Properties, *args: object, **kwargs: object) -> str:
    """Return the text of their file."""
    stream = io.StringIO()
    obj.write(stream)
    return stream.getvalue()
