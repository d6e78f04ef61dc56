"""The flags of `plan` and `run` for a script that builds the workflow, and running it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from markab import operations
from markab.cli import completion_values
from markab.cli.command import words_behind_dashes
from markab.cli.common_options import options
from markab.cli.planner_flags import plan_options, stronger_options

if TYPE_CHECKING:
    from markab.planner.options import PlanOptions
    from markab.spec.script_messages import Given

SCRIPT = ".py"
"""How the name of a script ends; any other file is a document."""

script_flags = options(
    click.option(
        "--set",
        "parameters",
        multiple=True,
        metavar="NAME=VALUE",
        shell_complete=completion_values.parameters,
        help="Give a parameter to the script that builds the workflow.",
    ),
    click.option(
        "--set-file",
        "parameter_files",
        multiple=True,
        metavar="FILE",
        help="Give it the parameters in a YAML or JSON file; - is standard input.",
    ),
)

words_argument = click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- WORD…]")


def script_flags_given(flags: Mapping[str, Any]) -> list[str]:
    """Return the flags for a script that were given, as they are typed."""
    names = {"--set": "parameters", "--set-file": "parameter_files", "--": "words"}
    return [flag for flag, name in names.items() if flags[name]]


def workflow_options(workflow: str, flags: Mapping[str, Any]) -> PlanOptions:
    """Return the planner's options for a document, or for what a script builds, which is run for that.

    What was typed is stronger than what the script says in its call of `plan`.

    Raises:
        click.UsageError: a parameter is not NAME=VALUE, or parameters are given to a document.
        DocumentError, StorageError: as `operations.run_script`.
    """
    _check_words(flags)
    if not workflow.endswith(SCRIPT):
        if unused := script_flags_given(flags):
            raise click.UsageError(
                f"{', '.join(unused)}: {workflow} is no script; name the one that writes it, such as workflow.py"
            )
        return plan_options(workflow, flags)
    built = operations.run_script(Path(workflow), list(_given(flags)), flags["words"])
    return stronger_options(built, flags)


def _check_words(flags: Mapping[str, Any]) -> None:
    surplus = len(flags["words"]) - words_behind_dashes()
    if surplus > 0:
        raise click.UsageError(
            f"unexpected argument {flags['words'][0]!r}; words for a script stand behind `--`"
        )


def _given(flags: Mapping[str, Any]) -> Iterator[Given]:
    """Yield the parameters that were typed: those of files first, so that `--set` wins."""
    from markab.spec.parameter_file import read_parameters
    from markab.spec.script_messages import Given

    for name in flags["parameter_files"]:
        yield from read_parameters(name, sys.stdin.buffer)
    for typed in flags["parameters"]:
        name, equals, value = typed.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"{typed!r} is not NAME=VALUE", param_hint="--set")
        yield Given(name.strip(), value, "--set")
