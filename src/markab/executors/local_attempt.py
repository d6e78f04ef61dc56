"""One attempt under way on this machine, and what the worker is told of it."""

from __future__ import annotations

import threading

import msgspec

from markab.executors.base import Attempt, RunContext
from markab.executors.capture_files import Pair
from markab.journal.attempt_id import AttemptId
from markab.plan.submit_dir import job_directory
from markab.worker.attempt import Prepared, Spec
from markab.worker.deadlines import Deadlines
from markab.worker.invocation import Process


class AttemptRun:
    """What the executor knows of an attempt. Owned by the executor's thread."""

    __slots__ = (
        "captures",
        "deadlines",
        "fresh",
        "gpus",
        "id",
        "is_chore",
        "number",
        "prepared",
        "process",
        "spec",
        "stop",
    )

    def __init__(self, id_: AttemptId, spec: Spec) -> None:
        self.id = id_
        self.spec = spec
        self.is_chore = spec["job"]["kind"] != "compute"
        self.stop: threading.Event | None = None
        """Ends what threads do for it."""
        self.deadlines: Deadlines | None = None
        self.prepared: Prepared | None = None
        self.process: Process | None = None
        self.number = 0
        """Of the process that was asked for and has not ended; 0: none."""
        self.gpus: list[int] = []
        self.captures: Pair | None = None
        self.fresh = True
        """No process that outlived its task may still write into `captures`."""


def make_spec(attempt: Attempt, context: RunContext, keep_failed: bool) -> Spec:
    """Return what the worker is told of an attempt."""
    return {
        "job": msgspec.to_builtins(attempt.job),
        "attempt": attempt.id.number,
        "scratch": attempt.scratch,
        "work": attempt.work,
        "uuid": context.uuid,
        "workflow": context.workflow,
        "submit_dir": context.submit_dir,
        "directory": job_directory(attempt.id.job),
        "integrity": context.integrity,
        "checksums": attempt.checksums,
        "transfer_threads": context.transfer_threads,
        "transfer_attempts": context.transfer_attempts,
        "catalog": context.catalog,
        "keep_failed": keep_failed,
    }
