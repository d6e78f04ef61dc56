"""Staging out: jobs that deliver results to the output sites.

Results of jobs that were left out, because they exist, come from where they are: one job for each such job.

After staging in, with which it shares the grouping of transfers; before
registration, which records what was delivered, and before directories and
cleanup, which serve these jobs too. Guarantees to them: `results` names every file
that the user wants; each has one stage-out job if there is an output site, and
`scratch` names it.
"""

from __future__ import annotations

from collections import defaultdict

from markab.plan.model import Kind, Place, PlannedJob, Transfer
from markab.planner import job_names
from markab.planner.draft import Context, Draft, RawInput
from markab.planner.replica_selection import select_replicas
from markab.planner.transfer_groups import (
    CATEGORY,
    first_names,
    transfer_groups,
    transfer_priority,
    transfer_site,
    transfer_threads,
)
from markab.spec.model import Use

REUSED_LEVEL = 1000
"""Of the jobs that deliver and register results of jobs that were left out; as Pegasus names them."""


def stage_out(draft: Draft, context: Context) -> None:
    """Fill `results`, and add stage-out jobs of those that leave scratch."""
    groups = transfer_groups(draft, context, "stageout")
    levels = draft.levels
    collected: dict[tuple[str, int, int], list[tuple[int, Use]]] = defaultdict(list)
    for job, _ in draft.task_jobs():
        key = draft.placements[job].staging, levels[job], groups[job]
        for use in draft.outputs(job):
            if draft.is_delivered(use):
                draft.results.add(use.lfn)
                if context.is_delivered(use.lfn):
                    collected[key].append((job, use))
    numbers: dict[tuple[str, int], int] = defaultdict(int)
    for (site, level, _), wanted in sorted(collected.items()):
        at = transfer_site(Kind.STAGE_OUT, site, context)
        number = numbers[site, level]
        name = job_names.transfer_name(
            Kind.STAGE_OUT, context.prefix, site, level, number, remote=at != "local"
        )
        numbers[site, level] += 1
        makers = sorted({job for job, _ in wanted})
        planned = PlannedJob(
            id=name,
            kind=Kind.STAGE_OUT,
            site=at,
            staging=site,
            level=level,
            priority=transfer_priority(Kind.STAGE_OUT, context),
            category=CATEGORY[Kind.STAGE_OUT],
            retries=context.retries,
            threads=transfer_threads(Kind.STAGE_OUT, makers, draft, context),
            transfers=[Transfer(use.lfn, [], [], optional=use.type == "checkpoint") for _, use in wanted],
        )
        why = f"{len(wanted)} result(s) of {first_names(draft, makers)}"
        added = draft.add(planned, makers, "stage_out", why)
        draft.record_uses(site, [use.lfn for _, use in wanted], added)
    _deliver_reused(draft, context)


def _deliver_reused(draft: Draft, context: Context) -> None:
    for number, (job, uses) in enumerate(draft.reused.items()):
        draft.results.update(use.lfn for use in uses)
        uses = [use for use in uses if context.is_delivered(use.lfn)]
        if not uses:
            continue
        transfers = []
        for use in uses:
            if raw := draft.found.get(use.lfn) or _replicas(use.lfn, draft.tasks[job].id, context):
                sources = [Place(pfn.site, pfn.pfn) for pfn in raw.places]
                transfers.append(Transfer(use.lfn, sources, [], sha256=raw.sha256, size_bytes=raw.size_bytes))
        planned = PlannedJob(
            id=job_names.transfer_name(Kind.STAGE_OUT, context.prefix, "local", REUSED_LEVEL, number),
            kind=Kind.STAGE_OUT,
            site="local",
            level=REUSED_LEVEL,
            priority=transfer_priority(Kind.STAGE_OUT, context),
            category=CATEGORY[Kind.STAGE_OUT],
            retries=context.retries,
            transfers=transfers,
        )
        draft.add(
            planned, [], "stage_out", f"{len(uses)} result(s) of {draft.tasks[job].id}, which is left out"
        )


def _replicas(lfn: str, left_out: str, context: Context) -> RawInput | None:
    replica = context.replicas.lookup(lfn)
    assert replica is not None
    return select_replicas(
        replica, "local", "local", lambda: f"the output sites, since {left_out!r} is left out", context
    )
