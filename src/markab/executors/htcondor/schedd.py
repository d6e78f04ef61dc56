"""What the executor asks of a schedd, the part of HTCondor that keeps the queue; through bindings or commands alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from markab.errors import ExecutorError, ExecutorUnavailable
from markab.executors.htcondor.event_log import JobId

Ad = Mapping[str, Any]
"""Attributes of a job, as JSON has them."""

ATTRIBUTES = (
    "ClusterId",
    "ProcId",
    "MarkabRun",
    "MarkabJob",
    "MarkabAttempt",
    "JobStatus",
    "HoldReason",
    "HoldReasonCode",
    "HoldReasonSubCode",
    "RemoveReason",
    "ExitCode",
    "ExitBySignal",
    "ExitSignal",
    "LastRejMatchReason",
)

IDLE, RUNNING, REMOVED, COMPLETED, HELD = 1, 2, 3, 4, 5
"""Values of JobStatus."""


class SubmissionRefused(ExecutorError):
    """HTCondor read a submit file and will never accept it."""


class Schedd(Protocol):
    """A queue of jobs. Every call may wait for the network, but not longer than a minute or two.

    Raises:
        ExecutorUnavailable: nothing can be said of what was asked; perhaps it was done.
    """

    def submit(self, path: Path) -> int:
        """Submit a file, and return the number of its cluster; all of its jobs are accepted, or none.

        A schedd elsewhere is sent the files too.

        Raises:
            SubmissionRefused: it will never be accepted.
        """
        ...

    def query(self, constraint: str) -> Sequence[Ad]:
        """Return the jobs in the queue that satisfy an expression."""
        ...

    def history(self, constraint: str) -> Sequence[Ad]:
        """Return those that have left it."""
        ...

    def retrieve(self, constraint: str) -> None:
        """Bring the files of completed jobs back from a schedd elsewhere. May be done again."""
        ...

    def remove(self, constraint: str) -> None:
        """Let jobs be removed; none that satisfies the expression is no error."""
        ...

    def close(self) -> None:
        """Release what it holds. May be called twice."""
        ...


def job_of(ad: Ad) -> JobId:
    """Return which job an ad describes."""
    return JobId(int(ad["ClusterId"]), int(ad["ProcId"]))


def ids_constraint(jobs: Sequence[JobId]) -> str:
    """Return the expression that these jobs satisfy."""
    by_cluster: dict[int, list[int]] = {}
    for cluster, proc in jobs:
        by_cluster.setdefault(cluster, []).append(proc)
    clusters = (
        f"(ClusterId == {cluster} && ({' || '.join(f'ProcId == {proc}' for proc in procs)}))"
        for cluster, procs in by_cluster.items()
    )
    return " || ".join(clusters)


_PASSING = (
    "connect",
    "locate",
    "find address",
    "authenticat",
    "authoriz",
    "permission denied",
    "communicat",
    "timed out",
    "time out",
    "token",
    "cluster id",
    "proc id",
    "new cluster",
    "commit",
    "max_jobs",
    "would exceed",
)
"""Words in a refusal that is not for ever: the schedd is not reached, does not know who asks, or is full."""


def refusal(message: str) -> ExecutorError:
    """Return the error for a submission that failed, by what HTCondor prints of it."""
    text = " ".join(message.split()) or "it gives no reason"
    if any(words in text.lower() for words in _PASSING):
        return ExecutorUnavailable(text, hint="`condor_status -schedd` and `condor_ping WRITE` say more")
    return SubmissionRefused(text)
