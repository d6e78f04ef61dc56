"""The kinds of error that an invocation record knows, and which exception is of which kind.

A kind is for programs: the engine decides by it whether to try again, reports group by it. The values are part of the journal's format.
"""

from typing import Any, Dict

from markab.errors import ChecksumMismatch, MarkabError, StorageError, TransferError, TransferRefused
from markab.transfers.base import Cancelled


class ErrorKind(object):
    """The values that `error.kind` of a record can have."""

    EXIT = "exit"  # the exit code is not 0
    SIGNAL = "signal"  # ended by a signal
    MEMORY = "memory"  # ended by the system, because memory ran out
    NO_PROGRAM = "no-program"  # the program, its interpreter or its loader does not exist
    NOT_EXECUTABLE = "not-executable"
    CONTAINER = "container"  # the container of a task did not start, or its image cannot be loaded
    MISSING_INPUT = "missing-input"
    CHECKSUM = "checksum"  # an input is not what was recorded
    MISSING_OUTPUT = "missing-output"
    INPUT_CHANGED = "input-changed"  # the task changed a shared input in place
    FAILURE_MESSAGE = "failure-message"
    SUCCESS_MESSAGE = "success-message"
    PRE_SCRIPT = "pre-script"  # the script before the tasks failed
    POST_SCRIPT = "post-script"  # the script after the tasks failed
    ENVIRONMENT = "environment"  # its software environment cannot be made
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    TRANSFER = "transfer"  # a file did not arrive; trying again may help
    REFUSED = "refused"  # no source has the file or permits access: trying again will not help
    STORAGE = "storage"  # disk full, not writable
    INCOMPLETE = "incomplete"  # what could be done is done; the rest needs jobs that failed
    ARGUMENTS = "arguments"  # a command line that cannot be split
    LOST = "lost"  # the engine ended unexpectedly, or the site no longer knows the attempt
    HELD = "held"  # the site did not let it run, and it was withdrawn
    PLANNING = "planning"  # a sub-workflow cannot be planned
    SUB_WORKFLOW = "sub-workflow"  # jobs of a sub-workflow failed
    STOPPED = "stopped"  # a sub-workflow was halted or removed
    INTERNAL = "internal"  # an error of Markab


_KINDS = (
    (Cancelled, ErrorKind.CANCELLED),
    (ChecksumMismatch, ErrorKind.CHECKSUM),
    (StorageError, ErrorKind.STORAGE),
    (TransferRefused, ErrorKind.REFUSED),
    (TransferError, ErrorKind.TRANSFER),
)


def kind_of(error: MarkabError) -> str:
    """Return the kind of an error that an operation on files raised."""
    return next((kind for type_, kind in _KINDS if isinstance(error, type_)), ErrorKind.INTERNAL)


def error_entry(kind: str, message: str, hint: str = "") -> Dict[str, Any]:
    """Return an error as records have it."""
    entry = {"kind": kind, "message": message}
    if hint:
        entry["hint"] = hint
    return entry
