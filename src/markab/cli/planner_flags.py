"""The planning flags of `plan`, `run` and `pegasus-plan`, made from the planner's options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from markab.cli.command import ALONE, OptionalValue
from markab.cli.completion_values import directories, targets, words
from markab.planner.options import OPTIONS, PlannerOption, PlanOptions, UsedBy, WrongOption, from_flags

RANDOM_DIR = OptionalValue("r", "randomdir")
"""The value of `-r` and `--randomdir` is optional, and must be joined: `-rNAME`, `--randomdir=NAME`."""

ROWS = tuple(row for row in OPTIONS if row.used_by is not UsedBy.COMMAND)


def plan_flags(function: Any) -> Any:
    """Add all planning flags to a command."""
    for row in reversed(ROWS):
        function = click.option(*row.flags, row.name, **_attributes(row))(function)
    return function


def _attributes(row: PlannerOption) -> dict[str, Any]:
    attributes: dict[str, Any] = {"help": row.help, "hidden": row.is_hidden}
    if row.kind.is_switch:
        return attributes | {"is_flag": True}
    commas = "[,…]" if row.kind.has_commas else ""
    attributes |= {"multiple": row.kind.is_repeated, "metavar": row.metavar + commas}
    if row.metavar == "DIR":
        attributes["shell_complete"] = directories
    elif row.metavar == "TARGET":
        attributes["shell_complete"] = targets
    elif row.choices:
        attributes["shell_complete"] = words(*row.choices, has_commas=row.kind.has_commas)
    return attributes


def given(flags: Mapping[str, Any]) -> list[str]:
    """Return the planning flags that were given, as they are typed."""
    return [row.flag for row in ROWS if flags.get(row.name)]


def stronger_options(options: PlanOptions, flags: Mapping[str, Any]) -> PlanOptions:
    """Return options with those that were typed in place of their own; properties are joined. Raises as `plan_options`."""
    typed = plan_options(str(options.workflow), flags)
    changed = {
        row.name: _absolute(value)
        for row in OPTIONS
        if (value := getattr(typed, row.name)) != row.kind.empty() and row.name != "properties"
    }
    return replace(options, properties=options.properties | typed.properties, **changed)


def _absolute(value: Any) -> Any:
    """Return paths so that they mean the same for a script that has changed its directory."""
    if isinstance(value, list):
        return [_absolute(one) for one in value]
    return Path(os.path.abspath(value)) if isinstance(value, Path) else value


def plan_options(workflow: str, flags: Mapping[str, Any]) -> PlanOptions:
    """Return the planner's options for a command's parameters; `--cores`, `--memory` and `--gpus` become properties.

    Raises:
        click.BadParameter: a value is invalid.
    """
    is_alone = flags["random_dir"] == ALONE
    try:
        options = from_flags(Path(workflow), {**flags, "random_dir": is_alone or flags["random_dir"]})
    except WrongOption as error:
        raise click.BadParameter(error.message, param_hint=error.flag) from None
    slots = {f"markab.slots.{name}": flags.get(name) for name in ("cores", "memory", "gpus")}
    options.properties |= {key: str(value) for key, value in slots.items() if value is not None}
    return options
