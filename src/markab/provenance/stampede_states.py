"""The states and exit codes that Pegasus would record for an attempt. Pure.

Every attempt is SUBMIT, EXECUTE, JOB_TERMINATED, and JOB_SUCCESS or JOB_FAILURE. While its site holds it, it is JOB_HELD,
and then JOB_RELEASED.
What Pegasus leaves to the post script of a job (checking its output and its files)
our worker does as part of the attempt. So there are states of a post script only
when the processes succeeded and that check failed. Pegasus' own jobs without a post
script end in the same way, so its tools support it.

An attempt that was cancelled or lost is JOB_ABORTED instead of JOB_TERMINATED. One that did
what can be done without jobs that failed ends with JOB_TERMINATED and has no exit code, so
that Pegasus' tools count its job as neither succeeded nor failed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from markab.journal.attempt_record import AttemptRecord
from markab.transfers.error_kinds import ErrorKind

NOT_STARTED = 127 << 8
"""Raw wait status of a process that could not be started, as in a shell."""
FAILED_AFTERWARDS = 1 << 8
"""Raw wait status of an attempt that failed although no process did."""

_ABORTED = (ErrorKind.CANCELLED, ErrorKind.LOST)

SUBMIT, EXECUTE = "SUBMIT", "EXECUTE"
HELD, RELEASED = "JOB_HELD", "JOB_RELEASED"

_GOOD = (("JOB_TERMINATED", False), ("JOB_SUCCESS", False))
_BAD = (("JOB_TERMINATED", False), ("JOB_FAILURE", True))
_STOPPED = (("JOB_ABORTED", False), ("JOB_FAILURE", True))
_IN_PART = (("JOB_TERMINATED", True),)
_BAD_AFTERWARDS = (
    ("JOB_TERMINATED", False),
    ("JOB_SUCCESS", False),
    ("POST_SCRIPT_STARTED", False),
    ("POST_SCRIPT_TERMINATED", False),
    ("POST_SCRIPT_FAILED", True),
)


def last_states(record: AttemptRecord) -> tuple[tuple[str, bool], ...]:
    """Return the states with which an attempt ends, each with whether the reason belongs to it."""
    if record.ok:
        return _GOOD
    if record.error is not None and record.error.kind in _ABORTED:
        return _STOPPED
    if is_in_part(record):
        return _IN_PART
    invocations = record.invocations
    if invocations and not any(invocation.status for invocation in invocations):
        return _BAD_AFTERWARDS
    return _BAD


def is_in_part(record: AttemptRecord) -> bool:
    """Return whether an attempt did what can be done without jobs that failed: it has no exit code."""
    return record.error is not None and record.error.kind == ErrorKind.INCOMPLETE


def exit_status(record: AttemptRecord) -> int:
    """Return the raw wait status of an attempt: 0 if and only if it succeeded."""
    return 0 if record.ok else failed_status(invocation.status for invocation in record.invocations)


def failed_status(statuses: Iterable[int]) -> int:
    """Return the raw wait status of a failed attempt from those of its processes; -1: one never started."""
    status = next(filter(None, statuses), FAILED_AFTERWARDS)
    return status if status > 0 else NOT_STARTED


def exit_code(status: int) -> int:
    """Return a raw wait status as one number: the exit code, or minus the signal."""
    return os.waitstatus_to_exitcode(status) if status >= 0 else status


def reason(record: AttemptRecord) -> str | None:
    """Return why an attempt failed: "kind: message"."""
    error = record.error
    return f"{error.kind}: {error.message}" if error is not None and not record.ok else None
