"""AWS Batch as its API shows it: a job, or an element of an array, is a process of this machine.

Made from the API reference of AWS Batch, and from no real account.
"""

from __future__ import annotations

import re
import signal
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kit.fake_cloud.api_server import Answer, Call, FakeApi
from kit.fake_cloud.containers import Container

KEY = "AKIAFAKEFAKEFAKEFAKE"
_PAGE = 3
"""So small that every listing has several."""


def refusal(code: int, kind: str, message: str) -> Answer:
    """Return an error as the API words it."""
    return code, {"__type": kind, "message": message}


class FakeAwsBatch(FakeApi):
    """See the module. What a test sets holds for jobs to come."""

    def __init__(self) -> None:
        self.key = KEY
        self.queues = {"main"}
        self.definitions = {"markab:1"}
        self.stuck = ""
        """Why jobs stay RUNNABLE."""
        self.unpullable = ""
        """Why images cannot be pulled."""
        self.jobs: dict[str, dict[str, Any]] = {}
        self.containers: dict[tuple[str, int], Container] = {}
        self.orphans: list[Container] = []
        super().__init__()

    # -- what a test does ------------------------------------------------------------

    def reclaim(self) -> None:
        """Let the machines of all jobs that run be taken away."""
        with self.lock:
            for (native_id, index), container in self.containers.items():
                if container.state == "running":
                    self.jobs[native_id]["why"][index] = "Host EC2 (instance i-0fake) terminated."
                    container.stop("reclaimed", signal.SIGKILL)

    def lose_jobs(self) -> None:
        """Forget all jobs, while the processes go on."""
        with self.lock:
            self.orphans += self.containers.values()
            self.jobs, self.containers = {}, {}

    def statuses(self) -> list[str]:
        """Return the status of every element."""
        with self.lock:
            return [self._status(*key) for key in self.containers]

    # -- the API ---------------------------------------------------------------------

    def kind_of(self, call: Call) -> str:
        """Return the name of the operation, such as `submitjob`."""
        return call.path.rpartition("/")[2]

    def headers_of(self, answer: Answer) -> dict[str, str]:
        """Return the headers of an answer: of an error, with its type."""
        found = super().headers_of(answer)
        if isinstance(answer[1], dict) and "__type" in answer[1]:
            found["x-amzn-ErrorType"] = answer[1]["__type"]
        return found

    def answer(self, kind: str, call: Call) -> Answer:
        """Do what a call asks for."""
        signed = re.match(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/[^/]+/batch/aws4_request, SignedHeaders=.+, Signature=[0-9a-f]{64}$",
            call.headers.get("authorization", ""),
        )
        if signed is None:
            return refusal(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        if signed[1] != self.key:
            return refusal(
                403, "UnrecognizedClientException", "The security token included in the request is invalid."
            )
        self._work()
        operations = {
            "submitjob": self._submit,
            "describejobs": self._describe,
            "listjobs": self._list,
            "terminatejob": self._terminate,
        }
        return operations[kind](call.body)

    def _submit(self, asked: dict[str, Any]) -> Answer:
        queue, definition = asked["jobQueue"], asked["jobDefinition"]
        if queue not in self.queues:
            return refusal(400, "ClientException", f"Job queue {queue} does not exist.")
        if definition not in self.definitions:
            return refusal(400, "ClientException", f"Job definition {definition} does not exist.")
        if not re.fullmatch(r"[A-Za-z0-9][\w-]{0,127}", asked["jobName"]):
            return refusal(400, "ClientException", "Job name should match valid pattern")
        size = (asked.get("arrayProperties") or {}).get("size", 0)
        if size == 1 or size > 10_000:
            return refusal(400, "ClientException", "Array size must be between 2 and 10000")
        limit_s = (asked.get("timeout") or {}).get("attemptDurationSeconds", 0)
        if 0 < limit_s < 60:
            return refusal(400, "ClientException", "Timeout must be at least 60 seconds")
        native_id = str(uuid.uuid4())
        self.jobs[native_id] = {
            "id": native_id,
            "name": asked["jobName"],
            "queue": queue,
            "size": size,
            "why": {},
            "asked": asked,
        }
        for index in range(size or 1):
            environment = {"AWS_BATCH_JOB_ID": native_id}
            if size:
                environment["AWS_BATCH_JOB_ARRAY_INDEX"] = str(index)
            command = asked["containerOverrides"]["command"]
            self.containers[native_id, index] = Container(command, environment, float(limit_s))
        self.created.append(native_id)
        self._work()
        return 200, {"jobId": native_id, "jobName": asked["jobName"], "jobArn": f"arn:{native_id}"}

    def _describe(self, asked: dict[str, Any]) -> Answer:
        if len(asked["jobs"]) > 100:
            return refusal(400, "ClientException", "Too many jobs")
        return 200, {"jobs": [self._detail(self.jobs[one]) for one in asked["jobs"] if one in self.jobs]}

    def _list(self, asked: dict[str, Any]) -> Answer:
        found = []
        if array := asked.get("arrayJobId"):
            wanted = asked.get("jobStatus", "RUNNING")
            size = self.jobs[array]["size"] if array in self.jobs else 0
            found = [
                self._summary(array, index) for index in range(size) if self._status(array, index) == wanted
            ]
        else:
            (of_name,) = asked["filters"]
            assert of_name["name"] == "JOB_NAME"
            found = [
                {"jobId": job["id"], "jobName": job["name"]}
                for job in self.jobs.values()
                if job["queue"] == asked["jobQueue"] and job["name"] in of_name["values"]
            ]
        first = int(asked.get("nextToken") or 0)
        answer: dict[str, Any] = {"jobSummaryList": found[first : first + _PAGE]}
        if first + _PAGE < len(found):
            answer["nextToken"] = str(first + _PAGE)
        return 200, answer

    def _terminate(self, asked: dict[str, Any]) -> Answer:
        native_id, _, index = asked["jobId"].partition(":")
        for key, container in self.containers.items():
            if key[0] == native_id and (not index or key[1] == int(index)) and container.state != "ended":
                self.jobs[native_id]["why"].setdefault(key[1], asked["reason"])
                container.stop("terminated")
        return 200, {}

    # -- the service ------------------------------------------------------------------

    def _work(self) -> None:
        if self.stuck:
            return
        for (native_id, index), container in self.containers.items():
            if container.state == "waiting" and self.unpullable:
                self.jobs[native_id]["why"][index] = "Task failed to start"
                self.jobs[native_id]["container"] = {"reason": self.unpullable}
                container.stop("unpullable")
            elif container.state == "waiting":
                container.start()

    def _status(self, native_id: str, index: int) -> str:
        container = self.containers[native_id, index]
        if container.state == "waiting":
            return "RUNNABLE"
        if container.state == "running":
            return "RUNNING"
        return "FAILED" if container.code or container.ended_by else "SUCCEEDED"

    def _words(self, native_id: str, index: int) -> dict[str, Any]:
        status, container = self._status(native_id, index), self.containers[native_id, index]
        said: dict[str, Any] = {
            "status": status,
            "container": dict(self.jobs[native_id].get("container", {})),
        }
        if status == "RUNNABLE" and self.stuck:
            said["statusReason"] = self.stuck
        if status == "FAILED":
            said["statusReason"] = self.jobs[native_id]["why"].get(
                index,
                "Job attempt duration exceeded timeout"
                if container.ended_by == "deadline"
                else "Essential container in task exited",
            )
            if container.process is not None:
                said["container"]["exitCode"] = container.code
        return said

    def _summary(self, native_id: str, index: int) -> dict[str, Any]:
        return {
            "jobId": f"{native_id}:{index}",
            "jobName": self.jobs[native_id]["name"],
            "arrayProperties": {"index": index},
            **self._words(native_id, index),
        }

    def _detail(self, job: dict[str, Any]) -> dict[str, Any]:
        native_id, size = job["id"], job["size"]
        head = {
            "jobId": native_id,
            "jobName": job["name"],
            "jobQueue": f"arn:{job['queue']}",
            "jobDefinition": job["asked"]["jobDefinition"],
            "startedAt": int(time.time() * 1000),
        }
        if not size:
            return head | self._words(native_id, 0)
        counts = Counter(self._status(native_id, index) for index in range(size))
        status = "PENDING"
        if counts["SUCCEEDED"] + counts["FAILED"] == size:
            status = "FAILED" if counts["FAILED"] else "SUCCEEDED"
        return head | {"status": status, "arrayProperties": {"size": size, "statusSummary": dict(counts)}}

    def close(self) -> None:
        """Stop serving, and end all processes."""
        super().close()
        for container in [*self.containers.values(), *self.orphans]:
            container.kill()


@contextmanager
def fake_aws_batch() -> Iterator[FakeAwsBatch]:
    """Yield a service; in the end nothing of it runs."""
    made = FakeAwsBatch()
    try:
        yield made
    finally:
        made.close()


def environment_of(api: FakeAwsBatch) -> dict[str, str]:
    """Return the variables by which `botocore` reaches it, and no account of the user's."""
    return {
        "AWS_ENDPOINT_URL_BATCH": api.url,
        "AWS_ACCESS_KEY_ID": api.key,
        "AWS_SECRET_ACCESS_KEY": "fake",
        "AWS_DEFAULT_REGION": "eu-test-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SESSION_TOKEN": "",
    }
