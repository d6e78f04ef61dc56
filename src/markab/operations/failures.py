"""The failures of a run. Each function raises as those of `status.py` when the run cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from markab.operations.readable_runs import open_run
from markab.operations.run_names import Run, find_run

if TYPE_CHECKING:
    from markab.diagnosis.failed_attempts import FailedAttempt
    from markab.errors import Problem
    from markab.reports.failure_report import FailureReport


@contextmanager
def analyze(run: Run = None) -> Iterator[FailureReport]:
    """Yield the failures of a run, grouped by cause; the details of jobs are read when they are shown."""
    with open_run(run).failures() as found:
        yield found


def edited_files(run: Run = None, *, only_documents: bool = False) -> list[Problem]:
    """Return what was edited since the run was planned or had taken it, and the commands that use it as it is now."""
    from markab.diagnosis import edited_files as diagnosis
    from markab.diagnosis.failure_analysis import Analyzer

    analyzer = Analyzer(find_run(run))
    try:
        analyzer.read()
        return diagnosis.edited_files(analyzer, only_documents=only_documents)
    finally:
        analyzer.close()


def follow_failures(run: Run = None) -> Callable[[], list[FailedAttempt]]:
    """Return a function that returns the attempts that failed since its last call, and at first since this call."""
    from markab.diagnosis.failed_attempts import FailedAttempts

    failures = FailedAttempts(find_run(run))
    return lambda: list(failures.new())
