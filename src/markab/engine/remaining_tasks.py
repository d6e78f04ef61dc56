"""What is left to do of a job of several tasks (a cluster) after an attempt in which some of them succeeded. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from markab.journal.attempt_record import DoneTask
from markab.plan.model import Input, PlannedJob


def remaining_job(job: PlannedJob, done: Sequence[DoneTask]) -> PlannedJob:
    """Return the job without the tasks that are done: what they made is among its inputs, and still among its outputs."""
    ids = {task.task for task in done}
    known = {file.lfn for file in job.inputs}
    made = [Input(lfn) for task in done for lfn in task.makes if lfn not in known]
    return msgspec.structs.replace(
        job,
        tasks=[
            msgspec.structs.replace(task, after=[other for other in task.after if other not in ids])
            for task in job.tasks
            if task.id not in ids
        ],
        inputs=[*job.inputs, *made],
    )
