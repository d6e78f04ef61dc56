"""What a job of a run wrote and writes."""

from __future__ import annotations

import io
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from markab.operations.run_names import Run, find_run
from markab.operations.tree_jobs import run_of_job

if TYPE_CHECKING:
    from markab.reports.job_log import JobLog, LogText
    from markab.reports.reused_task import ReusedTaskLog

STREAMS = ("stdout", "stderr")
LONGEST_PAUSE_S = 0.5


@contextmanager
def open_log(
    run: Run,
    job: str,
    streams: Collection[str] = STREAMS,
    *,
    attempt: int | None = None,
    lines: int | None = None,
) -> Iterator[JobLog | ReusedTaskLog]:
    """Open the output of a job, which is named by its name, the id of its task, its label or its transformation.

    Of a task that was left out, a note says so.

    Args:
        attempt: the only one of interest. None: the one that runs, or the last.
        lines: of each stream, only so many of its last lines. None: all.

    Raises:
        MarkabError: the run has no such job, or several, or the job no such attempt.
        NotARun, CorruptPlan, CorruptJournal: the run cannot be read.
    """
    from markab.executors.live_output import find_live_output
    from markab.reports.job_log import JobLog
    from markab.reports.reused_task import ReusedTaskLog, read_reused_task

    place, job = run_of_job(find_run(run), job)
    if (reused := read_reused_task(place, job)) is not None:
        yield ReusedTaskLog(reused)
        return
    with closing(JobLog(place, job, find_live_output, streams, attempt, lines)) as log:
        yield log


def log_texts(
    log: JobLog | ReusedTaskLog, *, follow: bool = False, pauses: Iterable[float] | None = None
) -> Iterator[LogText]:
    """Yield what there is of the output of a job; with `follow`, go on until the job, or its engine, has ended."""
    from markab.operations.running import growing_pauses

    if not follow:
        return log.texts()
    return log.follow(growing_pauses(LONGEST_PAUSE_S) if pauses is None else pauses, time.sleep)


def shown_log(log: JobLog | ReusedTaskLog, *, follow: bool = False) -> Iterator[tuple[str, str]]:
    """Yield what `log_texts` does, to be printed: stream ("" for a note) and text, with line ends where they belong.

    A terminal draws over a line at each carriage return: here each begins a new line. A note stands in
    brackets, on a line of its own.
    """
    lines = {name: io.IncrementalNewlineDecoder(None, translate=True) for name in STREAMS}
    is_line_open = False
    for piece in log_texts(log, follow=follow):
        if not piece.stream:
            yield "", "\n" * is_line_open + f"[{piece.text}]\n"
            is_line_open = False
        elif shown := lines[piece.stream].decode(piece.text):
            yield piece.stream, shown
            is_line_open = not shown.endswith("\n")
