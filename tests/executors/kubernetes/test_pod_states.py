"""What Jobs, pods and events of a cluster mean for the elements of a batch job."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from markab.executors.base import Seen
from markab.executors.kubernetes.job_manifest import manifest_of, script_of
from markab.executors.kubernetes.pod_states import (
    INDEX_LABEL,
    ClusterEvent,
    ClusterJob,
    Pod,
    decoded,
    element_states,
)
from markab.executors.remote.batch_system import BatchElement, BatchJob, QueueEntry
from markab.transfers.error_kinds import ErrorKind


def job(count: int = 1, **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "mk-1"}, "spec": {"completions": count}, "status": status}


def pod(
    index: int = 0, *, born: str = "2026-01-01T00:00:00Z", node: str = "n1", **status: Any
) -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"mk-1-{index}-x",
            "labels": {"markab/batch": "mk-1", INDEX_LABEL: str(index)},
            "creationTimestamp": born,
        },
        "spec": {"nodeName": node} if node else {},
        "status": status,
    }


def event(kind: str, name: str, reason: str, message: str) -> dict[str, Any]:
    return {"involvedObject": {"kind": kind, "name": name}, "reason": reason, "message": message}


def states(*objects: dict[str, Any]) -> dict[int, QueueEntry]:
    """Return what is said of the elements of `mk-1`."""
    kinds: dict[type[msgspec.Struct], list[Any]] = {ClusterJob: [], Pod: [], ClusterEvent: []}
    for one in objects:
        kind = ClusterEvent if "involvedObject" in one else Pod if "labels" in one["metadata"] else ClusterJob
        kinds[kind] += decoded([json.dumps({"items": [one]}).encode()], kind)
    found = element_states(kinds[ClusterJob], kinds[Pod], kinds[ClusterEvent])
    assert all(native_id == entry.name == "mk-1" for (native_id, _), entry in found.items())
    return {position: entry for (_, position), entry in found.items()}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {
        "phase": "Pending",
        "containerStatuses": [{"state": {"waiting": {"reason": reason, "message": message}}}],
    }


def ended(reason: str, code: int, message: str = "") -> dict[str, Any]:
    words = {"reason": reason, "exitCode": code, "message": message}
    return {"phase": "Failed", "containerStatuses": [{"state": {"terminated": words}}]}


def test_elements_without_a_pod_wait() -> None:
    assert states(job(3)) == {index: QueueEntry("mk-1", Seen.QUEUED) for index in range(3)}


def test_a_pod_says_more_than_its_job() -> None:
    found = states(job(2), pod(1, phase="Running"))

    assert found == {0: QueueEntry("mk-1", Seen.QUEUED), 1: QueueEntry("mk-1", Seen.RUNNING, "", "n1")}


@pytest.mark.parametrize(
    ("status", "entry"),
    [
        ({"phase": "Succeeded"}, (Seen.ENDED, "", "")),
        (waiting("ContainerCreating"), (Seen.QUEUED, "", "")),
        (
            waiting("ErrImagePull", "not found"),
            (
                Seen.HELD,
                "ErrImagePull: not found; correct the name of the image, or let the service account of the pods pull it",
                "",
            ),
        ),
        (
            waiting("CreateContainerConfigError", "secret x"),
            (Seen.HELD, "CreateContainerConfigError: secret x", ""),
        ),
        (ended("Error", 1), (Seen.ENDED, "Error, exit code 1", ErrorKind.EXIT)),
        (
            ended("Error", 127, "/bin/sh: cannot open /v/run"),
            (
                Seen.ENDED,
                "Error, exit code 127: /bin/sh: cannot open /v/run; is the scratch directory mounted there under the same path, and "
                "python3 in the image?",
                ErrorKind.CONTAINER,
            ),
        ),
        (ended("Error", 137), (Seen.ENDED, "Error, exit code 137", ErrorKind.SIGNAL)),
        (ended("OOMKilled", 137), (Seen.ENDED, "OOMKilled, exit code 137", ErrorKind.MEMORY)),
        (
            ended("StartError", 128, "no /bin/sh"),
            (Seen.ENDED, "StartError, exit code 128: no /bin/sh", ErrorKind.CONTAINER),
        ),
        (
            {"phase": "Failed", "reason": "DeadlineExceeded"},
            (Seen.ENDED, "DeadlineExceeded", ErrorKind.TIMEOUT),
        ),
        (
            {"phase": "Failed", "reason": "Evicted", "message": "disk"},
            (Seen.ENDED, "Evicted: disk", ErrorKind.LOST),
        ),
        ({"phase": "Failed", "reason": "NodeLost"}, (Seen.ENDED, "NodeLost", ErrorKind.LOST)),
        (
            {
                **ended("Error", 143),
                "conditions": [
                    {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
                ],
            },
            (Seen.ENDED, "PreemptionByScheduler", ErrorKind.LOST),
        ),
        ({"phase": "Failed"}, (Seen.ENDED, "Failed", ErrorKind.LOST)),
        ({"phase": "Unknown"}, (Seen.RUNNING, "", "")),
    ],
)
def test_a_state_of_a_pod_is_read(status: dict[str, Any], entry: tuple[Seen, str, str]) -> None:
    found = states(job(), pod(**status))[0]

    assert (found.seen, found.reason, found.kind) == entry


def test_of_two_pods_of_an_element_the_newest_counts() -> None:
    old = pod(born="2026-01-01T00:00:00Z", **ended("Error", 1))
    new = pod(born="2026-01-01T00:00:05Z", phase="Running")

    assert states(job(), new, old)[0].seen is Seen.RUNNING


def test_pods_whose_job_is_gone_are_still_seen() -> None:
    assert states(pod(2, phase="Running")) == {2: QueueEntry("mk-1", Seen.RUNNING, "", "n1")}


def test_pods_of_others_are_passed_over() -> None:
    other = pod(phase="Running")
    other["metadata"]["labels"] = {"app": "web"}

    assert states(other) == {}


def test_indexes_that_are_over_have_ended_also_without_their_pods() -> None:
    found = states(job(5, completedIndexes="0,2-3", failedIndexes="4"))

    assert [found[index].seen for index in range(5)] == [
        Seen.ENDED,
        Seen.QUEUED,
        Seen.ENDED,
        Seen.ENDED,
        Seen.ENDED,
    ]
    assert [found[index].kind for index in (0, 4)] == ["", ErrorKind.LOST]


def test_a_job_that_failed_ends_all_that_have_no_pod() -> None:
    why = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "too long"}

    found = states(job(2, conditions=[why]), pod(1, node="", phase="Pending"))

    assert [found[index].seen for index in (0, 1)] == [Seen.ENDED] * 2
    assert found[0].reason == "DeadlineExceeded: too long" and found[0].kind == ErrorKind.TIMEOUT


def test_a_suspended_job_says_so() -> None:
    one = job()
    one["spec"]["suspend"] = True

    assert "JobSuspended" in states(one)[0].reason


@pytest.mark.parametrize(
    ("message", "seen"),
    [
        ("exceeded quota: small", Seen.QUEUED),
        ('error looking up service account genomics/runner: serviceaccount "runner" not found', Seen.HELD),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest"', Seen.HELD),
    ],
)
def test_an_event_says_why_there_is_no_pod(message: str, seen: Seen) -> None:
    found = states(job(), event("Job", "mk-1", "FailedCreate", message))[0]

    assert found == QueueEntry("mk-1", seen, f"FailedCreate: {message}")


def test_events_of_other_kinds_are_no_reason() -> None:
    assert states(job(), event("Job", "mk-1", "BackoffLimitExceeded", "x"))[0].reason == ""


def test_control_characters_of_a_message_do_not_reach_the_terminal() -> None:
    assert (
        states(job(), pod(**waiting("CreateContainerError", "a\x1b[31m\nb")))[0].reason
        == "CreateContainerError: a [31m b"
    )


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "metadata",
                    "spec",
                    "status",
                    "items",
                    "name",
                    "labels",
                    "phase",
                    "conditions",
                    "completions",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_json)
def test_an_answer_of_any_shape_is_read_or_refused(value: Any) -> None:
    for kind in (ClusterJob, Pod, ClusterEvent):
        try:
            found = decoded([json.dumps({"items": [value]}).encode()], kind)
        except (msgspec.MsgspecError, ValueError):
            continue
        if kind is not ClusterEvent:
            objects: list[Any] = found
            element_states(*((objects, []) if kind is ClusterJob else ([], objects)), ())


def test_one_pod_has_its_own_limits_and_no_second_try() -> None:
    asked = {"kubernetes.image": "python:3", "kubernetes.claim": "c", "kubernetes.mount": "/v"}
    one = BatchJob(
        "mk-1", 1, "/v/run", "/v/out", cores=2, memory_mb=512, gpus=1, runtime_s=90.5, attributes=asked
    )

    made = manifest_of(one, 1000, 100)["spec"]
    pod_spec = made["template"]["spec"]
    (container,) = pod_spec["containers"]

    assert made["backoffLimit"] == 0 and pod_spec["restartPolicy"] == "Never"
    assert "activeDeadlineSeconds" not in made and pod_spec["activeDeadlineSeconds"] == 91
    assert container["resources"] == {
        "requests": {"cpu": "2", "memory": "512Mi"},
        "limits": {"cpu": "2", "memory": "512Mi", "nvidia.com/gpu": "1"},
    }
    assert pod_spec["securityContext"] == {"runAsUser": 1000, "runAsGroup": 100}
    assert pod_spec["volumes"] == [{"name": "scratch", "persistentVolumeClaim": {"claimName": "c"}}]


def test_an_index_that_fails_does_not_end_the_others() -> None:
    made = manifest_of(BatchJob("mk-1", 5, "/v/run", "/v/out"), 0, 0)["spec"]

    assert made["backoffLimitPerIndex"] == 0 and made["backoffLimit"] == 5
    assert "securityContext" not in made["template"]["spec"]


def test_a_script_writes_beside_itself_whatever_its_directory_is_called() -> None:
    text = script_of(BatchJob("mk-1", 1, "/v/run", "/v/o'x $y/output"), "exec true")

    assert "exec >>'/v/o'\"'\"'x $y/output'.\"$MARKAB_ELEMENT\" 2>&1\nexec true\n" in text


def test_elements_are_named_by_the_job() -> None:
    found = element_states([msgspec.convert(job(2), ClusterJob)], [], [])

    assert list(found) == [BatchElement("mk-1", 0), BatchElement("mk-1", 1)]
