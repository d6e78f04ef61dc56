"""The warning that jobs wrote files that they do not declare as outputs, and that were not kept."""

from __future__ import annotations

import shlex
from pathlib import Path

from markab.formatting import count
from markab.journal.history import History
from markab.plan.plan_file import PlanFile

NAMES_SHOWN = 3


def undeclared_text(history: History, plan: PlanFile, submit_dir: Path) -> str:
    """Return the warning about all jobs of the run that succeeded so, whichever engine ran them; empty: there are none."""
    jobs = history.undeclared.count(1)
    if not jobs or history.first_undeclared is None:
        return ""
    position, names = history.first_undeclared
    shown = ", ".join(repr(name) for name in names[:NAMES_SHOWN]) + (
        ", …" if len(names) > NAMES_SHOWN else ""
    )
    more = f", and {count(jobs - 1, 'more job')}" if jobs > 1 else ""
    return (
        f"{plan.title(position)}{more} wrote files that are not declared as outputs, and so are not kept: {shown} "
        f"(`markab show {shlex.quote(str(submit_dir))} {shlex.quote(plan.job(position).id)}`)"
    )
