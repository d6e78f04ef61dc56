"""The profiles that only services of clouds read, and which profiles for batch systems have a meaning there."""

from __future__ import annotations

from markab.planner.site_executors import AWS_BATCH, CLOUDS, KUBERNETES

KUBERNETES_KEYS = (
    "kubernetes.image",
    "kubernetes.claim",
    "kubernetes.hostpath",
    "kubernetes.mount",
    "kubernetes.namespace",
    "kubernetes.account",
)
IMAGE, CLAIM, HOST_PATH, MOUNT, *_ = KUBERNETES_KEYS
DEFINITION, QUEUE = "aws.batch.job_definition", "aws.batch.job_queue"
IMAGE_KEYS = frozenset({IMAGE, DEFINITION})
"""What decides which programs a job finds: jobs that differ in them cannot become one."""

_UNUSED = frozenset({"queue", "project", "nodes", "ppn", "glite.arguments"})
"""Keys of `pegasus` for batch systems that have no meaning there, but for the queue of AWS Batch."""


def is_cloud_key(namespace: str, key: str) -> bool:
    """Return whether a profile is a request to a service of a cloud."""
    return (namespace == "markab" and key in KUBERNETES_KEYS) or (
        namespace == "pegasus" and key.startswith("aws.")
    )


def has_effect(namespace: str, key: str, executor: str) -> bool:
    """Return whether a profile for batch systems or clouds has an effect on the jobs of an executor."""
    if is_cloud_key(namespace, key):
        return executor == (KUBERNETES if namespace == "markab" else AWS_BATCH)
    if executor not in CLOUDS:
        return True
    key = key.removesuffix(".expr")
    return namespace == "pegasus" and (key not in _UNUSED or (key == "queue" and executor == AWS_BATCH))
