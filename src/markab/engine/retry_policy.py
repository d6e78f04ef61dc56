"""Whether a failed attempt is retried, and after which pause. Pure."""

from __future__ import annotations

from markab.executors.base import Record
from markab.transfers.error_kinds import ErrorKind

NEVER_RETRY = frozenset(
    {
        ErrorKind.NO_PROGRAM,
        ErrorKind.NOT_EXECUTABLE,
        ErrorKind.ARGUMENTS,
        ErrorKind.MISSING_INPUT,
        ErrorKind.REFUSED,
        ErrorKind.INCOMPLETE,
        ErrorKind.PLANNING,
        ErrorKind.STOPPED,
    }
)
"""Kinds of errors that the next attempt would have again.

The program is missing or may not be run, the command line cannot be split, or a file
is missing that the plan requires, or that no source has or permits to read, or that a
job which failed did not make; a sub-workflow cannot be planned, or was stopped by the user. Nothing between two attempts changes that, so the job
fails at once instead of slowly. When the user has repaired the cause, the next `markab run` gives every job all its retries.
"""

LONGEST_PAUSE_S = 60.0


def error_kind(record: Record | None) -> str:
    """Return the kind of error in a worker's record; "internal" when it has none."""
    error = (record or {}).get("error")
    return str(error.get("kind", ErrorKind.INTERNAL)) if isinstance(error, dict) else ErrorKind.INTERNAL


def is_incomplete(record: Record | None) -> bool:
    """Return whether an attempt did all that can be done without jobs that failed."""
    return error_kind(record) == ErrorKind.INCOMPLETE


def is_worth_retrying(record: Record | None) -> bool:
    """Return whether another attempt could end differently, and the run goes on."""
    return error_kind(record) not in NEVER_RETRY and run_exit_code(record) is None


def run_exit_code(record: Record | None) -> int | None:
    """Return the exit code with which an attempt ends the run; None: it does not end it."""
    code = (record or {}).get("ends_run")
    return code if isinstance(code, int) else None


def pause_s(failures: int) -> float:
    """Return the seconds to wait after the given number of failures of a job in this call of the engine.

    0 after the first: most causes that a retry overcomes last only a moment
    (a cut connection, a failed node). Then 1, 2, 4, … up to 60, for what needs
    time: a full disk, a server that is restarted.
    """
    return 0.0 if failures <= 1 else min(LONGEST_PAUSE_S, 2.0 ** min(failures - 2, 16))
