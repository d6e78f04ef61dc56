"""A Kubernetes cluster as its API shows it: Jobs make pods, and a pod is a process of this machine.

Made from the reference of batch/v1 and core/v1 of Kubernetes 1.29, and from no real cluster.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from kit.fake_cloud.api_server import Answer, Call, FakeApi
from kit.fake_cloud.containers import Container, now_text

INDEX = "batch.kubernetes.io/job-completion-index"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def status(code: int, reason: str, message: str) -> Answer:
    """Return an error as the API words it."""
    return code, {"kind": "Status", "status": "Failure", "message": message, "reason": reason, "code": code}


class FakeKubernetes(FakeApi):
    """See the module. What a test sets holds for pods to come."""

    def __init__(self) -> None:
        self.token = "s3cret"
        self.namespaces = {"science"}
        self.most_jobs: int | None = None
        """Quota of Jobs."""
        self.pods_forbidden = ""
        """Why no pod can be made."""
        self.unschedulable = ""
        """Why no node has room."""
        self.missing_images: set[str] = set()
        self.mount_fault = ""
        self.jobs: dict[str, dict[str, Any]] = {}
        self.pods: dict[str, dict[str, Any]] = {}
        self.containers: dict[str, Container] = {}
        self.orphans: list[Container] = []
        self.events: list[dict[str, Any]] = []
        super().__init__()

    # -- what a test does ------------------------------------------------------------

    def evict(self, reason: str = "Evicted", message: str = "The node was low on resource: memory.") -> None:
        """Let the node give up all pods that run."""
        with self.lock:
            for name, pod in self.pods.items():
                if self._phase(pod) == "Running":
                    pod["given_up"] = {"reason": reason, "message": message}
                    self.containers[name].stop("evicted", signal.SIGKILL)

    def lose_jobs(self) -> None:
        """Forget all Jobs and pods, while the processes go on."""
        with self.lock:
            self.orphans += self.containers.values()
            self.jobs, self.pods, self.containers = {}, {}, {}

    def phases(self) -> list[str]:
        """Return the phases of all pods."""
        with self.lock:
            return [self._phase(pod) for pod in self.pods.values()]

    def kubeconfig(self, path: Path, **user: Any) -> Path:
        """Write a kubeconfig for it."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "contexts": [{"name": "fake", "context": {"cluster": "c", "user": "u", "namespace": "science"}}],
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": user or {"token": self.token}}],
        }
        path.write_text(yaml.safe_dump(document))
        return path

    # -- the API ---------------------------------------------------------------------

    def kind_of(self, call: Call) -> str:
        """Return the verb and the resource, as `create jobs`."""
        verb = {"POST": "create", "GET": "list", "DELETE": "delete"}[call.method]
        match = re.search(r"/namespaces/[^/]+/(\w+)", call.path)
        return f"{verb} {match[1] if match else '?'}"

    def answer(self, kind: str, call: Call) -> Answer:
        """Do what a call asks for."""
        if call.headers.get("authorization") != f"Bearer {self.token}":
            return status(401, "Unauthorized", "Unauthorized")
        match = re.fullmatch(r"(/apis/batch/v1|/api/v1)/namespaces/([^/]+)/(\w+)(?:/([^/]+))?", call.path)
        if match is None or (match[1] == "/apis/batch/v1") != (match[3] == "jobs"):
            return status(404, "NotFound", "the server could not find the requested resource")
        namespace, name = match[2], match[4] or ""
        if kind == "create jobs":
            return self._create(namespace, call.body)
        self._work()
        if kind == "delete jobs":
            return self._delete_job(name, call.query)
        if kind == "delete pods":
            for pod in self._selected(self.pods, call):
                pod["deleted"] = True
                self.containers[pod["metadata"]["name"]].stop("deleted")
            return 200, {"kind": "PodList", "items": []}
        if namespace not in self.namespaces:
            return 200, {"items": []}  # as the real one does
        if kind == "list jobs":
            return 200, {
                "kind": "JobList",
                "items": [self._job(job) for job in self._selected(self.jobs, call)],
            }
        if kind == "list pods":
            return 200, {
                "kind": "PodList",
                "items": [self._pod(pod) for pod in self._selected(self.pods, call)],
            }
        if kind == "list events":
            return 200, {"kind": "EventList", "items": list(self.events)}
        return status(405, "MethodNotAllowed", "the server does not allow this method")

    def _create(self, namespace: str, job: Any) -> Answer:
        if namespace not in self.namespaces:
            return status(404, "NotFound", f'namespaces "{namespace}" not found')
        if fault := fault_of(job):
            return status(422, "Invalid", f'Job.batch "{job["metadata"]["name"]}" is invalid: {fault}')
        name = job["metadata"]["name"]
        if name in self.jobs:
            return status(409, "AlreadyExists", f'jobs.batch "{name}" already exists')
        if self.most_jobs is not None and len(self.jobs) >= self.most_jobs:
            message = (
                f'jobs.batch "{name}" is forbidden: exceeded quota: small, requested: count/jobs.batch=1, '
                f"used: count/jobs.batch={len(self.jobs)}, limited: count/jobs.batch={self.most_jobs}"
            )
            return status(403, "Forbidden", message)
        self.jobs[name] = {**job, "metadata": {**job["metadata"], "namespace": namespace, "uid": f"u-{name}"}}
        self.created.append(name)
        self._work()
        return 201, self._job(self.jobs[name])

    def _delete_job(self, name: str, query: dict[str, str]) -> Answer:
        if name not in self.jobs:
            return status(404, "NotFound", f'jobs.batch "{name}" not found')
        assert query.get("propagationPolicy") == "Background", "its pods would be left"
        del self.jobs[name]
        for pod_name, pod in self.pods.items():
            if pod["metadata"]["labels"]["markab/batch"] == name:
                pod["deleted"] = True
                self.containers[pod_name].stop("deleted")
        return 200, {"kind": "Status", "status": "Success"}

    def _selected(self, objects: dict[str, dict[str, Any]], call: Call) -> list[dict[str, Any]]:
        selector = call.query.get("labelSelector", "")
        terms = re.findall(r"([\w./-]+)\s*(?:=|in)\s*(\([^)]*\)|[\w.-]+)", selector)
        assert terms or not selector, selector
        return [
            one
            for one in objects.values()
            if all(
                one["metadata"]["labels"].get(key) in values.strip("()").split(",") for key, values in terms
            )
        ]

    # -- the controllers --------------------------------------------------------------

    def _work(self) -> None:
        """Do what the controllers of a cluster do between two calls."""
        self.events = []
        for name, job in self.jobs.items():
            for index in range(job["spec"]["completions"]):
                pod_name = f"{name}-{index}"
                if pod_name not in self.pods and not job.get("made", {}).get(index):
                    if self.pods_forbidden:
                        self._tell("Job", name, "FailedCreate", self.pods_forbidden)
                        break
                    job.setdefault("made", {})[index] = True
                    self._make_pod(name, pod_name, index, job)
        for pod_name, pod in list(self.pods.items()):
            container = self.containers[pod_name]
            if pod.get("deleted") and container.state == "ended":
                self._note_end(pod)
                del self.pods[pod_name], self.containers[pod_name]
                continue
            if container.state == "ended":
                self._note_end(pod)
            if container.state != "waiting" or self.unschedulable or pod.get("deleted"):
                continue
            image = pod["spec"]["containers"][0]["image"]
            if self.mount_fault:
                self._tell("Pod", pod_name, "FailedMount", self.mount_fault)
            elif image not in self.missing_images:
                container.start()

    def _make_pod(self, name: str, pod_name: str, index: int, job: dict[str, Any]) -> None:
        template = job["spec"]["template"]
        spec = template["spec"]
        (described,) = spec["containers"]
        self.pods[pod_name] = {
            "metadata": {
                "name": pod_name,
                "labels": {**template["metadata"]["labels"], INDEX: str(index)},
                "creationTimestamp": now_text(),
            },
            "spec": spec,
        }
        self.containers[pod_name] = Container(
            described["command"],
            {"JOB_COMPLETION_INDEX": str(index)},
            float(spec.get("activeDeadlineSeconds") or 0),
            float(spec.get("terminationGracePeriodSeconds", 30)),
        )

    def _tell(self, kind: str, name: str, reason: str, message: str) -> None:
        self.events.append(
            {
                "type": "Warning",
                "involvedObject": {"kind": kind, "name": name},
                "reason": reason,
                "message": message,
            }
        )

    def _phase(self, pod: dict[str, Any]) -> str:
        container = self.containers[pod["metadata"]["name"]]
        if container.state == "waiting":
            return "Pending"
        if container.state == "running":
            return "Running"
        return "Failed" if container.code or container.ended_by else "Succeeded"

    def _note_end(self, pod: dict[str, Any]) -> None:
        job = self.jobs.get(pod["metadata"]["labels"]["markab/batch"])
        if job is not None:
            job.setdefault("ends", {})[int(pod["metadata"]["labels"][INDEX])] = self._phase(pod)

    def _job(self, job: dict[str, Any]) -> dict[str, Any]:
        ends: dict[int, str] = job.get("ends", {})
        found: dict[str, Any] = {
            "completedIndexes": ",".join(str(i) for i in sorted(ends) if ends[i] == "Succeeded"),
            "failedIndexes": ",".join(str(i) for i in sorted(ends) if ends[i] == "Failed"),
            "conditions": None,
        }
        if len(ends) == job["spec"]["completions"]:
            is_failed = "Failed" in ends.values()
            found["conditions"] = [
                {
                    "type": "Failed" if is_failed else "Complete",
                    "status": "True",
                    "reason": "FailedIndexes" if is_failed else "",
                    "message": "Job has failed indexes" if is_failed else "",
                }
            ]
        return {"metadata": job["metadata"], "spec": job["spec"], "status": found}

    def _pod(self, pod: dict[str, Any]) -> dict[str, Any]:
        container = self.containers[pod["metadata"]["name"]]
        phase = self._phase(pod)
        said: dict[str, Any] = {"phase": phase}
        spec = {"nodeName": "node-1"} if phase != "Pending" else {}
        image = pod["spec"]["containers"][0]["image"]
        if phase == "Pending" and self.unschedulable:
            said["conditions"] = [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": self.unschedulable,
                }
            ]
        elif phase == "Pending":
            reason = {"reason": "ContainerCreating"}
            if image in self.missing_images:
                reason = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}"'}
            said["containerStatuses"] = [{"state": {"waiting": reason}}]
        elif phase == "Failed" and pod.get("given_up"):
            said |= pod["given_up"]
        elif phase == "Failed" and container.ended_by == "deadline":
            said |= {
                "reason": "DeadlineExceeded",
                "message": "Pod was active on the node longer than the specified deadline",
            }
        elif phase == "Failed":
            said["containerStatuses"] = [
                {"state": {"terminated": {"reason": "Error", "exitCode": container.code or 143}}}
            ]
        metadata = {**pod["metadata"]}
        if pod.get("deleted"):
            metadata["deletionTimestamp"] = now_text()
        return {"metadata": metadata, "spec": spec, "status": said}

    def close(self) -> None:
        """Stop serving, and end all processes."""
        super().close()
        for container in [*self.containers.values(), *self.orphans]:
            container.kill()


