"""Amounts in profiles and options: `512`, `2 GB`, `1.5G`, `800000 KB`; ages: `12h`, `30d`."""

from __future__ import annotations

import re

MOST = 10**15
"""No amount, number or time of a workflow is larger; a larger one is an error."""

_AMOUNT = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([A-Za-z]*)\s*\Z")
_KB_PER_UNIT = {"b": 1 / 1024, "k": 1, "m": 1024, "g": 1024**2, "t": 1024**3}
_SECONDS_PER_UNIT = {"h": 3600, "d": 86400, "w": 604800}


def amount_mb(text: str, unit: str) -> int:
    """Return an amount of memory or disk in MB (2**20 bytes), rounded up.

    `unit` (`KB` or `MB`) is the default unit. `GB`, `GiB` and `G`
    are the same, in any case of letters: 2**30 bytes, as HTCondor has it.

    Raises:
        ValueError: it is not an amount.
    """
    return int(-(-_amount_kb(text, unit) // 1024))


def amount_bytes(text: str) -> int:
    """Return an amount in bytes, rounded up; without a unit it is in bytes. Units as in `amount_mb`.

    Raises:
        ValueError: it is not an amount.
    """
    if re.fullmatch(r"\s*[0-9]+\s*", text):
        return int(_bounded(int(text)))
    return int(-(-_amount_kb(text, "B") * 1024 // 1))


def _amount_kb(text: str, unit: str) -> float:
    match = _AMOUNT.match(text)
    if not match:
        raise ValueError(text)
    named = (match[2] or unit).lower()
    letter, rest = named[0], named[1:]
    if letter not in _KB_PER_UNIT or rest not in ("", "b", "ib") or named in ("bb", "bib"):
        raise ValueError(text)
    return _bounded(float(match[1]) * _KB_PER_UNIT[letter])


def whole(text: str) -> int:
    """Return a number that is whole, though it may be written `4.0`.

    Raises:
        ValueError: it is not one.
    """
    match = re.fullmatch(r"\s*([-+]?[0-9]+)(?:\.0*)?\s*", text)
    if not match:
        raise ValueError(text)
    return int(_bounded(float(match[1])))


def seconds(text: str) -> float:
    """Return a number of seconds that is not negative.

    Raises:
        ValueError: it is not one.
    """
    if not re.fullmatch(r"\s*(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*", text):
        raise ValueError(text)
    return _bounded(float(text))


def age_s(text: str) -> float:
    """Return an age in seconds; in days without a unit. Units: `h`, `d` and `w`.

    Raises:
        ValueError: it is not an age.
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([hdw]?)\s*", text.lower())
    if not match:
        raise ValueError(text)
    return _bounded(float(match[1]) * _SECONDS_PER_UNIT[match[2] or "d"])


def _bounded(number: float) -> float:
    if abs(number) > MOST:
        raise ValueError(f"{number:g} is too large")
    return number
