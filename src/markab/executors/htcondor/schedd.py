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


class NotSubmitted(ExecutorUnavailable):
    """The schedd was not reached, did not know who asks, or gave no number: what was to be submitted is not in its queue."""


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
            NotSubmitted: it was not accepted, and may be later.
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


_NOT_BEGUN = (
    "connect",
    "locate",
    "find address",
    "authenticat",
    "authoriz",
    "permission denied",
    "token",
    "cluster id",
    "new cluster",
    "max_jobs",
    "would exceed",
)
"""Words in a refusal that is not for ever: the schedd is not reached, does not know who asks, or is full."""
_UNCLEAR = ("communicat", "timed out", "time out", "proc id", "commit")
"""Words in one after which it may have the jobs nevertheless."""


_UNAVAILABLE_HINT = "`condor_ping -type schedd WRITE` says whether the schedd is reached and knows you: is your token there, and valid?"


def refusal(message: str) -> ExecutorError:
    """Return the error for a submission that failed, by what HTCondor prints of it."""
    text = " ".join(message.split()) or "it gives no reason"
    if any(words in text.lower() for words in _UNCLEAR):
        return ExecutorUnavailable(text, hint=_UNAVAILABLE_HINT)
    if any(words in text.lower() for words in _NOT_BEGUN):
        return NotSubmitted(text, hint=_UNAVAILABLE_HINT)
    return SubmissionRefused(text)
