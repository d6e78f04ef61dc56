"""The display of `markab run`: redrawn in place on a terminal, lines in a log.

An engine calls the display with its `Progress` several times a second. Both kinds
report every failed attempt at once; its name and reason are read from the journal,
only when the counts have changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from markab import operations
from markab.cli.output import echo
from markab.formatting import count, duration, printable, size, titled

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

    from markab.operations import Progress

LINE_EVERY_S = 5.0
"""Pause between two lines of a log; a line is printed only if the counts have changed."""
JOBS_SHOWN = 8
BAR_WIDTH = 40
LEAST_BAR = 4
LEAST_NAME = 8
"""Characters of the bar and of a name on the narrowest terminal."""
COLUMNS = 200
"""Where the width of the terminal is not known."""

Segment = tuple[str, str]
"""A piece of text, and its style as rich names it."""


class Display(Protocol):
    """Shows the progress of a run, and is closed at its end."""

    warned: set[str]
    """Warnings that were printed, and are still visible at the end of the run."""

    def __call__(self, progress: Progress) -> None:
        """Take the state of the run."""
        ...

    def close(self) -> None:
        """Leave the stream ready for other text."""
        ...


class QuietDisplay:
    """Prints only that the run is held, and why."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._watch = _HoldWatch()
        self.warned: set[str] = set()

    def __call__(self, progress: Progress) -> None:
        """Take the state of the run."""
        if news := self._watch.new(progress):
            echo(news, file=self._stream)

    def close(self) -> None:
        """Do nothing."""


class _HoldWatch:
    """Detects changes of the reason why the run is held."""

    def __init__(self) -> None:
        self._held = ""

    def new(self, progress: Progress) -> str:
        """Return a line if the run is held, or no longer held, unlike at the last call."""
        if progress.held == self._held or progress.outcome:
            return ""
        self._held = progress.held
        return f"warning: {progress.held}" if progress.held else "the error is resolved; the run resumes"


class _FailureWatch:
    """Finds the failures that were not reported yet."""

    def __init__(self, submit_dir: Path) -> None:
        self._new_failures = operations.follow_failures(submit_dir)
        self._reported = 0

    def new(self, progress: Progress) -> list[str]:
        """Return a line for each attempt that failed since the last call."""
        if progress.failed + progress.retried <= self._reported:
            return []
        self._reported = progress.failed + progress.retried
        return [failure.line() for failure in self._new_failures()]


