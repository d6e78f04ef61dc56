"""The failed jobs without which a job cannot start."""

from __future__ import annotations

from collections.abc import Sequence

from markab.journal.lifecycle import State
from markab.plan.plan_file import PlanFile


def failed_ancestors(plan: PlanFile, states: Sequence[int], position: int) -> list[int]:
    """Return the positions of the failed ancestors of a job that are not hidden by a succeeded one."""
    found: list[int] = []
    seen, stack = {position}, [position]
    while stack:
        for parent in plan.outline[stack.pop()].parents:
            if parent in seen or states[parent] == State.SUCCEEDED:
                continue
            seen.add(parent)
            if states[parent] == State.FAILED:
                found.append(parent)
            else:
                stack.append(parent)
    return sorted(found)
