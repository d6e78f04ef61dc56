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
            gc.enable()
