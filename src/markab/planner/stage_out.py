"""Staging out: jobs that deliver results to the output sites.

After staging in, with which it shares the grouping of transfers; before
registration, which records what was delivered, and before directories and
cleanup, which serve these jobs too. Guarantees to them: `results` names every file
that the user wants; each has one stage-out job if there is an output site, and
`scratch` names it.
"""

from __future__ import annotations

from collections import defaultdict

from markab.plan.model import Kind, PlannedJob, Transfer
from markab.planner import job_names
from markab.planner.draft import Context, Draft
from markab.planner.transfer_groups import CATEGORY, PRIORITY, first_names, transfer_groups
from markab.spec.model import Use


def stage_out(draft: Draft, context: Context) -> None:
    """Fill `results`, and add stage-out jobs if there is an output site."""
    groups = transfer_groups(draft, "stageout")
    levels = draft.levels
    collected: dict[tuple[str, int, int], list[tuple[int, Use]]] = defaultdict(list)
    for job, _ in draft.task_jobs():
        key = draft.placements[job].staging, levels[job], groups[job]
        for use in draft.outputs(job):
            if use.stage_out is not False:
                draft.results.add(use.lfn)
                collected[key].append((job, use))
    if not context.options.output_sites:
        return
    numbers: dict[tuple[str, int], int] = defaultdict(int)
    for (site, level, _), wanted in sorted(collected.items()):
        name = job_names.transfer_name(Kind.STAGE_OUT, context.prefix, site, level, numbers[site, level])
        numbers[site, level] += 1
        makers = sorted({job for job, _ in wanted})
        planned = PlannedJob(
            id=name,
            kind=Kind.STAGE_OUT,
            site="local",
            staging=site,
            level=level,
            priority=PRIORITY[Kind.STAGE_OUT],
            category=CATEGORY[Kind.STAGE_OUT],
            retries=context.retries,
            transfers=[Transfer(use.lfn, [], [], optional=use.type == "checkpoint") for _, use in wanted],
        )
        why = f"{len(wanted)} result(s) of {first_names(draft, makers)}"
        added = draft.add(planned, makers, "stage_out", why)
        for _, use in wanted:
            draft.record_use(site, use.lfn, added)
