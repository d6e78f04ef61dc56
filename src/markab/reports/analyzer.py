"""The report of `analyze`: the failures of a run, short, those that block most jobs first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markab.diagnosis.edited_files import edited_files
from markab.diagnosis.failed_job import FailedJob, examine_failed_job
from markab.diagnosis.failure_analysis import Analysis, Analyzer, CauseGroup
from markab.formatting import clipped, count, output_lines, shown_path, titled
from markab.journal.attempt_story import log_texts
from markab.journal.undeclared_files import undeclared_text
from markab.plan.run_command import run_command
from markab.reports.pegasus_analyzer import OUTPUT_LINES, pegasus_text, to_json
from markab.reports.status import Status, status_of

GROUPS_SHOWN = 10
NAMES_SHOWN = 5
FILES_SHOWN = 10
LINE_CHARACTERS = 300
_WIDTH = 10


@dataclass(frozen=True)
class FailureReport:
    """The failures of a run. The run stays open: details of a job are read when they are shown."""

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

    def text(self, *, verbose: int = 0, quiet: int = 0, summary: bool = False) -> str:
        """Return the failures as text.

        `verbose` leaves out no cause, job or line of output; `quiet` prints one line a
        cause; `summary` only the first lines.
        """
        lines = self.headline()
        if summary:
            return "\n".join(lines) + "\n"
        shown = self.groups if verbose else self.groups[:GROUPS_SHOWN]
        for number, group in enumerate(shown, 1):
            if quiet:
                lines.append(f"{number}. {self._title(group)}")
            else:
                numbered = f"{number}. " if len(shown) > 1 else ""
                names = len(group.jobs) if verbose else NAMES_SHOWN
                lines += ["", f"{numbered}{self._title(group)}", *self.group_lines(group, verbose, names)]
        if hidden := self.groups[len(shown) :]:
            jobs = sum(len(group.jobs) for group in hidden)
            kinds = count(len(hidden), "more kind", "more kinds")
            lines += ["", f"… and {kinds} of failure, {count(jobs, 'job')}: see -v"]
        lines += self.undelivered_lines(len(self.analysis.undelivered) if verbose else FILES_SHOWN, quiet)
        if self.groups and not quiet:
            lines += ["", *self._next_commands()]
        return "\n".join(lines) + "\n"

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
        outline = self.run.plan.outline
        if text := undeclared_text(self.run.history, lambda job: outline[job].id, self.run.place.path):
            lines.append(f"  warning: {text}")
        if self.missing_results:
            lines.append(f"  warning: {self.missing_results}")
        return lines

    def job_names(self, group: CauseGroup, most: int) -> str:
        """Return the names of the jobs of a group, at most so many, and the number of the others."""
        names = ", ".join(self._named(job) for job in group.jobs[:most])
        return names + (f" and {more:,} more" if (more := len(group.jobs) - most) > 0 else "")

    def group_lines(self, group: CauseGroup, verbose: int = 0, names: int = 0) -> list[str]:
        """Return the lines below the title of a group: help, so many names of its jobs, the details of the first."""
        lines = [f"  {'help':<{_WIDTH}}{group.cause.remedy}"] if group.cause.remedy else []
        if names and len(group.jobs) > 1:
            listed = self.job_names(group, names)
            lines += [f"  {'jobs':<{_WIDTH}}{listed}", f"  {'such as':<{_WIDTH}}{self._named(group.jobs[0])}"]
        return lines + _failed_job_lines(examine_failed_job(self.run, group.jobs[0]), verbose)

    def _named(self, job: int) -> str:
        return titled(self.run.plan.outline[job].id, self.run.plan.job(job).label)

    def _title(self, group: CauseGroup) -> str:
        if len(group.jobs) == 1:
            name = self._named(group.jobs[0])
        else:
            name = f"{count(len(group.jobs), 'job')} of {group.transformation}, with the same error"
        blocked = f" [holds up {count(group.blocked, 'job')}]" if group.blocked else ""
        return f"{name}: {clipped(group.cause.title, LINE_CHARACTERS)}{blocked}"

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

    def _next_commands(self) -> list[str]:
        place = shown_path(self.run.place.path)
        lines = []
        edited = edited_files(self.run)
        for problem in edited:
            lines.append(f"note: {problem.message}")
            lines += [f"  {'help':<{_WIDTH}}{problem.hint}", ""] if problem.hint else []
        lines += [
            f"all about one job:     markab why {place} JOB",
            f"run it again by hand:  markab analyze {place} --debug-job JOB",
        ]
        if self.analysis.state != "Running" and not edited:
            command = run_command(self.run.place.path)
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
        "Removed": "removed by the user",
        "Halted": "stopped before its end",
    }[state]
    if analysis.left["failed"] and state in ("Running", "Refused", "Halted", "Removed"):
        words += ", with failures"
    return words


def _failed_job_lines(found: FailedJob, verbose: int = 0) -> list[str]:
    """Return the details of one failed job; the title of its cause is left out."""
    lines: list[tuple[str, str]] = []
    if found.failed_command:
        lines.append(("command", clipped(found.failed_command, LINE_CHARACTERS if not verbose else 10**6)))
    where = f"site {found.job.site}" + (f", host {found.host}" if found.host else "")
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
        lines.append(("sibling", f"{found.sibling} succeeded" + ("; it differs:" if found.differs else "")))
        lines += [("", f"  {line}") for line in found.differs]
    lines += [(label, path) for label, path in found.files()]
    shown = [f"  {label:<{_WIDTH}}{line}" for label, line in lines]
    most = OUTPUT_LINES if not verbose else 10**6
    printed_in = [("stderr", found.stderr), ("stdout", found.stdout)]
    printed_in += [(f"log {name}", text) for name, text in log_texts(found.record)]
    for stream, printed in printed_in:
        if printed.strip():
            shown.append(f"  {stream}:")
            shown += [f"  | {clipped(line, LINE_CHARACTERS)}" for line in output_lines(printed, most)]
    return shown
