"""Checking a workflow, its catalogs and its programs without running anything."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markab.errors import DocumentError, MarkabError, PlanningError, Problem
from markab.operations.planning import dry_run

if TYPE_CHECKING:
    from markab.lint.linting import LintReport
    from markab.planner.options import PlanOptions


def lint(options: PlanOptions, off: Collection[str] = ()) -> LintReport:
    """Return what is wrong with a workflow, and what is most likely not meant; nothing is written.

    Sub-workflows whose documents are files already are looked into. It has what planning would report of the whole workflow, as if no result of earlier runs could be reused. Codes in
    `off` are left out, and those that the documents themselves switch off.

    Raises:
        StorageError: the workflow cannot be read.
    """
    return _lint_tree(options, off, {options.directory / options.workflow})


def _lint_tree(options: PlanOptions, off: Collection[str], seen: set[Path]) -> LintReport:
    """Return the report of a workflow and of those below it that were not `seen`."""
    from markab.lint.linting import joined_reports
    from markab.planner.inner_workflows import inner_options

    found = [_lint_one(options, off)]
    try:
        inner = list(inner_options(options))
    except (MarkabError, ValueError):
        inner = []  # what is wrong with the document, or with the arguments of one, is reported
    for one in inner:
        if one.workflow not in seen:
            seen.add(one.workflow)
            found.append(_lint_tree(one, off, seen))
    return joined_reports(found)


def _lint_one(options: PlanOptions, off: Collection[str]) -> LintReport:
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
