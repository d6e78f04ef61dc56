"""The report of `analyze`: the failures of a run, short, those that block most jobs first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markab.diagnosis.cause_group import CauseGroup
from markab.diagnosis.edited_files import edited_files
from markab.diagnosis.failed_job import FailedJob, examine_failed_job
from markab.diagnosis.failure_analysis import Analysis, Analyzer
from markab.formatting import clipped, count, shown_path, titled
from markab.journal.attempt_story import log_texts
from markab.journal.undeclared_files import undeclared_text
from markab.plan.child_directory import root_directory
from markab.plan.run_command import run_command
from markab.reports.failure_report import (
    FILES_SHOWN,
    LABEL_WIDTH,
    LINE_CHARACTERS,
    FailureReport,
    labelled,
    printed_lines,
)
from markab.reports.hook_failures import hook_warnings
from markab.reports.pegasus_analyzer import OUTPUT_LINES, pegasus_text, to_json
from markab.reports.status import Status, status_of


@contextmanager
def open_failures(
    submit_dir: Path, missing_results: Callable[[Path], str] = lambda run: ""
) -> Iterator[MarkabFailures]:
    """Yield the failures of one run, without those of its sub-workflows.

    Args:
        missing_results: returns the warning about results that are no longer where they were delivered.

    Raises:
        NotARun, CorruptPlan, CorruptJournal, NewerFormat: it cannot be read.
    """
    analyzer = Analyzer(submit_dir)
    try:
        analysis = analyzer.analyze()
        is_over = analysis.state not in ("Running", "Not started")
        yield MarkabFailures(analyzer, analysis, missing_results(submit_dir) if is_over else "")
    finally:
        analyzer.close()


@dataclass(frozen=True)
class MarkabFailures(FailureReport):
    """The failures of a run of Markab."""

    run: Analyzer
    analysis: Analysis
    missing_results: str = ""
    """The warning that results are missing where they were delivered; empty: none is."""

    @property
    def groups(self) -> list[CauseGroup]:
        """The causes, those that block most jobs first."""
        return self.analysis.groups

    @property
    def has_failure(self) -> bool:
        """There is a failure that no running engine will retry."""
        return self.analysis.has_failure

    def to_json(self) -> dict[str, Any]:
        """Return the failures as plain data, in the form of Pegasus' analyzer."""
        warnings = {"warnings": [self.missing_results]} if self.missing_results else {}
        return to_json(self.run, self.analysis) | warnings

    def pegasus_text(
        self, *, summary: bool = False, quiet: int = 0, verbose: int = 0, commands: bool = False
    ) -> str:
        """Return the failures in the text of Pegasus' analyzer; see `pegasus_analyzer.pegasus_text`."""
        return pegasus_text(
            self.run, self.analysis, summary=summary, quiet=quiet, verbose=verbose, commands=commands
        )

    def headline(self) -> list[str]:
        """Return the state of the run in a few lines."""
        status, left = status_of(self.run), self.analysis.left
        took = f" after {status.times(status.ended).text()}" if status.started and status.ended else ""
        lines = [f"{status.workflow}: {_state_words(self.analysis)}{took}"]
        lines.append("  " + ", ".join(_count_words(self.analysis, status)))
        if status.note:
            lines.append(f"  {status.note}")
        for word in ("lost", "cancelled", "failing"):
            if left[word] and (names := self.analysis.examples.get(word)):
                more = ", …" if left[word] > len(names) else ""
                lines.append(f"  {word}: {', '.join(names)}{more}")
        if text := undeclared_text(self.run.history, self.run.plan, self.run.place.path):
            lines.append(f"  warning: {text}")
        if self.missing_results:
            lines.append(f"  warning: {self.missing_results}")
        lines += [f"  warning: {text}" for text in hook_warnings(self.run.plan.header, self.run.place.path)]
        return lines

    def job_lines(self, job: int, verbose: int = 0) -> list[str]:
        """Return the details of a job that failed; the title of its cause is left out."""
        return _failed_job_lines(examine_failed_job(self.run, job), verbose)

    def named(self, job: int) -> str:
        """Return the name of a job, with its label."""
        return self.run.plan.title(job)

    def undelivered_lines(self, most: int = FILES_SHOWN, quiet: int = 0) -> list[str]:
        """Return the results that were not delivered, at most so many; with `quiet` only their number."""
        files = self.analysis.undelivered
        if not files:
            return []
        head = f"not delivered: {count(len(files), 'result')}"
        if quiet:
            return [head]
        lines = ["", head, *(f"  {one.lfn}: {clipped(one.why, LINE_CHARACTERS)}" for one in files[:most])]
        return lines + ([f"  … and {len(files) - most:,} more: see -v"] if len(files) > most else [])

    def next_commands(self) -> list[str]:
        """Return what the user can type next."""
        place = shown_path(self.run.place.path)
        lines = []
        edited = edited_files(self.run)
        for problem in edited:
            lines.append(f"note: {problem.message}")
            lines += [f"  {'help':<{LABEL_WIDTH}}{problem.hint}", ""] if problem.hint else []
        lines += [
            f"all about one job:     markab why {place} JOB",
            f"run it again by hand:  markab analyze {place} --debug-job JOB",
        ]
        if self.analysis.state != "Running" and not edited:
            command = run_command(root_directory(self.run.place))
            lines.append(f"after the correction:  {command}    (what succeeded is kept)")
        return lines


