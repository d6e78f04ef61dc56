"""Attempts at a cloud that refuses, is busy, forgets, or cannot start a container: what the executor reports, and what it submits."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from kit.fake_cloud.aws_batch_api import FakeAwsBatch, refusal
from kit.fake_cloud.clouds import SERVICES, fake_cloud, request_at
from kit.fake_cloud.kubernetes_api import FakeKubernetes, status
from kit.waiting import wait_until
from markab.executors import batch_executor
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Report, RunContext, Seen
from markab.executors.batch_executor import BatchExecutor
from markab.executors.kubernetes.cluster import MOST_NAMES, KubernetesCluster
from markab.executors.remote.batch_service import SubmittedJob
from markab.executors.remote.batch_system import BatchJob
from markab.plan.model import Kind, Output, PlannedJob, PlannedTask

UUID = "0a1b2c3d-4e5f"
SUBMIT = {"kubernetes": "create jobs", "aws-batch": "submitjob"}
BUSY = {
    "kubernetes": status(429, "TooManyRequests", "the server has received too many requests"),
    "aws-batch": refusal(429, "TooManyRequestsException", "Too Many Requests"),
}
BROKEN = {
    "kubernetes": status(500, "InternalError", "etcdserver: request timed out"),
    "aws-batch": refusal(500, "ServerException", "Internal failure"),
}
FORBIDDEN = {
    "kubernetes": status(
        403, "Forbidden", 'jobs.batch is forbidden: User "ada" cannot create resource "jobs"'
    ),
    "aws-batch": refusal(
        403, "AccessDeniedException", "User: ada is not authorized to perform: batch:SubmitJob"
    ),
}


class Cloud:
    """The executor under test, the cloud, and what was reported."""

    def __init__(self, name: str, api: Any, top: Path) -> None:
        self.name, self.api, self.top = name, api, top
        self.reports: list[Report] = []
        (top / "scratch").mkdir()
        self.executor = self.make()

    def make(self) -> BatchExecutor:
        self.executor = BatchExecutor(SERVICES[self.name](), grace_s=0.5, pulse_s=0.1, poll_s=(0.02, 0.05))
        return self.executor

    def attempt(
        self, script: str = "true", job: int = 1, outputs: Sequence[str] = (), **attributes: str
    ) -> Attempt:
        request = request_at(self.name, self.top)
        request.attributes.update({key.replace("__", "."): value for key, value in attributes.items()})
        task = PlannedTask(f"ID{job}", "sh", "/bin/sh", f"-c '{script}'")
        planned = PlannedJob(f"job{job}", Kind.COMPUTE, "cloud", tasks=[task], batch=request)
        planned.outputs = [Output(lfn) for lfn in outputs]
        context = RunContext(UUID, "flow", str(self.top), "full", 2, 1, None)
        return Attempt(
            AttemptId(UUID, job, 1), planned, context, str(self.top / "scratch"), str(self.top / "work")
        )

    def submit(self, *attempts: Attempt) -> None:
        self.executor.submit(attempts or [self.attempt()])

    def until(self, is_true: Callable[[], bool]) -> None:
        def look() -> bool:
            self.reports += self.executor.wait(0.02)
            return is_true()

        wait_until(look)

    def until_seen(self, seen: Seen, words: str = "", job: int = 1) -> Report:
        found: list[Report] = []

        def look() -> bool:
            found[:] = [
                one for one in self.reports if one.id.job == job and one.seen is seen and words in one.reason
            ]
            return bool(found)

        self.until(look)
        return found[0]

    def ended(self, job: int = 1) -> dict[str, Any]:
        record = self.until_seen(Seen.ENDED, job=job).record
        assert record is not None
        return record


@pytest.fixture(params=SERVICES)
def cloud(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    yield from opened(request.param, tmp_path, monkeypatch)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    yield from opened("kubernetes", tmp_path, monkeypatch)


@pytest.fixture
def region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    yield from opened("aws-batch", tmp_path, monkeypatch)


def opened(name: str, top: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setattr(batch_executor, "AGAIN_S", (0.05, 0.1))
    with fake_cloud(name, top) as api:
        made = Cloud(name, api, top)
        yield made
        made.executor.close()


def spoil_credentials(cloud: Cloud) -> None:
    api: FakeKubernetes | FakeAwsBatch = cloud.api
    if isinstance(api, FakeKubernetes):
        api.token = "another"
    else:
        api.key = "ANOTHER"


# -- what is submitted -------------------------------------------------------------------------------


def test_attempts_that_ask_for_the_same_become_one_job_with_an_element_each(cloud: Cloud) -> None:
    attempts = [cloud.attempt("sleep 0.1", job) for job in range(1, 8)]

    cloud.submit(*attempts)

    assert all(cloud.ended(job)["ok"] for job in range(1, 8))
    assert cloud.api.count(SUBMIT[cloud.name]) == 1 == len(cloud.api.created)


def test_a_state_is_reported_with_the_id_of_the_cloud(cloud: Cloud) -> None:
    cloud.submit(cloud.attempt("sleep 60"))

    report = cloud.until_seen(Seen.RUNNING)

    (native_id,) = cloud.api.created
    assert report.native_id == f"{native_id}_0"


# -- what is refused for ever ------------------------------------------------------------------------


def test_credentials_that_never_worked_are_refused_with_the_words_of_the_api(cloud: Cloud) -> None:
    spoil_credentials(cloud)

    cloud.submit()
    error = cloud.ended()["error"]

    assert error["kind"] == "refused"
    assert ("401 Unauthorized" if cloud.name == "kubernetes" else "security token") in error["message"]
    assert error["hint"].startswith("renew the credentials")


def test_a_missing_permission_is_refused_and_named(cloud: Cloud) -> None:
    cloud.api.fail(SUBMIT[cloud.name], FORBIDDEN[cloud.name])

    cloud.submit()
    error = cloud.ended()["error"]

    assert error["kind"] == "refused" and "ada" in error["message"]
    assert "create, list and delete jobs" in error["hint"] or "batch:SubmitJob" in error["hint"]


def test_a_missing_namespace_is_refused_and_named(cluster: Cloud) -> None:
    cluster.submit(cluster.attempt(kubernetes__namespace="nowhere"))

    error = cluster.ended()["error"]

    assert error["kind"] == "refused" and 'namespaces "nowhere" not found' in error["message"]
    assert "markab.kubernetes.namespace" in error["hint"]


def test_a_missing_queue_is_refused_and_named(region: Cloud) -> None:
    region.api.queues = {"other"}

    region.submit()
    error = region.ended()["error"]

    assert error["kind"] == "refused" and "Job queue main does not exist" in error["message"]
    assert "site 'cloud'" in error["hint"]


# -- what is refused for the moment ------------------------------------------------------------------


@pytest.mark.parametrize("fault", [BUSY, BROKEN], ids=["busy", "broken"])
def test_a_busy_api_is_asked_again_and_the_reason_is_shown(cloud: Cloud, fault: dict[str, Any]) -> None:
    cloud.api.fail(SUBMIT[cloud.name], fault[cloud.name], fault[cloud.name])

    cloud.submit()

    report = cloud.until_seen(Seen.QUEUED, "cannot be submitted now")
    assert str(fault[cloud.name][1]["message"]) in report.reason
    assert cloud.ended()["ok"]
    assert len(cloud.api.created) == 1


@pytest.mark.parametrize("fault", ["cut", "lost"])
def test_a_submission_without_an_answer_is_looked_for_before_it_is_tried_again(
    cloud: Cloud, fault: str
) -> None:
    cloud.api.fail(SUBMIT[cloud.name], fault)

    cloud.submit()

    assert cloud.ended()["ok"]
    assert len(cloud.api.created) == 1
    assert cloud.api.count(SUBMIT[cloud.name]) == (1 if fault == "lost" else 2)


def test_credentials_that_expire_are_waited_for(cloud: Cloud) -> None:
    cloud.submit()
    assert cloud.ended()["ok"]
    token, key = getattr(cloud.api, "token", ""), getattr(cloud.api, "key", "")
    spoil_credentials(cloud)

    cloud.submit(cloud.attempt("true", 2))
    report = cloud.until_seen(Seen.QUEUED, "renew the credentials", job=2)
    assert "cannot be submitted now" in report.reason
    cloud.api.token, cloud.api.key = token, key

    assert cloud.ended(2)["ok"]


def test_a_quota_of_jobs_is_waited_for_and_said(cluster: Cloud) -> None:
    cluster.api.most_jobs = 0

    cluster.submit()

    assert "exceeded quota: small" in cluster.until_seen(Seen.QUEUED, "cannot be submitted now").reason
    cluster.api.most_jobs = None
    assert cluster.ended()["ok"]


# -- what does not start -----------------------------------------------------------------------------


def test_a_quota_of_pods_is_shown_as_the_reason_of_waiting(cluster: Cloud) -> None:
    cluster.api.pods_forbidden = 'pods "mk-0-x" is forbidden: exceeded quota: small, limited: requests.cpu=4'

    cluster.submit()

    assert "FailedCreate: pods" in cluster.until_seen(Seen.QUEUED, "exceeded quota").reason
    cluster.api.pods_forbidden = ""
    assert cluster.ended()["ok"]


def test_a_pod_that_no_node_has_room_for_shows_the_words_of_the_scheduler(cluster: Cloud) -> None:
    cluster.api.unschedulable = "0/3 nodes are available: 3 Insufficient memory."

    cluster.submit()

    cluster.until_seen(Seen.QUEUED, "Unschedulable: 0/3 nodes are available: 3 Insufficient memory.")
    cluster.api.unschedulable = ""
    assert cluster.ended()["ok"]


@pytest.mark.parametrize(
    ("unschedulable", "mount_fault", "words"),
    [
        ('persistentvolumeclaim "shared" not found', "", 'claim "shared" not found'),
        (
            "",
            'MountVolume.SetUp failed: secret "nfs" not found',
            'FailedMount: MountVolume.SetUp failed: secret "nfs"',
        ),
    ],
)
def test_a_volume_that_is_not_there_holds_a_job(
    cluster: Cloud, unschedulable: str, mount_fault: str, words: str
) -> None:
    cluster.api.unschedulable, cluster.api.mount_fault = unschedulable, mount_fault

    cluster.submit()

    cluster.until_seen(Seen.HELD, words)


def test_an_image_that_cannot_be_pulled_holds_a_job_until_it_can(cluster: Cloud) -> None:
    cluster.api.missing_images = {"python:3"}

    cluster.submit()

    cluster.until_seen(Seen.HELD, 'ImagePullBackOff: Back-off pulling image "python:3"')
    cluster.api.missing_images = set()
    assert cluster.ended()["ok"]


def test_an_image_that_aws_batch_cannot_pull_ends_a_job(region: Cloud) -> None:
    region.api.unpullable = "CannotPullContainerError: pull access denied for markab"

    region.submit()
    error = region.ended()["error"]

    assert error["kind"] == "container" and "pull access denied" in error["message"]


def test_a_job_that_can_never_start_is_held_with_the_words_of_aws_batch(region: Cloud) -> None:
    region.api.stuck = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job is larger than any machine."

    region.submit()

    region.until_seen(Seen.HELD, "larger than any machine")


# -- what is lost ------------------------------------------------------------------------------------


def test_a_machine_that_is_taken_away_loses_its_attempt(cloud: Cloud) -> None:
    cloud.submit(cloud.attempt("sleep 60"))
    cloud.until_seen(Seen.RUNNING)

    cloud.api.evict() if cloud.name == "kubernetes" else cloud.api.reclaim()

    report = cloud.until_seen(Seen.LOST)
    assert ("low on resource" if cloud.name == "kubernetes" else "i-0fake") in report.reason


def test_a_job_that_the_cloud_forgets_is_lost_and_without_effect(cloud: Cloud) -> None:
    go = cloud.top / "go"
    cloud.submit(cloud.attempt(f"until [ -e {go} ]; do sleep 0.02; done; echo > made", outputs=["made"]))
    cloud.until_seen(Seen.RUNNING)

    cloud.api.lose_jobs()
    (container,) = cloud.api.orphans
    container.process.send_signal(signal.SIGSTOP)  # a node that does not answer
    assert "does not know it any more" in cloud.until_seen(Seen.LOST).reason
    container.process.send_signal(signal.SIGCONT)
    go.touch()

    wait_until(lambda: container.state == "ended", what="the end of the worker")
    assert not (cloud.top / "scratch" / "made").exists()


def test_an_api_that_fails_for_a_while_ends_no_attempt(cloud: Cloud) -> None:
    go = cloud.top / "go"
    cloud.submit(cloud.attempt(f"until [ -e {go} ]; do sleep 0.02; done"))
    cloud.until_seen(Seen.RUNNING)
    kinds = ["list jobs"] if cloud.name == "kubernetes" else ["describejobs"]
    for kind in kinds:
        cloud.api.fail(kind, *[BROKEN[cloud.name]] * 5)

    cloud.until(lambda: not cloud.api.faults[kinds[0]])
    go.touch()

    assert cloud.ended()["ok"]


def test_an_engine_that_continues_finds_its_job_by_name(cloud: Cloud) -> None:
    go = cloud.top / "go"
    attempt = cloud.attempt(f"echo > {cloud.top}/up; until [ -e {go} ]; do sleep 0.02; done")
    cloud.submit(attempt)
    wait_until((cloud.top / "up").exists)
    cloud.executor.close()
    for path in (cloud.top / "scratch").glob(".*/*/submitted"):
        path.unlink()  # the answer came too late
    cloud.make()
    cloud.reports.clear()

    (report,) = cloud.executor.recover([attempt])
    go.touch()

    assert report.seen is Seen.RUNNING
    assert cloud.ended()["ok"]
    assert len(cloud.api.created) == 1


# -- what is cancelled -------------------------------------------------------------------------------


def test_one_of_several_elements_is_cancelled_and_the_others_go_on(cloud: Cloud) -> None:
    go = cloud.top / "go"
    attempts = [cloud.attempt(f"until [ -e {go} ]; do sleep 0.02; done", job) for job in (1, 2, 3)]
    cloud.submit(*attempts)
    for job in (1, 2, 3):
        cloud.until_seen(Seen.RUNNING, job=job)

    cloud.executor.cancel([attempts[1].id])
    assert cloud.ended(2)["error"]["kind"] == "cancelled"
    go.touch()

    assert cloud.ended(1)["ok"] and cloud.ended(3)["ok"]


def test_a_job_of_which_nothing_is_needed_is_removed_as_a_whole(cloud: Cloud) -> None:
    attempts = [cloud.attempt("sleep 60", job) for job in (1, 2, 3)]
    cloud.submit(*attempts)
    for job in (1, 2, 3):
        cloud.until_seen(Seen.RUNNING, job=job)

    cloud.executor.cancel([one.id for one in attempts])

    for job in (1, 2, 3):
        assert cloud.ended(job)["error"]["kind"] == "cancelled"
    if cloud.name == "kubernetes":
        cloud.until(lambda: cloud.api.count("delete jobs") == 1)
        assert cloud.api.count("delete pods") == 0
    else:
        cloud.until(lambda: cloud.api.count("terminatejob") == 1)


def test_a_cancellation_that_the_api_does_not_take_is_repeated(cloud: Cloud) -> None:
    cloud.submit(cloud.attempt("sleep 60"))
    cloud.until_seen(Seen.RUNNING)
    kind = "delete jobs" if cloud.name == "kubernetes" else "terminatejob"
    cloud.api.fail(kind, BROKEN[cloud.name], BUSY[cloud.name])

    cloud.executor.cancel([cloud.attempt().id])

    assert cloud.ended()["error"]["kind"] == "cancelled"
    cloud.until(lambda: cloud.api.count(kind) >= 3)


def test_a_container_without_the_scratch_directory_says_what_may_be_wrong(cloud: Cloud) -> None:
    """It is as if another volume were mounted: the script is not there."""
    if cloud.name == "kubernetes":
        cloud.api.unschedulable = "later"
    else:
        cloud.api.stuck = "later"
    cloud.submit()
    cloud.until(lambda: bool(cloud.api.containers))
    for path in (cloud.top / "scratch").glob(".*/*/script"):
        path.unlink()
    cloud.api.unschedulable = cloud.api.stuck = ""

    error = cloud.ended()["error"]

    assert error["kind"] == "container" and "is the scratch directory mounted there" in error["message"]


def test_many_batches_are_listed_at_once(cluster: Cloud) -> None:
    attempts = [
        cluster.attempt("true", job, kubernetes__account=f"a{job}") for job in range(1, MOST_NAMES + 12)
    ]

    cluster.submit(*attempts)

    assert all(cluster.ended(one.id.job)["ok"] for one in attempts)
    assert len(cluster.api.created) == len(attempts)


def test_a_listing_of_many_batches_asks_for_all_jobs_of_markab(cluster: Cloud) -> None:
    jobs = [SubmittedJob(BatchJob(f"mk-{n}", 1, "/v/run", "/v/out"), []) for n in range(MOST_NAMES + 1)]

    KubernetesCluster().listing(jobs)

    asked = {call.query["labelSelector"] for call in cluster.api.calls}
    assert asked == {"app.kubernetes.io/managed-by=markab"}
