"""Where the index of results and the content store are, and how large the store may be: from the properties."""

from __future__ import annotations

from pathlib import Path

from markab.errors import DocumentError
from markab.reuse.locations import STORE_BYTES, Locations, find_locations
from markab.spec.properties import Properties
from markab.spec.units import amount_mb

_INDEX = "markab.reuse.index"
_STORE = "markab.reuse.store"
_STORE_SIZE = "markab.reuse.store.size"


def reuse_locations(properties: Properties, directory: Path = Path()) -> Locations:
    """Return where they are; relative names in properties begin at `directory`.

    Raises:
        DocumentError: the size is not an amount.
    """
    return find_locations(
        properties.get(_INDEX, "").strip(),
        properties.get(_STORE, "").strip(),
        _store_bytes(properties),
        directory=directory,
    )


def _store_bytes(properties: Properties) -> int:
    text = properties.get(_STORE_SIZE, "").strip()
    try:
        return amount_mb(text, "MB") * 2**20 if text else STORE_BYTES
    except ValueError:
        raise DocumentError(
            properties.problem(_STORE_SIZE, "it must be an amount such as '20 GB', or 0 to keep nothing")
        ) from None
