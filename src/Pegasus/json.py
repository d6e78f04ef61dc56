"""JSON in which paths, identifiers, enumerations and objects with `__json__` can be written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from enum import Enum
from json import load, loads
from pathlib import PurePath
from typing import Any, TextIO
from uuid import UUID

__all__ = ["dump", "dump_all", "dumps", "load", "load_all", "loads"]


class _Encoder(json.JSONEncoder):
    def default(self, o: Any) -> Any:
        if isinstance(o, (PurePath, UUID)):
            return str(o)
        if isinstance(o, Enum):
            return o.name
        return o.__json__() if hasattr(o, "__json__") else super().default(o)


def dump(obj: Any, fp: TextIO, **options: Any) -> None:
    """Write a document. Options are those of the standard library."""
    json.dump(obj, fp, **{"cls": _Encoder, **options})


def dumps(obj: Any, **options: Any) -> str:
    """Return the document."""
    return json.dumps(obj, **{"cls": _Encoder, **options})


def load_all(s: str | bytes | TextIO, **options: Any) -> Iterator[Any]:
    """Yield the data of each line."""
    lines = s.splitlines() if isinstance(s, (str, bytes)) else s
    return (loads(line, **options) for line in lines if line.strip())


def dump_all(objs: Iterable[Any], fp: TextIO | None = None, **options: Any) -> str | None:
    """Write documents, one a line; return them if there is no stream."""
    text = "".join(f"{dumps(obj, **options)}\n" for obj in objs)
    if fp is None:
        return text
    fp.write(text)
    return None
