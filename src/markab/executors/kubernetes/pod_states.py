"""What a cluster says of the elements of batch jobs: of their pods, of the Job where there is no pod, and in events. Pure.

A pod that waits has the reason in its conditions (no node has room) or in the state of its container (the image cannot be pulled); why
there is no pod at all (a quota), or why a volume is not mounted, stands in events only. What ends only when a person
does something counts as held.

Source: the reference of batch/v1, core/v1 (PodStatus, ContainerState) and events of Kubernetes 1.29.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from markab.executors.base import Seen
from markab.executors.kubernetes.job_manifest import BATCH_LABEL
from markab.executors.remote.batch_service import NOT_STARTED, SHELL_FAILURES
from markab.executors.remote.batch_system import BatchElement, QueueEntry
from markab.executors.remote.batch_systems.spelling import one_line, positions
from markab.transfers.error_kinds import ErrorKind

INDEX_LABEL = "batch.kubernetes.io/job-completion-index"
"""Of pods: an annotation, and since 1.28 a label."""


class ObjectMeta(msgspec.Struct, rename="camel"):
    """The head of an object."""

    name: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class Condition(msgspec.Struct):
    """One of the conditions of a Job or a pod."""

    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None

    @property
    def words(self) -> str:
        """Why it is so."""
        return _joined(self.reason, self.message)


class JobSpec(msgspec.Struct):
    """What was asked for."""

    completions: int | None = None
    suspend: bool | None = None


class JobStatus(msgspec.Struct, rename="camel"):
    """What became of it."""

    conditions: list[Condition] | None = None
    completed_indexes: str | None = None
    failed_indexes: str | None = None


class ClusterJob(msgspec.Struct):
    """A Job."""

    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)
    spec: JobSpec = msgspec.field(default_factory=JobSpec)
    status: JobStatus = msgspec.field(default_factory=JobStatus)


class ContainerWords(msgspec.Struct, rename="camel"):
    """A state of a container: why it waits, or how it ended."""

    reason: str | None = None
    message: str | None = None
    exit_code: int | None = None


class ContainerState(msgspec.Struct):
    """One of them is set."""

    waiting: ContainerWords | None = None
    terminated: ContainerWords | None = None


class ContainerStatus(msgspec.Struct):
    """A container of a pod."""

    state: ContainerState = msgspec.field(default_factory=ContainerState)


class PodSpec(msgspec.Struct, rename="camel"):
    """Where it is."""

    node_name: str | None = None


class PodStatus(msgspec.Struct, rename="camel"):
    """What became of a pod."""

    phase: str = ""
    reason: str | None = None
    message: str | None = None
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None


class Pod(msgspec.Struct):
    """A pod."""

    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)

    @property
    def batch(self) -> str:
        """Its batch job; empty: none of ours."""
        return (self.metadata.labels or {}).get(BATCH_LABEL, "")

    @property
    def index(self) -> int | None:
        """Its element."""
        for texts in (self.metadata.labels, self.metadata.annotations):
            text = (texts or {}).get(INDEX_LABEL, "")
            if text.isascii() and text.isdecimal():
                return int(text)
        return None


class EventObject(msgspec.Struct):
    """Of what an event is."""

    kind: str = ""
    name: str = ""


class ClusterEvent(msgspec.Struct, rename="camel"):
    """Something that went wrong with a Job or a pod."""

    involved_object: EventObject = msgspec.field(default_factory=EventObject)
    reason: str | None = None
    message: str | None = None

    @property
    def words(self) -> str:
        """What it was."""
        return _joined(self.reason, self.message)


_HELD = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
"""Reasons for which a container waits until somebody corrects something."""

_OF_IMAGE = "correct the name of the image, or let the service account of the pods pull it"

_TOLD = ("FailedCreate", "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedScheduling")
"""Reasons of events that say why a pod waits, or is not there."""

_NEEDS_A_PERSON = re.compile(
    r"(?:serviceaccount|persistentvolumeclaim|secret|configmap) \"?[^ \"]*\"? (?:is )?not found|"
    r"error looking up service account|violates PodSecurity|hostPath type check failed",
    re.IGNORECASE,
)

_LOST = frozenset(
    {
        "Evicted",
        "Preempting",
        "NodeLost",
        "NodeShutdown",
        "Shutdown",
        "Terminated",
        "NodeAffinity",
        "UnexpectedAdmissionError",
        "OutOfcpu",
        "OutOfmemory",
        "OutOfpods",
    }
)
"""Reasons for which a node gave a pod up."""


def element_states(
    jobs: Iterable[ClusterJob], pods: Iterable[Pod], events: Iterable[ClusterEvent]
) -> dict[BatchElement, QueueEntry]:
    """Return what the cluster says of all elements; of several pods of an element, the newest counts."""
    said: dict[tuple[str, str], str] = {}
    for event in events:
        if event.reason in _TOLD:
            said[event.involved_object.kind, event.involved_object.name] = event.words
    newest: dict[BatchElement, Pod] = {}
    for pod in pods:
        if pod.batch and pod.index is not None:
            element = BatchElement(pod.batch, pod.index)
            before = newest.get(element)
            if before is None or _born(before) <= _born(pod):
                newest[element] = pod
    found: dict[BatchElement, QueueEntry] = {}
    for job in jobs:
        found |= _of_job(job, said)
    for element, pod in newest.items():
        entry, of_job = _of_pod(pod, said), found.get(element)
        if of_job is not None and of_job.seen is Seen.ENDED and entry.seen is not Seen.ENDED:
            entry = entry if entry.seen is Seen.RUNNING else of_job
        found[element] = entry
    return found


def needs_events(states: Mapping[BatchElement, QueueEntry]) -> bool:
    """Return whether an element waits for no known reason."""
    return any(entry.seen is Seen.QUEUED and not entry.reason for entry in states.values())


def _born(pod: Pod) -> str:
    return pod.metadata.creation_timestamp or ""


def _of_job(job: ClusterJob, said: Mapping[tuple[str, str], str]) -> dict[BatchElement, QueueEntry]:
    """Return what follows from a Job for its elements that have no pod."""
    name = job.metadata.name
    why = said.get(("Job", name), "")
    seen = Seen.HELD if _NEEDS_A_PERSON.search(why) else Seen.QUEUED
    if job.spec.suspend:
        why = "JobSuspended: the cluster has not admitted it yet"
    entry = QueueEntry(name, seen, why)
    for condition in job.status.conditions or ():
        if condition.type == "Failed" and condition.status == "True":
            entry = QueueEntry(name, Seen.ENDED, condition.words, "", _kind_of_reason(condition.reason or ""))
        elif condition.type == "Complete" and condition.status == "True":
            entry = QueueEntry(name, Seen.ENDED)
    count = min(max(job.spec.completions or 1, 1), 100_000)
    found = {BatchElement(name, index): entry for index in range(count)}
    for index in positions(job.status.completed_indexes or ""):
        found[BatchElement(name, index)] = QueueEntry(name, Seen.ENDED)
    failed = QueueEntry(name, Seen.ENDED, "its pod was deleted", "", ErrorKind.LOST)
    for index in positions(job.status.failed_indexes or ""):
        found[BatchElement(name, index)] = failed
    return found


def _of_pod(pod: Pod, said: Mapping[tuple[str, str], str]) -> QueueEntry:
    name, status = pod.batch, pod.status
    host = one_line(pod.spec.node_name or "")
    if status.phase == "Succeeded":
        return QueueEntry(name, Seen.ENDED, "", host)
    if status.phase == "Failed":
        return QueueEntry(name, Seen.ENDED, *_end(status, host))
    if status.phase in ("Running", "Unknown"):
        return QueueEntry(name, Seen.RUNNING, "", host)
    waiting = next((one.state.waiting for one in status.container_statuses or () if one.state.waiting), None)
    if waiting is not None and waiting.reason in _HELD:
        why = _joined(waiting.reason, waiting.message)
        return QueueEntry(name, Seen.HELD, f"{why}; {_OF_IMAGE}" if "Image" in waiting.reason else why, host)
    why = ""
    for condition in status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            why = condition.words
    why = why or said.get(("Pod", pod.metadata.name), "")
    return QueueEntry(name, Seen.HELD if _NEEDS_A_PERSON.search(why) else Seen.QUEUED, why, host)


def _end(status: PodStatus, host: str) -> tuple[str, str, str]:
    """Return the reason, the host and the kind of error of a pod that failed."""
    for condition in status.conditions or ():
        if condition.type == "DisruptionTarget" and condition.status == "True":
            return _joined(status.reason, condition.words), host, ErrorKind.LOST
    if status.reason:
        return _joined(status.reason, status.message), host, _kind_of_reason(status.reason)
    ended = next(
        (one.state.terminated for one in status.container_statuses or () if one.state.terminated), None
    )
    if ended is None:
        return _joined("Failed", status.message), host, ErrorKind.LOST
    code = ended.exit_code or 0
    reason = _joined(f"{ended.reason or 'Error'}, exit code {code}", ended.message)
    if ended.reason == "OOMKilled":
        return reason, host, ErrorKind.MEMORY
    if ended.reason in ("ContainerCannotRun", "StartError"):
        return reason, host, ErrorKind.CONTAINER
    if code in SHELL_FAILURES:
        return f"{reason}; {NOT_STARTED}", host, ErrorKind.CONTAINER
    return reason, host, ErrorKind.SIGNAL if code > 128 else ErrorKind.EXIT


def _kind_of_reason(reason: str) -> str:
    if reason == "DeadlineExceeded":
        return ErrorKind.TIMEOUT
    return ErrorKind.LOST if reason in _LOST else ErrorKind.EXIT


def _joined(*words: str | None) -> str:
    return one_line(": ".join(word for word in words if word))


def decoded(bodies: Sequence[bytes], kind: type[msgspec.Struct]) -> list[msgspec.Struct]:
    """Return the items of lists of the API.

    Raises:
        msgspec.MsgspecError, ValueError: one is no such list.
    """
    found: list[msgspec.Struct] = []
    decoder = msgspec.json.Decoder(_List)
    for body in bodies:
        for item in decoder.decode(body).items or ():
            found.append(msgspec.json.decode(item, type=kind))
    return found


class _List(msgspec.Struct):
    items: list[msgspec.Raw] | None = None
