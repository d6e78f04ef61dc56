"""Registration: jobs that write delivered results into the output replica catalog.

After staging out: each of its jobs is followed by one that registers what it
delivered. Before directories and cleanup only because all jobs must be known then;
registration touches no scratch directory. Guarantees to them: nothing more than
that.
"""

from __future__ import annotations

from collections import defaultdict

from markab.plan.model import Kind, PlannedJob, Registration
from markab.planner import job_names
from markab.planner.draft import Context, Draft
from markab.planner.transfer_groups import CATEGORY, PRIORITY
from markab.spec.model import Use


def register_results(draft: Draft, context: Context) -> None:
    """Add registration jobs, unless `pegasus.register` is false."""
    if not context.properties.flag("pegasus.register", True):
        return
    numbers: dict[int, int] = defaultdict(int)
    stage_outs = [(job, planned) for job, planned in draft.auxiliary_jobs() if planned.kind is Kind.STAGE_OUT]
    for job, delivery in stage_outs:
        registered = _registered(draft, job, delivery)
        if not registered:
            continue
        level = delivery.level
        name = job_names.register_name(context.prefix, context.options.output_sites[0], level, numbers[level])
        numbers[level] += 1
        planned = PlannedJob(
            id=name,
            kind=Kind.REGISTER,
            site="local",
            level=level,
            priority=PRIORITY[Kind.REGISTER],
            category=CATEGORY[Kind.REGISTER],
            retries=context.retries,
            registrations=[Registration(use.lfn, "", "", dict(use.metadata)) for use in registered],
        )
        why = f"{len(registered)} replica(s) delivered by {delivery.id}"
        draft.add(planned, [job], "register", why, f"registers what {delivery.id} delivers")


def _registered(draft: Draft, job: int, delivery: PlannedJob) -> list[Use]:
    """Return what a stage-out job delivers and the user wants registered; a checkpoint is not a result."""
    delivered = {transfer.lfn for transfer in delivery.transfers}
    return [
        use
        for maker in draft.parents[job]
        for use in draft.outputs(maker)
        if use.lfn in delivered and use.register_replica is not False and use.type != "checkpoint"
    ]