def _count_words(analysis: Analysis, status: Status) -> list[str]:
    """Return the number of jobs in each state, in words."""
    left = analysis.left
    parts = [f"{left['succeeded']:,} of {count(status.total, 'job')} succeeded"]
    if left["failed"]:
        special = [
            f"{number:,} {word}"
            for number, word in ((analysis.timed_out, "by time-out"), (analysis.held, "held"))
            if number
        ]
        parts.append(f"{left['failed']:,} failed" + (f" ({', '.join(special)})" if special else ""))
    for word, shown in (
        ("incomplete", "done in part"),
        ("failing", "failed and will be tried again"),
        ("running", "under way"),
        ("cancelled", "cancelled"),
        ("lost", "lost when the engine stopped"),
        ("blocked", "skipped, because a job before them failed"),
    ):
        if left[word]:
            parts.append(f"{left[word]:,} {shown}")
    if left["unsubmitted"]:
        parts.append(f"{left['unsubmitted']:,} {'waiting' if status.state == 'Running' else 'not started'}")
    return parts


def _state_words(analysis: Analysis) -> str:
    state = analysis.state
    words = {
        "Success": "succeeded",
        "Failure": "failed",
        "Running": "still running",
        "Not started": "not started yet",
        "Refused": "refused",
        "Removed": "removed",
        "Halted": "stopped before its end",
    }[state]
    if analysis.left["failed"] and state in ("Running", "Refused", "Halted", "Removed"):
        words += ", with failures"
    return words


def _failed_job_lines(found: FailedJob, verbose: int = 0) -> list[str]:
    lines: list[tuple[str, str]] = []
    if found.failed_command:
        lines.append(("command", clipped(found.failed_command, LINE_CHARACTERS if not verbose else 10**6)))
    where = f"site {found.job.site}" + (f", host {found.host}" if found.host else "")
    where += f", there {found.native_id}" if found.native_id else ""
    lines.append(("where", where))
    if found.memory:
        lines.append(("memory", found.memory))
    lines += [("tries", line) for line in found.tries]
    title = found.cause.title
    lines += [("input", line.removeprefix(f"{title}: ")) for line in found.inputs if line != title]
    if verbose:  # mostly consequences of the cause, such as outputs that were not written
        others = [line for line in found.cause.also if line not in found.inputs]
        lines += [("also", clipped(line, LINE_CHARACTERS)) for line in others]
    if found.sibling:
        lines.append(
            (
                "sibling",
                f"{titled(found.sibling, found.sibling_label)} succeeded"
                + ("; it differs:" if found.differs else ""),
            )
        )
        lines += [("", f"  {line}") for line in found.differs]
    lines += [(label, path) for label, path in found.files()]
    printed_in = [("stderr", found.stderr), ("stdout", found.stdout)]
    printed_in += [(f"log {name}", text) for name, text in log_texts(found.record)]
    return [*labelled(lines), *printed_lines(printed_in, OUTPUT_LINES if not verbose else 10**6)]
