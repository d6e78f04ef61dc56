"""One task of a job of several (a cluster) as a job of its own, to compare it with itself in other plans. Pure."""

from __future__ import annotations

import msgspec

from markab.plan.model import Input, Output, PlannedJob


def task_alone(job: PlannedJob, task: str) -> PlannedJob:
    """Return a job with this task alone, and the files that it reads and makes; `job` itself if it has no other."""
    if len(job.tasks) == 1:
        return job
    one = next(each for each in job.tasks if each.id == task)
    known = {each.lfn: each for each in job.inputs}
    reads = one.content.reads if one.content else []
    return msgspec.structs.replace(
        job,
        tasks=[one],
        inputs=[known.get(lfn) or Input(lfn) for lfn in reads],
        outputs=[Output(lfn) for lfn in one.makes],
    )