class LineDisplay:
    """Prints a line every few seconds, for logs and plain terminals."""

    def __init__(self, stream: TextIO, submit_dir: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._watch = _FailureWatch(submit_dir)
        self._holds = _HoldWatch()
        self._clock = clock
        self._next = clock()
        self._last = ""
        self.warned: set[str] = set()

    def __call__(self, progress: Progress) -> None:
        """Take the state of the run; print when it is time."""
        for failure in self._watch.new(progress):
            self._print(f"failed: {failure}")
        if news := self._holds.new(progress):
            self._print(news)
        for warning in progress.warnings:
            if warning not in self.warned:
                self.warned.add(warning)
                self._print(f"warning: {warning}")
        counts = counts_text(progress)
        now = self._clock()
        if now >= self._next and counts != self._last:
            self._next, self._last = now + LINE_EVERY_S, counts
            self._print(f"{duration(progress.active_s(progress.time))}: {counts}{rate_text(progress)}")

    def close(self) -> None:
        """Do nothing."""

    def _print(self, text: str) -> None:
        echo(text, file=self._stream)


class LiveDisplay:
    """Redraws bar, counts and running jobs at each call; failures are printed above them."""

    def __init__(self, stream: TextIO, submit_dir: Path) -> None:
        self._stream = stream
        self._watch = _FailureWatch(submit_dir)
        self._holds = _HoldWatch()
        self._live: Live | None = None
        self.warned: set[str] = set()

    def __call__(self, progress: Progress) -> None:
        """Draw the state of the run; a terminal that has gone does not stop it."""
        try:
            self._draw(progress)
        except OSError:
            pass

    def _draw(self, progress: Progress) -> None:
        live = self._live or self._open()
        for failure in self._watch.new(progress):
            live.console.print(styled(("failed: ", "bold red"), (failure, "")))
        if news := self._holds.new(progress):
            live.console.print(styled((news, "bold red" if progress.held else "")))
        drawn = styled(*picture(progress, time.time(), columns=live.console.width))
        drawn.no_wrap, drawn.overflow = True, "ellipsis"
        live.update(drawn, refresh=True)

    def close(self) -> None:
        """Erase the drawing."""
        if self._live:
            try:
                self._live.stop()
            except OSError:
                pass  # the terminal has gone
            self._live = None

    def _open(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        # No thread that redraws: the engine starts processes, and threads and forks do not mix.
        self._live = Live(
            console=Console(file=self._stream, highlight=False), auto_refresh=False, transient=True
        )
        self._live.start()
        return self._live


def styled(*pieces: Segment) -> Text:
    """Return pieces for rich; only their styles control the terminal."""
    from rich.text import Text

    return Text.assemble(*((printable(text), style) for text, style in pieces))


def picture(
    progress: Progress, now_s: float, jobs_shown: int = JOBS_SHOWN, columns: int = COLUMNS
) -> list[Segment]:
    """Return the drawing as pieces of text with their styles; texts are wrapped, and names shortened, at `columns`."""
    ending = f" {100 * progress.done:.1f}%  {duration(progress.active_s(progress.time))}"
    name = _shortened(progress.workflow, max(columns - len(ending) - LEAST_BAR - 1, LEAST_NAME))
    width = max(LEAST_BAR, min(BAR_WIDTH, columns - len(name) - len(ending) - 1))
    done = int(width * progress.done)
    failed = min(width - done, -(-width * progress.failed // max(progress.total, 1)))
    pieces: list[Segment] = [
        (name + " ", "bold"),
        ("━" * done, "green"),
        ("━" * failed, "red"),
        ("━" * (width - done - failed), "dim"),
        (ending, ""),
        *_wrapped(f"{counts_text(progress)}{rate_text(progress)}", "", columns),
    ]
    for job in progress.jobs[:jobs_shown]:
        again = f"  {'attempt ' if columns >= 40 else '#'}{job.attempt}" if job.attempt > 1 else ""
        shown = _shortened(titled(job.id, job.label), max(columns - 12 - len(again), LEAST_NAME))
        pieces += [(f"\n  {duration(now_s - job.start):>8}", "cyan"), (f"  {shown}{again}", "")]
    hidden = progress.running + progress.queued - min(len(progress.jobs), jobs_shown)
    if hidden > 0:
        pieces.append((f"\n  {'':>8}  … and {hidden:,} more", "dim"))
    if progress.held:
        pieces += _wrapped("held: nothing new is started, see above", "bold red", columns)
    return pieces + [line for warning in progress.warnings for line in _wrapped(warning, "yellow", columns)]


def _wrapped(text: str, style: str, columns: int) -> list[Segment]:
    """Return a text as lines below the first, cut between words where the terminal ends."""
    import textwrap

    lines = textwrap.wrap(text, max(columns - 2, LEAST_NAME), break_long_words=False, break_on_hyphens=False)
    return [(f"\n  {line}", style) for line in lines]


def _shortened(name: str, characters: int) -> str:
    """Return a name without its middle: the ends of names of jobs tell them apart."""
    if len(name) <= characters:
        return name
    tail = (characters - 1) * 2 // 3
    return f"{name[: characters - 1 - tail]}…{name[-tail:]}"


def counts_text(progress: Progress) -> str:
    """Return the jobs by state; states without jobs are left out."""
    parts = [f"{progress.succeeded:,} of {count(progress.total, 'job')} done"]
    named = (
        (progress.running, "running"),
        (progress.queued, "queued"),
        (progress.ready, "ready"),
        (progress.unready, "waiting"),
        (progress.failed, "failed"),
        (progress.skipped, "skipped"),
        (progress.incomplete, "done in part"),
        (progress.retried, "tried again"),
    )
    return ", ".join(parts + [f"{number:,} {name}" for number, name in named if number])


def rate_text(progress: Progress) -> str:
    """Return rate, bytes moved and remaining time, as far as they are known; begins with `; `."""
    parts = []
    if progress.rate_per_s >= 0.05:
        parts.append(f"{progress.rate_per_s:,.1f} jobs/s")
    if progress.bytes_moved:
        parts.append(f"{size(progress.bytes_moved)} moved")
    if progress.left_s is not None:
        parts.append(f"about {duration(progress.left_s)} left")
    return "; " + ", ".join(parts) if parts else ""
