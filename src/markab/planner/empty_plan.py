"""A plan without jobs, since every result exists and none is to be delivered, gets one that does nothing.

So a run of it begins, ends and is recorded as any other. After all other passes.
"""

from __future__ import annotations

from markab.plan.model import Kind, PlannedJob
from markab.planner import job_names
from markab.planner.draft import Context, Draft

PRIORITY = 800


def fill_empty_plan(draft: Draft, context: Context) -> None:
    """Add a job that does nothing if there is no other."""
    if draft.count_jobs() == 0:
        name = job_names.noop_name(context.prefix, draft.workflow.name)
        planned = PlannedJob(id=name, kind=Kind.NOOP, site="local", priority=PRIORITY)
        draft.add(planned, [], "fill_empty_plan", "there is nothing else to do")
