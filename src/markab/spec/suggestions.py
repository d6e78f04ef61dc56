"""Suggestions for misspelt words."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

MANY = 5_000
"""More names than these are filtered before they are compared: comparing a million takes twenty seconds."""


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """Return up to three of `known` that look like `word`, the likeliest first.

    Of very many names only those that begin most like `word`, and those that end
    like it, are compared: a typing error leaves one half unchanged.
    """
    names = list(known)
    if len(names) > MANY:
        ending = word[-max(1, len(word) // 2) :]
        alike = islice((name for name in names if name.endswith(ending)), MANY // 2)
        ordered = sorted(names)
        place = bisect(ordered, word)
        names = list(dict.fromkeys([*alike, *ordered[max(0, place - MANY // 4) : place + MANY // 4]]))
    return get_close_matches(word, names, n=3, cutoff=cutoff)


def likely(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the one of `known` that looks most like `word`, or None if none does.

    Letter case and the separators `_`, `-`, `.` are ignored, so that `stage_out`
    finds `stageOut`.
    """
    spelled: dict[str, str] = {}
    for name in known:
        spelled.setdefault(_bare(name), name)
    found = nearest(_bare(word), spelled, cutoff)
    return spelled[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return `did you mean 'x'?`, or `otherwise` when no known name looks like `word`."""
    name = likely(word, known)
    return f"did you mean {name!r}?" if name else otherwise


def _bare(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "").replace(".", "")
