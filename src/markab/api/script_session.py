"""The command that runs this process as a workflow script, as the API of the script sees it.

In such a script, `plan` does not plan: it tells the command what to plan, and ends the script.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from markab.spec.script_messages import VARIABLE, Channel, PlanCalled, Written

_written: dict[int, object] = {}
"""By number: kept, because Python gives the number of an object that is deleted to another one."""


@cache
def channel() -> Channel | None:
    """Return the channel to the command; None in every other process. Processes that this one starts have none."""
    return Channel.of_variable(os.environ.pop(VARIABLE, ""))


def report_written(workflow: object, path: Path | None, children: Iterable[Path]) -> None:
    """Tell the command, if there is one, that a workflow was written."""
    if (command := channel()) is not None:
        _written[id(workflow)] = workflow
        command.send(Written(id(workflow), None if path is None else str(path), [*map(str, children)]))


def hand_over_plan(path: Path, keywords: Mapping[str, Any]) -> None:
    """If there is a command, let it plan the document, and end the script: its exit code is 0."""
    if (command := channel()) is not None:
        given = {name: value for name, value in keywords.items() if value is not None}
        command.send(PlanCalled(str(path), os.getcwd(), given))
        raise SystemExit(0)