def fault_of(job: Any) -> str:
    """Return why a Job is invalid, as far as it matters here."""
    spec = job["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    if (
        job["apiVersion"] != "batch/v1"
        or job["kind"] != "Job"
        or not _NAME.fullmatch(job["metadata"]["name"])
    ):
        return "metadata.name: Invalid value"
    if spec["completionMode"] != "Indexed" or spec["completions"] < 1:
        return "spec.completions: Required value"
    if pod["restartPolicy"] not in ("Never", "OnFailure"):
        return "spec.template.spec.restartPolicy: Required value: valid values: OnFailure, Never"
    if not container["image"]:
        return "spec.template.spec.containers[0].image: Required value"
    for mount in container["volumeMounts"]:
        if not mount["mountPath"]:
            return "spec.template.spec.containers[0].volumeMounts[0].mountPath: Required value"
        if mount["name"] not in [volume["name"] for volume in pod["volumes"]]:
            return f'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "{mount["name"]}"'
    for amounts in container["resources"].values():
        if any(not re.fullmatch(r"[1-9]\d*(?:Mi)?", text) for text in amounts.values()):
            return "spec.template.spec.containers[0].resources: Invalid value"
    return ""


@contextmanager
def fake_kubernetes() -> Iterator[FakeKubernetes]:
    """Yield a cluster; in the end nothing of it runs."""
    made = FakeKubernetes()
    try:
        yield made
    finally:
        made.close()
