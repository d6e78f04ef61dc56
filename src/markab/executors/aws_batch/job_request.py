"""A batch job as AWS Batch takes it: a job, or an array of jobs, of a job definition that is there. Pure.

The job definition has the image, the roles, and the file system with the scratch directory; what a job asks for overrides its command, cores,
memory and GPUs. Nothing is tried again by AWS Batch: retries are Markab's.

Source: AWS Batch API reference, SubmitJob.
"""

from __future__ import annotations

import math
import shlex
from typing import Any

from markab.executors.remote.batch_system import BatchJob

MOST_ELEMENTS = 10_000
"""Of an array, which has two at least."""
LEAST_LIMIT_S = 60
DEFINITION = "aws.batch.job_definition"


def script_text(job: BatchJob, command: str) -> str:
    """Return the text of a job's script; what it prints goes beside it, where it is looked for."""
    return (
        '#!/bin/sh\nMARKAB_ELEMENT="${AWS_BATCH_JOB_ARRAY_INDEX:-0}"\nexport MARKAB_ELEMENT\n'
        f'exec >>{shlex.quote(job.output)}."$MARKAB_ELEMENT" 2>&1\n{command}\n'
    )


def request_for(job: BatchJob) -> dict[str, Any]:
    """Return the parameters of SubmitJob."""
    amounts = [{"type": "VCPU", "value": str(job.cores)}]
    if job.memory_mb:
        amounts.append({"type": "MEMORY", "value": str(job.memory_mb)})
    if job.gpus:
        amounts.append({"type": "GPU", "value": str(job.gpus)})
    request: dict[str, Any] = {
        "jobName": job.name,
        "jobQueue": job.queue,
        "jobDefinition": job.attributes.get(DEFINITION, ""),
        "containerOverrides": {"command": ["/bin/sh", job.script], "resourceRequirements": amounts},
        "retryStrategy": {"attempts": 1},
    }
    if job.elements > 1:
        request["arrayProperties"] = {"size": job.elements}
    if job.runtime_s:
        request["timeout"] = {"attemptDurationSeconds": max(LEAST_LIMIT_S, math.ceil(job.runtime_s))}
    return request
