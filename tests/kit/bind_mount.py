"""Another directory mounted inside of one, as a task can do that may mount."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def bind_mounted(source: Path, place: Path) -> Iterator[None]:
    """Mount `source` at `place`; skip the test where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a directory for all processes")
    done = subprocess.run(["mount", "--bind", source, place], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)
