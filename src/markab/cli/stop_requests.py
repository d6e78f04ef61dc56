"""Asking the engine of a run to stop, and waiting a little to see it do so."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 10.0
LOOK_EVERY_S = 0.05


def wait_until_gone(
    is_there: Callable[[], bool],
    patience_s: float = PATIENCE_S,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Wait for the engine to end; return whether it did in time."""
    end = clock() + patience_s
    while is_there():
        if clock() >= end:
            return False
        sleep(LOOK_EVERY_S)
    return True


def halt_run(submit_dir: str | None) -> str:
    """Ask for a halt, and return what to tell the user."""
    from markab.cli.plan_output import shown_path
    from markab.engine.control import request_halt
    from markab.plan.submit_dir import find_submit_dir

    place = find_submit_dir(submit_dir)
    shown = shown_path(place.path)
    if not request_halt(place.path):
        return f"nothing to halt: no engine is running {shown}"
    return (
        f"halting {shown}: its running jobs end, no others start\n"
        f"  watch:    markab status -w 2 {shown}\n  continue: markab run {shown}"
    )


def remove_run(submit_dir: str | None) -> str:
    """Ask for the end of a run, wait for it, and return what to tell the user."""
    from markab.cli.plan_output import shown_path
    from markab.engine.control import engine_pid, request_remove
    from markab.plan.submit_dir import find_submit_dir
    from markab.reports.status import read_status

    place = find_submit_dir(submit_dir)
    path: Path = place.path
    shown = shown_path(path)
    if not request_remove(path):
        if read_status(path).state == "Success":
            return f"nothing to remove: {shown} has succeeded, and its files stay"
        return f"removed {shown}: no engine was running it, and it is marked as removed"
    gone = wait_until_gone(lambda: engine_pid(path) is not None)
    verb = "removed" if gone else "removing"
    more = "" if gone else "; its jobs have been told to end and have not all done so yet"
    return f"{verb} {shown}{more}\n  its files stay; `markab run {shown}` would continue it"
