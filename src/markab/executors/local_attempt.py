"""One attempt under way on this machine."""

from __future__ import annotations

import threading

from markab.executors.base import Attempt
from markab.executors.capture_files import Pair
from markab.worker.attempt import Prepared
from markab.worker.attempt_spec import Spec
from markab.worker.deadlines import Deadlines
from markab.worker.invocation import Process


class AttemptRun:
    """The state that the executor keeps of an attempt. Owned by the executor's thread."""

    __slots__ = (
        "attempt",
        "captures",
        "deadlines",
        "fresh",
        "gpus",
        "id",
        "is_auxiliary",
        "prepared",
        "processes",
        "spec",
        "stop",
    )

    def __init__(self, attempt: Attempt, spec: Spec) -> None:
        self.attempt = attempt
        self.id = attempt.id
        self.spec = spec
        self.is_auxiliary = spec["job"]["kind"] != "compute"
        self.stop: threading.Event | None = None
        """Set to stop the work of threads for it."""
        self.deadlines: Deadlines | None = None
        self.prepared: Prepared | None = None
        self.processes: dict[int, Process] = {}
        """Number → process, of those that were requested and have not ended."""
        self.gpus: list[int] = []
        self.captures: Pair | None = None
        self.fresh = True
        """No process that outlived its task may still write into `captures`."""
