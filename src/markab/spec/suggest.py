"""Hints for misspelt words: what the user probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def likely(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the one of `known` that looks most like `word`, or None if none does.

    Letter case and the separators `_`, `-`, `.` count for nothing, so that
    `stage_out` finds `stageOut`.
    """
    spelled: dict[str, str] = {}
    for name in known:
        spelled.setdefault(_bare(name), name)
    found = get_close_matches(_bare(word), spelled, n=1, cutoff=cutoff)
    return spelled[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return `did you mean 'x'?`, or `otherwise` when nothing known looks like `word`."""
    name = likely(word, known)
    return f"did you mean {name!r}?" if name else otherwise


def _bare(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "").replace(".", "")
