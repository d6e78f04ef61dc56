"""Where the index of results and the content store of a user are: as the XDG base directories have it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

STORE_BYTES = 20 * 2**30
"""The bytes that the content store may take, if no property says so."""


class Locations(NamedTuple):
    """The absolute paths of both, and the budget of the store. None: the user has no home directory."""

    index_file: str | None
    store_directory: str | None
    store_bytes: int = STORE_BYTES


def find_locations(
    index: str = "",
    store: str = "",
    store_bytes: int = STORE_BYTES,
    *,
    directory: Path = Path(),
    environment: Mapping[str, str] = os.environ,
) -> Locations:
    """Return the places of both.

    Args:
        index: the file that a property names; else `$XDG_STATE_HOME/markab/results.db`.
        store: the directory that a property names; else `$XDG_CACHE_HOME/markab/content`.
        store_bytes: the budget of the store.
        directory: where relative names begin.
        environment: its variables that the XDG base directories and the home directory have.
    """
    home = environment.get("HOME") or os.path.expanduser("~")

    def place(named: str, variable: str, default: str, below: str) -> str | None:
        if named == "~" or named.startswith("~/"):
            return os.path.join(home, named[2:]) if os.path.isabs(home) else None
        if named:
            return os.path.abspath(directory / named)
        base = environment.get(variable, "")
        if os.path.isabs(base):  # a relative one is to be ignored, as the specification of XDG says
            return os.path.join(base, below)
        return os.path.join(home, default, below) if os.path.isabs(home) else None

    return Locations(
        place(index, "XDG_STATE_HOME", ".local/state", "markab/results.db"),
        place(store, "XDG_CACHE_HOME", ".cache", "markab/content"),
        store_bytes,
    )
