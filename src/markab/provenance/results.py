"""The results of `queries.py`: plain structs, which msgspec writes as JSON."""

from __future__ import annotations

import msgspec


class Count(msgspec.Struct, frozen=True):
    """Counts of jobs or tasks by how they ended."""

    succeeded: int
    failed: int
    unfinished: int
    """Never started, running, interrupted, or done in part; Pegasus calls it incomplete."""
    retries: int
    """Attempts beyond the first of each."""

    @property
    def total(self) -> int:
        """All of them, each once."""
        return self.succeeded + self.failed + self.unfinished

    @property
    def attempts(self) -> int:
        """Attempts that ended, as Pegasus counts them under "Total+Retries": without those of `unfinished`."""
        return self.succeeded + self.failed + self.retries


class Summary(msgspec.Struct, frozen=True):
    """The summary table of the statistics."""

    tasks: Count
    jobs: Count
    """All but sub-workflows."""
    sub_workflows: Count


def added_summaries(one: Summary, other: Summary) -> Summary:
    """Return the counts of two workflows together."""
    pairs = zip(
        (one.tasks, one.jobs, one.sub_workflows),
        (other.tasks, other.jobs, other.sub_workflows),
        strict=True,
    )
    return Summary(
        *(
            Count(
                a.succeeded + b.succeeded,
                a.failed + b.failed,
                a.unfinished + b.unfinished,
                a.retries + b.retries,
            )
            for a, b in pairs
        )
    )


class WallTimes(msgspec.Struct, frozen=True):
    """The times below that table. "Submit side": from when a job was seen running until it was seen to end."""

    jobs_s: float
    jobs_submit_side_s: float
    bad_jobs_s: float
    """Of the attempts that failed."""
    bad_jobs_submit_side_s: float


class RunState(msgspec.Struct, frozen=True):
    """The state of a run."""

    workflow: str
    started: float | None
    ended: float | None
    """None: it is running, or its engine was killed."""
    status: int | None
    """0: success. None as above."""
    restarts: int
    reason: str | None


class TransformationStats(msgspec.Struct, frozen=True):
    """The invocations of one transformation, all attempts."""

    transformation: str
    kind: str
    """Of their jobs, as the schema calls it: "compute", "stage-in-tx" …"""
    count: int
    succeeded: int
    failed: int
    min_s: float
    max_s: float
    mean_s: float
    total_s: float
    cpu_s: float | None
    max_rss_kb: int | None
    mean_rss_kb: float | None
    mean_cpu: float | None
    """CPU time divided by wall time, on average."""


class Breakdown(msgspec.Struct, frozen=True):
    """The invocations of one transformation that ended the same way, all attempts."""

    transformation: str
    is_well: bool
    count: int
    min_s: float
    max_s: float
    mean_s: float
    total_s: float
    min_rss_kb: int | None
    max_rss_kb: int | None
    mean_rss_kb: float | None
    min_cpu: float | None
    """CPU time divided by wall time."""
    max_cpu: float | None
    mean_cpu: float | None


class JobRow(msgspec.Struct, frozen=True, gc=False):
    """One attempt of a job, or a job that never started."""

    job: str
    kind: str
    transformation: str | None
    site: str | None
    host: str | None
    attempt: int
    """Counted from 1; 0: it never started."""
    is_last: bool
    exitcode: int | None
    submitted: float | None
    executed: float | None
    ended: float | None
    queue_s: float | None
    """From submission until it ran."""
    runtime_s: float | None
    """As seen from the submit side."""
    invocation_s: float | None
    """The sum over its processes."""
    cpu_s: float | None
    max_rss_kb: int | None
    cluster_s: float | None
    """From the first process of a cluster to the end of the last; None: it was not a cluster."""
    process_exitcode: int | None = None
    """The highest raw wait status of its processes."""
    multiplier: int = 1
    """By which Pegasus multiplies its time: the profile `pegasus.cores` of its job."""
    post_s: float | None = None
    """Time of its post script."""
    remote_queue_s: float | None = None
    """In a queue beyond the first: the part of the wait that is not in `queue_s`."""


AttemptTimes = tuple[int, float, float | None, float | None]
"""Of an attempt: position of its job in the plan, and when it was submitted, seen running, ended."""


class HostHour(msgspec.Struct, frozen=True):
    """The processes, or the attempts, that one host started in one hour."""

    host: str
    site: str
    hour: int
    """Epoch second at which the hour begins."""
    count: int
    runtime_s: float


class IntegrityCount(msgspec.Struct, frozen=True):
    """Checksums that were compared or computed."""

    type: str
    """"check" or "compute"."""
    file_type: str
    count: int
    duration_s: float


class TransferTotals(msgspec.Struct, frozen=True):
    """Files and bytes moved by one kind of job."""

    kind: str
    files: int
    bytes: int
    duration_s: float
    """The sum over all files, some of which were moved at the same time."""


class FailedJobRow(msgspec.Struct, frozen=True):
    """A job whose last attempt failed."""

    job: str
    kind: str
    site: str | None
    host: str | None
    attempts: int
    exitcode: int
    error_kind: str
    """As in the worker's record: "exit", "missing-output", …"""
    reason: str
    """"kind: message"."""
    state: str
    """Its last state, such as "JOB_FAILURE" or "POST_SCRIPT_FAILED"."""
    ended: float | None
    work_dir: str | None
    executable: str
    argv: str
    stdout: str
    stderr: str
    stdout_file: str | None
    stderr_file: str | None
    journal_start: int | None
    """Offset in the journal of the record of its end, and its length in bytes."""
    journal_bytes: int | None
