"""The arguments for the transfer tool that properties and profiles give: those of `pegasus-transfer` that count here. Pure."""

from __future__ import annotations

import shlex
from typing import NamedTuple

_COUNTS = {"-n": "threads", "--threads": "threads", "-m": "attempts", "--max-attempts": "attempts"}


class TransferArguments(NamedTuple):
    """What arguments ask for; 0: nothing."""

    threads: int = 0
    attempts: int = 0
    others: tuple[str, ...] = ()
    """Words that mean nothing here."""


_NOTHING = TransferArguments()


def transfer_arguments(text: str) -> TransferArguments:
    """Return what arguments such as `-n 4 --max-attempts 2` ask for.

    Raises:
        ValueError: a number is missing or wrong, or a quote is never closed.
    """
    if not text.strip():
        return _NOTHING
    words = [part for word in shlex.split(text) for part in _split(word)]
    found: dict[str, int] = {}
    others: list[str] = []
    at = 0
    while at < len(words):
        if (name := _COUNTS.get(words[at])) is None:
            others.append(words[at])
            at += 1
            continue
        number = words[at + 1] if at + 1 < len(words) else ""
        if not number.isdecimal() or not int(number):
            raise ValueError(f"{words[at]} needs a whole number from 1")
        found[name] = int(number)
        at += 2
    return TransferArguments(found.get("threads", 0), found.get("attempts", 0), tuple(others))


def _split(word: str) -> list[str]:
    """Return `-n4` and `--threads=4` as two words."""
    if word.startswith("--") and "=" in word:
        return word.split("=", 1)
    return [word[:2], word[2:]] if word[:2] in _COUNTS and len(word) > 2 else [word]
