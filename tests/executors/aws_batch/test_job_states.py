"""What AWS Batch says of jobs, as the queue of a batch system has it; and what it is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from markab.executors.aws_batch.job_request import request_for
from markab.executors.aws_batch.job_states import CANCELLED, STATUSES, entry_of
from markab.executors.aws_batch.region import AwsBatchRegion
from markab.executors.base import Seen
from markab.executors.remote.batch_service import NoAnswer, SubmittedJob
from markab.executors.remote.batch_system import BatchJob
from markab.transfers.error_kinds import ErrorKind


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_is_known(status: str) -> None:
    assert entry_of("mk-1", {"status": status}) is not None


def test_a_status_that_is_not_known_is_passed_over() -> None:
    assert entry_of("mk-1", {"status": "DREAMING"}) is None and entry_of("mk-1", {}) is None


@pytest.mark.parametrize(
    ("why", "reason", "code", "kind"),
    [
        ("Essential container in task exited", "", 3, ErrorKind.EXIT),
        ("Essential container in task exited", "", 127, ErrorKind.CONTAINER),
        ("Essential container in task exited", "", 139, ErrorKind.SIGNAL),
        (
            "Essential container in task exited",
            "OutOfMemoryError: Container killed due to memory usage",
            137,
            ErrorKind.MEMORY,
        ),
        ("Job attempt duration exceeded timeout", "", 137, ErrorKind.TIMEOUT),
        ("Host EC2 (instance i-0c) terminated.", "", None, ErrorKind.LOST),
        ("Task failed to start", "CannotPullContainerError: pull access denied", None, ErrorKind.CONTAINER),
        ("ResourceInitializationError: failed to invoke EFS utils commands", "", None, ErrorKind.STORAGE),
        (CANCELLED, "", 143, ErrorKind.CANCELLED),
    ],
)
def test_an_end_has_a_kind_and_the_words_of_the_service(
    why: str, reason: str, code: int | None, kind: str
) -> None:
    container = {"reason": reason} | ({} if code is None else {"exitCode": code})

    entry = entry_of("mk-1", {"status": "FAILED", "statusReason": why, "container": container})

    assert entry is not None and entry.seen is Seen.ENDED and entry.kind == kind
    assert why in entry.reason and reason in entry.reason


@pytest.mark.parametrize(
    ("why", "seen"),
    [
        ("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT", Seen.HELD),
        ("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY", Seen.QUEUED),
    ],
)
def test_a_job_that_cannot_start_until_somebody_acts_is_held(why: str, seen: Seen) -> None:
    entry = entry_of("mk-1", {"status": "RUNNABLE", "statusReason": why})

    assert entry is not None and (entry.seen, entry.reason) == (seen, why)


def test_an_array_has_at_least_two_and_a_limit_at_least_a_minute() -> None:
    one = request_for(BatchJob("mk-1", 1, "/v/run", "/v/out", runtime_s=5))
    five = request_for(BatchJob("mk-1", 5, "/v/run", "/v/out", memory_mb=64, gpus=1))

    assert "arrayProperties" not in one and one["timeout"] == {"attemptDurationSeconds": 60}
    assert five["arrayProperties"] == {"size": 5} and "timeout" not in five
    assert [entry["type"] for entry in five["containerOverrides"]["resourceRequirements"]] == [
        "VCPU",
        "MEMORY",
        "GPU",
    ]


class Odd:
    """A client that answers what no service would."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def describe_jobs(self, **_: Any) -> Any:
        return self.answer

    def close(self) -> None:
        pass


@pytest.mark.parametrize("answer", [{"jobs": [{}]}, {"jobs": [7]}, {"jobs": [{"jobId": "other"}]}])
def test_an_answer_that_cannot_be_read_is_none(answer: Any) -> None:
    region = AwsBatchRegion(make_client=lambda: Odd(answer))

    with pytest.raises(NoAnswer, match="cannot be read"):
        region.listing([SubmittedJob(BatchJob("mk-1", 1, "/v/run", "/v/out"), ["id"])])


def test_without_a_region_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")

    answer = AwsBatchRegion().submit(BatchJob("mk-1", 1, "/v/run", "/v/out"))

    assert "region" in answer.words and "pegasus.aws.region" in answer.hint and not answer.is_busy
