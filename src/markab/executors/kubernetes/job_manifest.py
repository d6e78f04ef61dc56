"""A batch job as a Job of Kubernetes: one pod an element, each with the volume that has the scratch directory. Pure.

- The Job is indexed (`completionMode: Indexed`); $JOB_COMPLETION_INDEX is the element.
- No pod is tried again by the cluster: retries are Markab's. An index that fails must not end the others, which `backoffLimit: 0` would do,
  so a Job of several has a limit for each index (Kubernetes 1.29); older clusters ignore that, and the claims of the batch see to it that
  no attempt runs twice.
- The time limit is that of the pod: the Job's would count from its creation, also while pods wait for a node.
- The Job is removed by the cluster an hour after its end.

Source: the Kubernetes documentation, "Jobs", and the reference of batch/v1 and core/v1, 1.29.
"""

from __future__ import annotations

import math
import shlex
from typing import Any

from markab.executors.remote.batch_system import BatchJob
from markab.executors.remote.batch_systems.spelling import one_line

BATCH_LABEL = "markab/batch"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "markab"
CONTAINER = "worker"
KEPT_S = 3600
"""How long an ended Job stays in the cluster."""
GRACE_S = 30
"""Between SIGTERM and SIGKILL."""
GPU = "nvidia.com/gpu"

IMAGE, CLAIM, HOST_PATH = "kubernetes.image", "kubernetes.claim", "kubernetes.hostpath"
MOUNT, NAMESPACE, ACCOUNT = "kubernetes.mount", "kubernetes.namespace", "kubernetes.account"


def script_of(job: BatchJob, command: str) -> str:
    """Return the text of a job's script; what it prints goes beside it, where it is looked for."""
    return (
        '#!/bin/sh\nMARKAB_ELEMENT="${JOB_COMPLETION_INDEX:-0}"\nexport MARKAB_ELEMENT\n'
        f'exec >>{shlex.quote(job.output)}."$MARKAB_ELEMENT" 2>&1\n{command}\n'
    )


def manifest_of(job: BatchJob, user: int, group: int) -> dict[str, Any]:
    """Return the Job that is created for a batch job.

    Args:
        user: whose files the pods make; 0: that of the image.
    """
    labels = {MANAGED_BY: MANAGER, BATCH_LABEL: job.name}
    spec: dict[str, Any] = {
        "completionMode": "Indexed",
        "completions": job.elements,
        "parallelism": job.elements,
        "ttlSecondsAfterFinished": KEPT_S,
        "backoffLimit": 0 if job.elements == 1 else job.elements,
        "template": {"metadata": {"labels": labels}, "spec": _pod(job, user, group)},
    }
    if job.elements > 1:
        spec["backoffLimitPerIndex"] = 0
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job.name,
            "labels": labels,
            "annotations": {"markab/comment": one_line(job.comment)},
        },
        "spec": spec,
    }


def _pod(job: BatchJob, user: int, group: int) -> dict[str, Any]:
    asked = job.attributes
    amounts = {"cpu": str(job.cores)}
    if job.memory_mb:
        amounts["memory"] = f"{job.memory_mb}Mi"
    limits = {**amounts, GPU: str(job.gpus)} if job.gpus else amounts
    volume: dict[str, Any] = {"name": "scratch"}
    if claim := asked.get(CLAIM):
        volume["persistentVolumeClaim"] = {"claimName": claim}
    else:
        volume["hostPath"] = {"path": asked.get(HOST_PATH, ""), "type": "Directory"}
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": max(GRACE_S, job.grace_s),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [
            {
                "name": CONTAINER,
                "image": asked.get(IMAGE, ""),
                "command": ["/bin/sh", job.script],
                "resources": {"requests": amounts, "limits": limits},
                "volumeMounts": [{"name": "scratch", "mountPath": asked.get(MOUNT, "")}],
                "terminationMessagePolicy": "FallbackToLogsOnError",
            }
        ],
        "volumes": [volume],
    }
    if job.runtime_s:
        pod["activeDeadlineSeconds"] = math.ceil(job.runtime_s)
    if account := asked.get(ACCOUNT):
        pod["serviceAccountName"] = account
    if user:
        pod["securityContext"] = {"runAsUser": user, "runAsGroup": group}
    return pod
