"""Whether a failed attempt is worth another, and how long to wait before it. Pure."""

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
    }
)
"""Kinds of errors that the next attempt would meet again.

The program is not there or may not be run, the command line cannot be split, a
file that the plan promises is not there, or no source has it or gives it: nothing between two attempts changes
that, so the job fails at once instead of failing slowly. A person repairs the
cause, and `markab run` again grants every job its retries anew.
"""

LONGEST_PAUSE_S = 60.0


def error_kind(record: Record | None) -> str:
    """Return the kind of error in a worker's record; "internal" when it says nothing."""
    error = (record or {}).get("error")
    return str(error.get("kind", ErrorKind.INTERNAL)) if isinstance(error, dict) else ErrorKind.INTERNAL


def is_worth_retrying(record: Record | None) -> bool:
    """Say whether another attempt could end differently."""
    return error_kind(record) not in NEVER_RETRY


def pause_s(failures: int) -> float:
    """Return the seconds to wait after the given number of failures of a job in this call of the engine.

    Nothing after the first: most failures that a retry cures are gone at once
    (a cut connection, a node that died). Then 1, 2, 4, … up to 60, for what needs
    time: a full disk, a server that is restarted.
    """
    return 0.0 if failures <= 1 else min(LONGEST_PAUSE_S, 2.0 ** min(failures - 2, 16))
