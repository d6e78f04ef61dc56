"""The progress bar of `Workflow.wait`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from markab.formatting import printable

if TYPE_CHECKING:
    from markab.operations import Status

CELLS = 25

_COLOURS = {"Unready": "2", "Completed": "32", "Queued": "33", "Running": "36", "Failed": "31"}
"""Condition of jobs → its ANSI colour."""


def counts(status: Status) -> dict[str, int]:
    """Return how many jobs are in each of the five conditions that the bar shows."""
    return {
        "Unready": status.unready,
        "Completed": status.succeeded,
        "Queued": max(0, status.ready + status.pre + status.queued + status.post - status.running),
        "Running": status.running,
        "Failed": status.failed,
    }


def bar(status: Status, colour: bool, width: int = 0) -> str:
    """Return one line: 25 cells, percent, state, counts; the counts are shortened to fit a width, 0 is any."""
    numbers = counts(status)
    paint = _paint if colour else _plain
    order = ("Completed", "Failed", "Running", "Queued")
    cells, so_far, drawn = "", 0, 0
    for name in order:
        so_far += numbers[name]
        until = CELLS * so_far // max(status.total, 1)
        cells += paint(name, "#" * (until - drawn))
        drawn = until
    cells += "." * (CELLS - drawn)
    about = f" {status.percent_done:5.1f}% ..{status.state}"
    room = width - CELLS - 2 - len(about)
    legend = ""
    for length in (None, 1):
        if not width or len(_legend(numbers, _plain, length)) <= room:
            legend = _legend(numbers, paint, length)
            break
    return f"[{cells}]{about}{legend}"


def _legend(numbers: dict[str, int], paint: Callable[[str, str], str], length: int | None) -> str:
    """Return the counts, each behind the first `length` letters of its name."""
    return f" ({', '.join(f'{paint(name, name[:length])}: {number}' for name, number in numbers.items())})"


@contextmanager
def live_bar(out: TextIO | None = None) -> Iterator[Callable[[Status], None]]:
    """Yield a function that shows a status: redrawn in place on a terminal, else a line for each change."""
    stream = sys.stdout if out is None else out
    terminal = stream.isatty()
    colour = terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    last = ""
    shown: set[str] = set()
    """Notes that were printed; each is printed once."""

    def show(status: Status) -> None:
        nonlocal last
        # A line that wraps cannot be redrawn in place; the last column is left to the cursor.
        line = bar(status, colour, _columns(stream) - 1 if terminal else 0)
        if terminal:
            stream.write(f"\r\033[K{line}" if colour else f"\r{line.ljust(len(last))}")
        elif line != last:
            stream.write(line + "\n")
        if status.note and status.note not in shown:
            shown.add(status.note)
            newline = "\n" if terminal else ""
            stream.write(f"{newline}{printable(status.note)}\n")
        stream.flush()
        last = line

    try:
        yield show
    finally:
        if terminal and last:
            stream.write("\n")
            stream.flush()


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _paint(name: str, text: str) -> str:
    return f"\033[{_COLOURS[name]}m{text}\033[0m" if text else ""


def _plain(name: str, text: str) -> str:
    return text
