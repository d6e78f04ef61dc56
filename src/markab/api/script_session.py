"""The command that runs this process as a workflow script, as the API of the script sees it.

In such a script, `plan` does not plan: it tells the command what to plan, and ends the script.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from markab.spec.script_messages import VARIABLE, Channel, PlanCalled, Written

_PACKAGES = Path(__file__).parents[2]
_OWN = tuple(f"{_PACKAGES / name}{os.sep}" for name in ("markab", "Pegasus"))
"""How the paths of the files of Markab begin."""
_written: dict[int, object] = {}
"""By number: kept, because Python gives the number of an object that is deleted to another one."""


def shorten_tracebacks() -> None:
    """Let such a script end with a traceback of its own calls, without those inside of Markab; in other processes, do nothing."""
    if VARIABLE in os.environ:
        sys.excepthook = _print_error


def _print_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _shorten(trace)
    before = error.__cause__ or error.__context__
    while before is not None:
        _shorten(before.__traceback__)
        before = before.__cause__ or before.__context__
    sys.__excepthook__(kind, error, trace)


def _shorten(trace: TracebackType | None) -> None:
    """Cut a traceback behind its last call that is not inside of Markab, if there is one."""
    last = None
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(_OWN):
            last = trace
        trace = trace.tb_next
    if last is not None:
        last.tb_next = None


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
