"""What AWS Batch says of a job or of an element of an array, as the queue of a batch system has it. Pure.

Source: AWS Batch API reference, JobDetail and JobSummary; user guide, "Job states" and "Jobs stuck in a RUNNABLE status".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from markab.executors.base import Seen
from markab.executors.remote.batch_service import NOT_STARTED, SHELL_FAILURES
from markab.executors.remote.batch_system import QueueEntry
from markab.executors.remote.batch_systems.spelling import one_line
from markab.transfers.error_kinds import ErrorKind

STATUSES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
CANCELLED = "cancelled by Markab"
"""What is given as the reason when a job is ended from here."""

_SEEN = {
    "SUBMITTED": Seen.QUEUED,
    "PENDING": Seen.QUEUED,
    "RUNNABLE": Seen.QUEUED,
    "STARTING": Seen.QUEUED,
    "RUNNING": Seen.RUNNING,
    "SUCCEEDED": Seen.ENDED,
    "FAILED": Seen.ENDED,
}

_OF_IMAGE = "correct the image of the job definition, or let its execution role pull it"

_ENDS = (
    (re.compile(re.escape(CANCELLED)), ErrorKind.CANCELLED),
    (re.compile(r"OutOfMemory", re.IGNORECASE), ErrorKind.MEMORY),
    (re.compile(r"exceeded timeout|attempt duration", re.IGNORECASE), ErrorKind.TIMEOUT),
    (re.compile(r"Host EC2|Spot|host .*terminated|instance .*terminated", re.IGNORECASE), ErrorKind.LOST),
    (re.compile(r"CannotPull|CannotStart|CannotCreate|ContainerRuntime", re.IGNORECASE), ErrorKind.CONTAINER),
    (re.compile(r"ResourceInitializationError|EFS|mount", re.IGNORECASE), ErrorKind.STORAGE),
)
"""Words of AWS Batch or of its containers → kind of error, first match first."""


def entry_of(name: str, job: Mapping[str, Any]) -> QueueEntry | None:
    """Return what a job is seen as; None: it has a state that is not known."""
    status = str(job.get("status", ""))
    seen = _SEEN.get(status)
    container = job.get("container") or {}
    why = ": ".join(str(text) for text in (job.get("statusReason"), container.get("reason")) if text)
    if seen is None:
        return None
    if seen is Seen.QUEUED:
        # It says so of a job that can never start until somebody changes the job or the compute environment.
        is_held = "MISCONFIGURATION" in why
        words = why or (status if status == "STARTING" else "")
        return QueueEntry(name, Seen.HELD if is_held else seen, one_line(words))
    if status != "FAILED":
        return QueueEntry(name, seen)
    code = container.get("exitCode")
    text = one_line(f"FAILED: {why}" + (f", exit code {code}" if code else ""))
    for pattern, kind in _ENDS:
        if pattern.search(why):
            text += f"; {_OF_IMAGE}" if "CannotPull" in why else ""
            return QueueEntry(name, seen, text, "", kind)
    if code in SHELL_FAILURES:
        return QueueEntry(name, seen, f"{text}; {NOT_STARTED}", "", ErrorKind.CONTAINER)
    number = code if isinstance(code, int) else 0
    return QueueEntry(name, seen, text, "", ErrorKind.SIGNAL if number > 128 else ErrorKind.EXIT)
