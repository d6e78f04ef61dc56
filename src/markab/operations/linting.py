"""Checking a workflow, its catalogs and its programs without running anything."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from markab.errors import DocumentError, PlanningError, Problem
from markab.operations.planning import dry_run

if TYPE_CHECKING:
    from markab.lint.linting import LintReport
    from markab.planner.options import PlanOptions


def lint(options: PlanOptions, off: Collection[str] = ()) -> LintReport:
    """Return what is wrong with a workflow, and what is most likely not meant; nothing is written.

    It has what planning would report of the whole workflow, as if no result of earlier runs could be reused. Codes in
    `off` are left out, and those that the documents themselves switch off.

    Raises:
        StorageError: the workflow cannot be read.
    """
    from markab.lint import linting

    problems: tuple[Problem, ...] = ()
    try:
        warnings = tuple(dry_run(replace(options, force=True)).warnings)
    except (DocumentError, PlanningError) as error:
        problems, warnings = error.problems, error.warnings
    return linting.lint(options, problems, warnings, off)


def lint_codes() -> dict[str, tuple[str, str]]:
    """Return the codes of the linter's own checks, each with its severity and what it means."""
    from markab.lint.checks import CODES

    return dict(CODES)


def lint_sarif(report: LintReport) -> dict[str, Any]:
    """Return a report in the format SARIF 2.1.0, which code hosts and editors show beside the lines."""
    from markab.lint.sarif import sarif_log

    return sarif_log(report.findings)
