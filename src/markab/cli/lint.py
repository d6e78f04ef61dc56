"""`markab lint`."""

from __future__ import annotations

from typing import Any

import click

from markab import operations
from markab.cli.command import command
from markab.cli.common_options import json_option, options, slot_options, verbose_option
from markab.cli.completion_values import words
from markab.cli.output import echo, echo_json
from markab.cli.planner_flags import RANDOM_DIR, plan_flags
from markab.cli.script_flags import script_flags, words_argument, workflow_options

FORMATS = ("text", "short", "json", "sarif")
FAILED = 1


def _list_codes(context: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    if is_wanted:
        for code, (severity, meaning) in operations.lint_codes().items():
            echo(f"{code:<22} {severity:<8} {meaning}")
        context.exit()


_FLAGS = options(
    click.option(
        "--off",
        multiple=True,
        metavar="CODE[,…]",
        help="Do not report findings of this code.",
    ),
    click.option(
        "--fail-on",
        type=click.Choice(("error", "warning", "note")),
        default="warning",
        show_default=True,
        help="The least severity that makes the exit code 1.",
    ),
    click.option(
        "--format",
        type=click.Choice(FORMATS),
        default="text",
        shell_complete=words(*FORMATS),
        help="text, short (`file:line: code message`), json or sarif.",
    ),
    click.option(
        "--codes",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_list_codes,
        help="List the codes of its own checks, and exit.",
    ),
    json_option("The same as `--format json`."),
)


@command(RANDOM_DIR)
@click.argument("workflow", required=False, metavar="[WORKFLOW]")
@words_argument
@_FLAGS
@slot_options
@script_flags
@plan_flags
@verbose_option
def lint(workflow: str | None, verbose: int, **flags: Any) -> int:
    """Check WORKFLOW, ./workflow.yml by default, its catalogs and its programs; nothing is written.

    It reports what planning would refuse or warn of, and what is not wrong and most likely not meant: files that no
    argument names, results that nobody gets, arguments that a program does not take. A SCRIPT, a file *.py, in place of
    WORKFLOW is run first. The exit code is 0 if nothing of the severity of --fail-on was found, else 1.
    """
    format = "json" if flags["as_json"] else flags["format"]
    off = {code.strip() for given in flags["off"] for code in given.split(",")}
    report = operations.lint(workflow_options(workflow or "workflow.yml", flags), off)
    if format == "json":
        echo_json([_object(finding) for finding in report.findings])
    elif format == "sarif":
        echo_json(operations.lint_sarif(report))
    else:
        for finding in report.findings:
            echo(_line(finding) if format == "short" else _text(finding))
        if format == "text":
            echo(_summary(report))
    return FAILED if report.is_failed(flags["fail_on"]) else 0


def _object(finding: operations.Finding) -> dict[str, object]:
    return {
        "severity": finding.severity,
        "code": finding.code,
        "message": finding.message,
        "hint": finding.hint,
        "file": finding.file,
        "line": finding.line,
    }


def _line(finding: operations.Finding) -> str:
    where = f"{finding.file}:{finding.line}: " if finding.file else ""
    return where + f"{finding.code} {finding.message}".replace("\n", " ")


def _text(finding: operations.Finding) -> str:
    where = f"{finding.where}: " if finding.where else ""
    text = f"{where}{finding.severity}[{finding.code}]: " + finding.message.replace("\n", "\n  ")
    return text + ("\n  hint: " + finding.hint.replace("\n", "\n        ") if finding.hint else "")


def _summary(report: operations.LintReport) -> str:
    from markab.formatting import count

    parts = [
        count(report.count(severity), severity)
        for severity in ("error", "warning", "note")
        if report.count(severity)
    ]
    text = ", ".join(parts) if parts else "nothing found"
    if report.hidden:
        text += f"; {count(report.hidden, 'finding')} switched off"
    if not report.checked_all:
        text += "; the other checks need a workflow that can be read"
    return text
