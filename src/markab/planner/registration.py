"""Registration: jobs that write results into the output replica catalog.

After staging out, whose grouping it shares: a job registers what one stage-out job
delivered, and what the tasks that this job serves made, is not delivered, and is to be
registered all the same: at its place in scratch. Before directories and cleanup only because
all jobs must be known then. Guarantees to them: nothing more than that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from markab.plan.model import Kind, PlannedJob, Registration
from markab.planner import job_names
from markab.planner.draft import Context, Draft
from markab.planner.graph import levels_of
from markab.planner.stage_out import REUSED_LEVEL
from markab.planner.transfer_groups import CATEGORY, transfer_groups
from markab.spec.model import Use
from markab.transfers.tree_names import directory_name

DEEP = "pegasus.register.deep"

_Group = tuple[str, int, int]
"""Staging site, level, and number of the stage-out job."""


def register_results(draft: Draft, context: Context) -> None:
    """Add registration jobs, unless `pegasus.register` is false."""
    if not context.options.output_sites or not context.properties.flag("pegasus.register", True):
        return
    deep = context.properties.flag(DEEP, True)
    depths = levels_of(draft.parents)
    assert depths is not None
    delivered_by = {
        transfer.lfn: job
        for job, planned in draft.auxiliary_jobs()
        if planned.kind is Kind.STAGE_OUT
        for transfer in planned.transfers
    }
    found: dict[_Group, dict[str, tuple[int, Use]]] = defaultdict(dict)
    for group, maker, use in _registered(draft, context):
        found[group][use.lfn] = delivered_by.get(use.lfn, maker), use
    for number, uses in enumerate(draft.reused.values()):
        for use in uses:
            if use.register_replica is not False:
                found["local", REUSED_LEVEL, number][use.lfn] = delivered_by[use.lfn], use
    numbers: dict[tuple[str, int], int] = defaultdict(int)
    for (site, level, _), files in sorted(found.items()):
        parents = sorted({parent for parent, _ in files.values()})
        name = job_names.register_name(context.prefix, site, level, numbers[site, level])
        numbers[site, level] += 1
        planned = PlannedJob(
            id=name,
            kind=Kind.REGISTER,
            site="local",
            level=level,
            # As a task at this depth of the plan; depths count from 0, and mostly one job makes the directories.
            priority=10 * (max(depths[parent] for parent in parents) + (1 if level == REUSED_LEVEL else 2)),
            category=CATEGORY[Kind.REGISTER],
            retries=context.retries,
            registrations=[
                _registration(use, "" if lfn in delivered_by else site, deep=deep)
                for lfn, (_, use) in files.items()
            ],
        )
        what = ", ".join(draft.name_of(parent) for parent in parents[:3])
        draft.add(planned, parents, "register", f"{len(files)} replica(s) delivered or made by {what}")


def _registered(draft: Draft, context: Context) -> Iterator[tuple[_Group, int, Use]]:
    """Yield the outputs that are to be registered, each with its group and the job that makes it."""
    groups = transfer_groups(draft, context, "stageout")
    for job, _ in draft.task_jobs():
        group = draft.placements[job].staging, draft.levels[job], groups[job]
        for use in draft.outputs(job):
            if use.register_replica is not False:
                yield group, job, use


def _registration(use: Use, site: str, *, deep: bool) -> Registration:
    """Return what to register; `site` is that of the scratch where it stays, if it is not delivered.

    Args:
        deep: under its whole name, and not only the last part.
    """
    name = "" if deep or "/" not in use.lfn else directory_name(use.lfn).rpartition("/")[2]
    return Registration(use.lfn, "", site, dict(use.metadata), use.type == "checkpoint", name)
