"""The directories that hold all of many others. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable

MOST = 8
"""More are replaced by those that they have in common."""


def top_directories(directories: Iterable[bytes], most: int = MOST) -> list[bytes]:
    """Return the directories that are in none of the others, sorted; when there are too many, those above them."""
    tops = _topmost(directories)
    while len(tops) > most:
        deepest = max(folder.count(b"/") for folder in tops)
        tops = _topmost(os.path.dirname(one) if one.count(b"/") == deepest else one for one in tops)
    return tops


def packed_directories(directories: Iterable[bytes]) -> bytes:
    """Return directories as one value: each after a NUL, which no path has."""
    return b"".join(b"\0" + one for one in directories)


def unpacked_directories(packed: bytes) -> list[bytes]:
    """Return the directories in a value that `packed_directories` made."""
    return packed.split(b"\0")[1:]


def _topmost(directories: Iterable[bytes]) -> list[bytes]:
    tops: list[bytes] = []
    for folder in sorted({one.rstrip(b"/") + b"/" for one in directories}):
        if not tops or not folder.startswith(tops[-1]):
            tops.append(folder)
    return [folder[:-1] or b"/" for folder in tops]
