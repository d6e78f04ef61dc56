"""Pausing Python's garbage collection while millions of objects are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Collect no reference cycles while the block runs; for work that makes many objects and no cycles.

    Measured on documents, plans and journals of 100,000 jobs: collecting takes from
    a quarter of the time (planning) to four times the work itself (reading YAML).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            _make_all_old()
            gc.enable()


def _make_all_old() -> None:
    """Move all objects to the oldest generation, so that the next collection does not go through them.

    For 100,000 jobs it would take a second and a half, and free nothing.
    """
    if not gc.get_freeze_count():
        gc.freeze()
        gc.unfreeze()
