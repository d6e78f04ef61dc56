"""What planning finds, as findings: with their severity, and the place of what they name. Pure."""

from __future__ import annotations

import re

from markab.errors import Problem
from markab.lint.finding import Finding, Severity, shown_file
from markab.lint.subject import Subject
from markab.spec.suggestions import nearest

_NOTES = frozenset(("unsupported", "prohibited-profile"))
"""Kinds of warnings about what this version does not do: nothing is wrong with the workflow."""
OF_THE_CALL = frozenset(("no-output-site",))
"""Kinds of warnings about how planning was called, and not about the workflow."""
_FILE = re.compile(r"file '([^']+)' has no replica")
_NEAR = 0.75


def problem_finding(problem: Problem, severity: Severity, subject: Subject | None) -> Finding:
    """Return a problem that planning found as a finding."""
    file, line = (
        subject.places.of_problem(problem)
        if subject
        else (shown_file(problem.file) if problem.file else "", problem.line)
    )
    if severity == "warning" and problem.kind in _NOTES:
        severity = "note"
    hint = problem.hint
    if subject and problem.kind == "missing-input" and (match := _FILE.search(problem.message)):
        hint = _near_file(match[1], subject, hint)
    return Finding(severity, problem.kind or "planning", problem.message, hint, file, line)


def _near_file(lfn: str, subject: Subject, otherwise: str) -> str:
    known = [*subject.makers, *(replica.lfn for replica in subject.replicas)]
    near = [name for name in nearest(lfn, known, _NEAR) if name != lfn]
    return f"did you mean {near[0]!r}? {otherwise}" if near else otherwise
