"""The failures of a run and of its sub-workflows: the report of the run, then those of each that failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markab.diagnosis.cause_group import CauseGroup
from markab.reports.failure_report import FILES_SHOWN, FailureReport

Inner = tuple[str, FailureReport]
"""The jobs on the way to a sub-workflow, with slashes between them, and its failures."""


@dataclass(frozen=True)
class TreeFailures(FailureReport):
    """The failures of a tree of runs."""

    root: FailureReport
    inner: Sequence[Inner]
    """The sub-workflows, each before those below it."""

    @property
    def groups(self) -> list[CauseGroup]:
        """Those of the root."""
        return self.root.groups

    @property
    def has_failure(self) -> bool:
        """What belongs to the root decides: a sub-workflow that failed may be tried again."""
        return self.root.has_failure

    def to_json(self) -> dict[str, Any]:
        """Return the failures as plain data: each sub-workflow is a workflow under the name of its job."""
        found = self.root.to_json()
        root = found["workflows"]["root"]
        for name, report in self.inner:
            one = report.to_json()
            above = found["workflows"].get(name.rpartition("/")[0], root)
            entry = one["workflows"]["root"]
            entry["parent_wf_name"], entry["parent_wf_uuid"] = above["wf_name"], above["wf_uuid"]
            found["workflows"][name] = entry
        return found

    def text(self, *, verbose: int = 0, quiet: int = 0, summary: bool = False) -> str:
        """See `FailureReport.text`; the sub-workflows follow."""
        parts = [self.root.text(verbose=verbose, quiet=quiet, summary=summary)]
        for name, report in self._failed():
            one = report.text(verbose=verbose, quiet=quiet, summary=summary)
            parts.append(f"\n=== sub-workflow {name}\n{one}")
        return "".join(parts)

    def pegasus_text(
        self, *, summary: bool = False, quiet: int = 0, verbose: int = 0, commands: bool = False
    ) -> str:
        """See `FailureReport.pegasus_text`; the sub-workflows follow."""
        every = [("", self.root), *self._failed()]
        return "".join(
            (f"\n{name}\n" if name else "")
            + report.pegasus_text(summary=summary, quiet=quiet, verbose=verbose, commands=commands)
            for name, report in every
        )

    def headline(self) -> list[str]:
        """That of the root."""
        return self.root.headline()

    def job_lines(self, job: int, verbose: int = 0) -> list[str]:
        """Those of a job of the root."""
        return self.root.job_lines(job, verbose)

    def undelivered_lines(self, most: int = FILES_SHOWN, quiet: int = 0) -> list[str]:
        """Those of the root."""
        return self.root.undelivered_lines(most, quiet)

    def named(self, job: int) -> str:
        """Return the name of a job of the root."""
        return self.root.named(job)

    def next_commands(self) -> list[str]:
        """Those of the root."""
        return self.root.next_commands()

    def _failed(self) -> list[Inner]:
        return [(name, report) for name, report in self.inner if report.has_failure]
