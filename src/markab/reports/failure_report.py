"""What every report of the failures of a run has, whoever made the run: texts from groups of equal failures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from markab.diagnosis.cause_group import CauseGroup
from markab.formatting import clipped, count, output_lines

GROUPS_SHOWN = 10
NAMES_SHOWN = 5
FILES_SHOWN = 10
LINE_CHARACTERS = 300
LABEL_WIDTH = 10


class FailureReport(ABC):
    """The failures of a run. The run stays open: details of a job are read when they are shown."""

    @property
    @abstractmethod
    def groups(self) -> list[CauseGroup]:
        """The causes, those that block most jobs first."""

    @property
    @abstractmethod
    def has_failure(self) -> bool:
        """There is a failure that nothing which runs will retry."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return the failures as plain data, in the form of Pegasus' analyzer."""

    @abstractmethod
    def pegasus_text(
        self, *, summary: bool = False, quiet: int = 0, verbose: int = 0, commands: bool = False
    ) -> str:
        """Return the failures in the text of Pegasus' analyzer.

        `summary` prints only the counts; `quiet` leaves out the output of jobs; `commands`
        adds command lines that can be pasted into a shell.
        """

    @abstractmethod
    def headline(self) -> list[str]:
        """Return the state of the run in a few lines."""

    @abstractmethod
    def job_lines(self, job: int, verbose: int = 0) -> list[str]:
        """Return the details of a job that failed; the title of its cause is left out."""

    @abstractmethod
    def undelivered_lines(self, most: int = FILES_SHOWN, quiet: int = 0) -> list[str]:
        """Return the results that were not delivered, at most so many; with `quiet` only their number."""

    @abstractmethod
    def named(self, job: int) -> str:
        """Return the name of a job of a group."""

    @abstractmethod
    def next_commands(self) -> list[str]:
        """Return what the user can type next."""

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
        lines += self.undelivered_lines(10**9 if verbose else FILES_SHOWN, quiet)
        if self.groups and not quiet:
            lines += ["", *self.next_commands()]
        return "\n".join(lines) + "\n"

    def group_lines(self, group: CauseGroup, verbose: int = 0, names: int = 0) -> list[str]:
        """Return the lines below the title of a group: help, so many names of its jobs, the details of the first."""
        lines = [("verdict", group.cause.verdict)]
        lines += [("help", group.cause.remedy)] if group.cause.remedy else []
        if names and len(group.jobs) > 1:
            lines += [("jobs", self.job_names(group, names)), ("such as", self.named(group.jobs[0]))]
        return [*labelled(lines), *self.job_lines(group.jobs[0], verbose)]

    def job_names(self, group: CauseGroup, most: int) -> str:
        """Return the names of the jobs of a group, at most so many, and the number of the others."""
        names = ", ".join(self.named(job) for job in group.jobs[:most])
        return names + (f" and {more:,} more" if (more := len(group.jobs) - most) > 0 else "")

    def _title(self, group: CauseGroup) -> str:
        if len(group.jobs) == 1:
            name = self.named(group.jobs[0])
        else:
            name = f"{count(len(group.jobs), 'job')} of {group.transformation}, with the same error"
        blocked = f" [holds up {count(group.blocked, 'job')}]" if group.blocked else ""
        return f"{name}: {clipped(group.cause.title, LINE_CHARACTERS)}{blocked}"


def labelled(lines: Iterable[tuple[str, str]]) -> list[str]:
    """Return lines that begin with their label."""
    return [f"  {label:<{LABEL_WIDTH}}{line}" for label, line in lines]


def printed_lines(streams: Iterable[tuple[str, str]], most: int) -> Iterator[str]:
    """Yield the last lines of what a job printed, below the name of each stream."""
    for stream, printed in streams:
        if printed.strip():
            yield f"  {stream}:"
            yield from (f"  | {clipped(line, LINE_CHARACTERS)}" for line in output_lines(printed, most))
