"""Something mounted for a test: a small disk in memory, or another directory, as a task can do that may mount."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(place: Path, *words: str | Path) -> Iterator[None]:
    """Mount at `place` what the words for mount(8) say; skip the test where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount something for all processes")
    done = subprocess.run(["mount", *words, place], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)
