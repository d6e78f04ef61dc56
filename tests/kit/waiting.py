"""Waiting for what another process or thread does, and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 60.0
"""After this time it is an error; no machine is so busy."""
LOOK_EVERY_S = 0.01


def wait_until(
    is_so: Callable[[], T], patience_s: float = PATIENCE_S, every_s: float = LOOK_EVERY_S, what: object = ""
) -> T:
    """Return the first true value of `is_so()`; `what` is shown if there is none."""
    deadline_s = time.monotonic() + patience_s
    while not (value := is_so()):
        assert time.monotonic() < deadline_s, f"it does not happen: {what}"
        time.sleep(every_s)
    return value


def wait_for_line(path: Path) -> str:
    """Return the text of a file once it has a whole line."""

    def text() -> str:
        return (found if (found := path.read_text()).endswith("\n") else "") if path.exists() else ""

    return wait_until(text, what=path)


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended and was not reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
