"""Both fake clouds, each with what a client on this machine needs to reach it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kit.fake_cloud.aws_batch_api import environment_of, fake_aws_batch
from kit.fake_cloud.kubernetes_api import fake_kubernetes
from markab.executors.aws_batch.region import AwsBatchRegion
from markab.executors.kubernetes.cluster import KubernetesCluster
from markab.executors.remote.batch_service import BatchService
from markab.plan.model import BatchRequest

SERVICES: Mapping[str, Callable[[], BatchService]] = {
    "kubernetes": KubernetesCluster,
    "aws-batch": AwsBatchRegion,
}


def request_at(name: str, mount: Path) -> BatchRequest:
    """Return what a job must ask for there."""
    if name == "aws-batch":
        return BatchRequest(queue="main", attributes={"aws.batch.job_definition": "markab:1"})
    claim = {"kubernetes.image": "python:3", "kubernetes.claim": "shared", "kubernetes.mount": str(mount)}
    return BatchRequest(attributes=claim)


@contextmanager
def fake_cloud(name: str, top: Path) -> Iterator[Any]:
    """Yield a cloud that this process reaches, by the variables of its environment, until the end."""
    with pytest.MonkeyPatch.context() as patch:
        for key in ("AWS_PROFILE", "AWS_REGION", "KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
            patch.delenv(key, raising=False)
        if name == "kubernetes":
            with fake_kubernetes() as cluster:
                patch.setenv("KUBECONFIG", str(cluster.kubeconfig(top / "kubeconfig")))
                yield cluster
        else:
            with fake_aws_batch() as service:
                for key, value in environment_of(service).items():
                    patch.setenv(key, value)
                yield service
