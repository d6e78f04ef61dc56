"""The bar that `Workflow.wait` draws."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from markab.reports.status import Status

CELLS = 25

_COLOURS = {"Unready": "2", "Completed": "32", "Queued": "33", "Running": "36", "Failed": "31"}
"""What a cell may stand for → its ANSI colour."""


def counts(status: Status) -> dict[str, int]:
    """Return how many jobs are in each of the five conditions that the bar tells apart."""
    return {
        "Unready": status.unready,
        "Completed": status.succeeded,
        "Queued": max(0, status.ready + status.pre + status.queued + status.post - status.running),
        "Running": status.running,
        "Failed": status.failed,
    }


def bar(status: Status, colour: bool) -> str:
    """Return one line: 25 cells, percent, state, counts."""
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
    legend = ", ".join(f"{paint(name, name)}: {number}" for name, number in numbers.items())
    return f"[{cells}] {status.percent_done:5.1f}% ..{status.state} ({legend})"


@contextmanager
def draw(out: TextIO | None = None) -> Iterator[Callable[[Status], None]]:
    """Give a function that shows a status: redrawn in place on a terminal, else a line for each change."""
    stream = sys.stdout if out is None else out
    terminal = stream.isatty()
    colour = terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    last = ""

    def show(status: Status) -> None:
        nonlocal last
        line = bar(status, colour)
        if terminal:
            stream.write(f"\r\033[K{line}" if colour else f"\r{line.ljust(len(last))}")
        elif line != last:
            stream.write(line + "\n")
        stream.flush()
        last = line

    try:
        yield show
    finally:
        if terminal and last:
            stream.write("\n")
            stream.flush()


def _paint(name: str, text: str) -> str:
    return f"\033[{_COLOURS[name]}m{text}\033[0m" if text else ""


def _plain(name: str, text: str) -> str:
    return text
