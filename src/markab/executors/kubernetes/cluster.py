"""A Kubernetes cluster as a batch system: Jobs are created, listed with their pods, and deleted, through the API.

The name of a batch is the name of its Job, so creating it again is refused and harmless. What the API refuses for ever (no permission, no such
namespace, an invalid request) ends the attempts; an exhausted quota of Jobs and a server that is busy do not. Credentials that have never worked
are refused at once; those that have expired while the run went on are waited for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import quote

import msgspec

from markab.executors.base import Seen
from markab.executors.kubernetes.api_client import UNAUTHORIZED, ApiAnswer, ApiClient
from markab.executors.kubernetes.job_manifest import (
    BATCH_LABEL,
    IMAGE,
    MANAGED_BY,
    MANAGER,
    NAMESPACE,
    manifest_of,
    script_of,
)
from markab.executors.kubernetes.kubeconfig import NoAccess, find_access
from markab.executors.kubernetes.pod_states import (
    INDEX_LABEL,
    ClusterEvent,
    ClusterJob,
    Pod,
    decoded,
    element_states,
    needs_events,
)
from markab.executors.remote.batch_service import NoAnswer, SubmitAnswer, SubmittedJob
from markab.executors.remote.batch_system import BatchElement, BatchJob, QueueEntry
from markab.executors.remote.batch_systems.spelling import by_job, one_line

MOST_ELEMENTS = 1000
MOST_NAMES = 50
"""In one selector; of more batches, all Jobs of Markab are listed."""

_RENEW = "renew the credentials of the kubeconfig: is `kubectl get jobs` answered?"
_HINTS = {
    UNAUTHORIZED: _RENEW,
    403: "the user of the kubeconfig must be allowed to create, list and delete jobs, and to list and delete pods",
    404: "create the namespace, or correct the profile markab.kubernetes.namespace",
}
_ALREADY_THERE = 409
_TOO_MANY = 429

T = TypeVar("T", bound=msgspec.Struct)


class KubernetesCluster:
    """Meaning of the calls: `remote/batch_service.py`."""

    title = "Kubernetes"
    missing_hint = _RENEW
    not_shared = "the cluster"

    def __init__(self, context: str = "", client: ApiClient | None = None) -> None:
        """Reach nothing yet; `context` is one of the kubeconfig."""
        self._client = client or ApiClient(lambda: find_access(context))
        self._is_known = False
        """The credentials have worked."""
        self._namespaces: dict[str, str] = {}
        """Job → namespace."""
        self._open: dict[str, set[int]] = {}
        """Job → elements that had not ended in the last listing."""

    def script(self, job: BatchJob, command: str) -> str:
        """Return the text of a job's script."""
        return script_of(job, command)

    def most_elements(self) -> int:
        """Return how many pods one Job may have."""
        return MOST_ELEMENTS

    def submit(self, job: BatchJob) -> SubmitAnswer:
        """Create the Job."""
        try:
            path = f"/apis/batch/v1/namespaces/{quote(self._namespace(job), safe='')}/jobs"
            answer = self._client.call("POST", path, body=manifest_of(job, os.getuid(), os.getgid()))
        except NoAccess as error:
            return SubmitAnswer("", str(error), self._is_known, error.hint)
        if answer.is_ok or answer.status == _ALREADY_THERE:
            self._is_known = True
            return SubmitAnswer(job.name)
        if answer.status >= 500 or answer.status == _TOO_MANY:
            raise NoAnswer(answer.words)
        if answer.status == UNAUTHORIZED and self._is_known:
            return SubmitAnswer("", f"{answer.words}; {_RENEW}", is_busy=True)
        is_busy = answer.status == 403 and "exceeded quota" in answer.words
        words = (
            answer.words
            if is_busy or answer.status not in (400, 422)
            else f"{answer.words} (image {job.attributes.get(IMAGE)!r})"
        )
        return SubmitAnswer("", words, is_busy, _HINTS.get(answer.status, ""))

    def listing(self, jobs: Sequence[SubmittedJob]) -> dict[BatchElement, QueueEntry]:
        """List Jobs and pods in all namespaces that have any; events too, if something waits for no known reason."""
        by_namespace: dict[str, list[str]] = {}
        try:
            for one in jobs:
                by_namespace.setdefault(self._namespace(one.job), []).append(one.job.name)
            found: dict[BatchElement, QueueEntry] = {}
            for namespace, names in by_namespace.items():
                found |= self._states(namespace, names)
        except NoAccess as error:
            raise NoAnswer(f"{error}; {error.hint}" if error.hint else str(error)) from error
        self._open = {}
        for (name, index), entry in found.items():
            if entry.seen is not Seen.ENDED:
                self._open.setdefault(name, set()).add(index)
        return found

    def ended(self, name: str, native_id: str) -> dict[BatchElement, QueueEntry]:
        """Return nothing: the listing has them, until the cluster removes them."""
        return {}

    def cancel(self, elements: Sequence[BatchElement]) -> None:
        """Delete pods; the whole Job, if nothing else of it is left."""
        try:
            for name, indexes in by_job(elements).items():
                namespace = quote(self._namespaces.get(name) or self._client.access().namespace, safe="")
                if self._open.get(name, set()) <= set(indexes):
                    self._delete(
                        f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}",
                        {"propagationPolicy": "Background"},
                    )
                    continue
                for first in range(0, len(indexes), 100):
                    part = ",".join(map(str, indexes[first : first + 100]))
                    selector = f"{BATCH_LABEL}={name},{INDEX_LABEL} in ({part})"
                    self._delete(f"/api/v1/namespaces/{namespace}/pods", {"labelSelector": selector})
        except NoAccess as error:
            raise NoAnswer(str(error)) from error

    def shares(self, path: Path) -> bool:
        """Return True: only a pod can tell."""
        return True

    def close(self) -> None:
        """Nothing is held."""

    def _delete(self, path: str, query: Mapping[str, str]) -> None:
        """Delete what is there. Raises NoAnswer, if it may go another time."""
        answer = self._client.call("DELETE", path, query)
        if answer.status >= 500 or answer.status in (UNAUTHORIZED, _TOO_MANY):
            raise NoAnswer(answer.words)

    def _namespace(self, job: BatchJob) -> str:
        """Return where a job is; those without a namespace stay where they were created."""
        if job.name not in self._namespaces:
            self._namespaces[job.name] = job.attributes.get(NAMESPACE) or self._client.access().namespace
        return self._namespaces[job.name]

    def _states(self, namespace: str, names: Sequence[str]) -> dict[BatchElement, QueueEntry]:
        place = quote(namespace, safe="")
        selector = {
            "labelSelector": f"{BATCH_LABEL} in ({','.join(names)})"
            if len(names) <= MOST_NAMES
            else f"{MANAGED_BY}={MANAGER}"
        }
        jobs = self._items(f"/apis/batch/v1/namespaces/{place}/jobs", selector, ClusterJob)
        pods = self._items(f"/api/v1/namespaces/{place}/pods", selector, Pod)
        states = element_states(jobs, pods, ())
        if not needs_events(states):
            return states
        answer = self._client.call(
            "GET", f"/api/v1/namespaces/{place}/events", {"fieldSelector": "type=Warning"}
        )
        if not answer.is_ok:
            return states  # they are for people; not everybody may read them
        return element_states(jobs, pods, _read(answer, ClusterEvent))

    def _items(self, path: str, selector: dict[str, str], kind: type[T]) -> list[T]:
        answer = self._client.call("GET", path, selector)
        if not answer.is_ok:
            hint = _HINTS.get(answer.status, "")
            raise NoAnswer(f"{answer.words}; {hint}" if hint else answer.words)
        self._is_known = True
        return _read(answer, kind)


def _read(answer: ApiAnswer, kind: type[T]) -> list[T]:
    try:
        return cast("list[T]", decoded([answer.body], kind))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise NoAnswer(f"the answer of the API cannot be read: {one_line(str(error))}") from error
