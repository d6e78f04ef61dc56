"""Options that choose among the runs of a user."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any

import click

from markab import operations
from markab.cli.common_options import Decorator
from markab.cli.completion_values import words

_UNIT_S = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def age(context: click.Context, parameter: click.Parameter, typed: str | None) -> float | None:
    """Return seconds for an age such as `30d`."""
    if typed is None:
        return None
    match = re.fullmatch(r"(\d{1,6})([mhdw])", typed.strip())
    if match is None:
        message = f"{typed!r} is not an age; write 30d, 12h, 45m or 2w"
        raise click.BadParameter(message, ctx=context, param=parameter)
    return float(int(match[1]) * _UNIT_S[match[2]])


def since(context: click.Context, parameter: click.Parameter, typed: str | None) -> float:
    """Return seconds since the epoch for a date, a date with a time, or an age; 0 for nothing."""
    if typed is None:
        return 0.0
    if re.fullmatch(r"\d+[mhdw]", typed.strip()):
        return time.time() - (age(context, parameter, typed) or 0.0)
    try:
        return datetime.fromisoformat(typed.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        message = f"{typed!r} is neither a date such as 2026-11-30 nor an age such as 7d"
        raise click.BadParameter(message, ctx=context, param=parameter) from None


def _states(context: click.Context, parameter: click.Parameter, typed: str | None) -> frozenset[str]:
    """Return the words of an option."""
    named = frozenset(word.strip().lower() for word in (typed or "").split(",") if word.strip())
    known = operations.RUN_STATES
    wrong = sorted(named.difference(known)) or ([typed] if typed is not None and not named else [])
    if wrong:
        message = f"there is no state {wrong[0]!r}; the states are: {', '.join(known)}"
        raise click.BadParameter(message, ctx=context, param=parameter)
    return named


def _state_words(context: click.Context, parameter: click.Parameter, typed: str) -> Any:
    return words(*operations.RUN_STATES, has_commas=True)(context, parameter, typed)


def state_option(help: str) -> Decorator:
    """Return the option for states of runs."""
    return click.option(
        "-s",
        "--state",
        "states",
        metavar="STATE[,…]",
        callback=_states,
        help=help,
        shell_complete=_state_words,
    )


workflow_option = click.option(
    "-w", "--workflow", metavar="NAME", default="", help="Only runs of this workflow; * stands for any text."
)
