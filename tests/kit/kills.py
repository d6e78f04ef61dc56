"""Killing a function at its first, second, … change of a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHANGES = (
    *((os, name) for name in ("rename", "replace", "unlink", "rmdir", "mkdir", "fsync", "symlink")),
    (Path, "unlink"),
)


class Killed(BaseException):
    """The process ended at once: from then on it changes nothing more."""


def killed_everywhere(
    act: Callable[[Path], object], make: Callable[[Path], Path], tmp_path: Path
) -> Iterator[Path]:
    """Make a directory for each change that `act` does to it, kill `act` there, and yield the directory."""
    for number in range(1, 500):
        directory = make(tmp_path / f"kill{number}" / "run0001")
        with pytest.MonkeyPatch.context() as patched:
            calls = _killing(patched, number)
            try:
                act(directory)
            except Killed:
                pass
            is_over = calls() < number
        if is_over:
            assert number > 3, "it was killed nowhere"
            return
        yield directory
    raise AssertionError("it never came to its end")


def _killing(monkeypatch: pytest.MonkeyPatch, number: int) -> Callable[[], int]:
    calls = 0

    def dying(whole: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **more: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls >= number:
                raise Killed
            return whole(*words, **more)

        return call

    for module, name in CHANGES:
        monkeypatch.setattr(module, name, dying(getattr(module, name)))
    return lambda: calls
