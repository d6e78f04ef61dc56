"""Turning a workflow document into a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markab.planner.draft import Progress
    from markab.planner.options import PlanOptions
    from markab.planner.planning import Planned


def plan(options: PlanOptions, progress: Progress | None = None) -> Planned:
    """Plan a workflow into a new submit directory.

    `progress` is called with the present step and how much of it is done.

    Raises:
        DocumentError: documents are invalid; the error has the problems of all of them.
        PlanningError: no plan can be made; the error has every reason.
        StorageError: something cannot be read or written.
    """
    from markab.planner import planning

    return planning.plan(options, progress)


def dry_run(options: PlanOptions, progress: Progress | None = None) -> Planned:
    """Return what `plan` would plan, and write nothing. Raises as `plan`."""
    from markab.planner import planning

    return planning.dry_run(options, progress)
