"""Linting a workflow: the checks of planning and those of this folder, as one list of findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markab.errors import Problem
from markab.lint.checks import CHECKS, CODES
from markab.lint.finding import SEVERITIES, Finding, Severity
from markab.lint.planning_findings import OF_THE_CALL, problem_finding
from markab.lint.subject import Subject, read_subject
from markab.lint.switched_off import SwitchedOff
from markab.planner.document_places import SourcePlace
from markab.planner.options import PlanOptions
from markab.spec.model import Workflow

_LARGEST_COMMENTED_BYTES = 20_000_000
"""In larger documents no comment is looked for: programs write them."""


@dataclass(frozen=True)
class LintReport:
    """What the linter found."""

    findings: list[Finding]
    """In the order of files and lines."""
    hidden: int
    """How many there are of codes that were switched off."""
    checked_all: bool
    """False: the workflow is so wrong that only its reading was checked."""

    def count(self, severity: Severity) -> int:
        """Return how many findings have this severity."""
        return Counter(finding.severity for finding in self.findings)[severity]

    def is_failed(self, at: Severity = "warning") -> bool:
        """Return whether there is a finding of this severity, or of a graver one."""
        grave = SEVERITIES[: SEVERITIES.index(at) + 1]
        return any(finding.severity in grave for finding in self.findings)


def lint(
    options: PlanOptions,
    problems: Iterable[Problem],
    warnings: Iterable[Problem],
    off: Collection[str] = (),
) -> LintReport:
    """Return what the checks find in a workflow, together with what planning has found.

    `off` are codes that are not reported.

    Raises:
        StorageError: the workflow cannot be read.
    """
    subject = read_subject(options)
    found = [problem_finding(problem, "error", subject) for problem in problems]
    found += [
        problem_finding(problem, "warning", subject)
        for problem in warnings
        if problem.kind not in OF_THE_CALL
    ]
    switched = SwitchedOff(set(off))
    if subject is not None:
        found += check(subject)
        switched.add_metadata(subject.workflow, _metadata(subject.workflow, subject))
    _add_comments(switched, found)
    shown = [finding for finding in dict.fromkeys(found) if not switched.hides(finding)]
    order = {severity: rank for rank, severity in enumerate(SEVERITIES)}
    shown.sort(key=lambda it: (it.file, it.line, order[it.severity], it.code))
    return LintReport(shown, len(dict.fromkeys(found)) - len(shown), subject is not None)


def joined_reports(reports: Sequence[LintReport]) -> LintReport:
    """Return the reports of several workflows as one; what several have of a catalog is said once."""
    findings = dict.fromkeys(finding for report in reports for finding in report.findings)
    hidden = sum(report.hidden for report in reports)
    return LintReport(list(findings), hidden, all(report.checked_all for report in reports))


def check(subject: Subject) -> Iterator[Finding]:
    """Yield what the checks of this folder find."""
    for one in CHECKS:
        for code, (file, line), message, hint in one(subject):
            yield Finding(CODES[code][0], code, message, hint, file, line)


def _metadata(workflow: Workflow, subject: Subject) -> Iterator[tuple[Mapping[str, str], list[SourcePlace]]]:
    for task in workflow.jobs:
        yield task.metadata, [subject.place(task), *(subject.place(use) for use in task.uses)]
        yield from ((use.metadata, [subject.place(use)]) for use in task.uses)


def _add_comments(switched: SwitchedOff, found: Sequence[Finding]) -> None:
    """Add the comments of every file in which something was found."""
    for file in dict.fromkeys(finding.file for finding in found if finding.file):
        try:
            if (path := Path(file)).stat().st_size <= _LARGEST_COMMENTED_BYTES:
                switched.add_comments(file, path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
