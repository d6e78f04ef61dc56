"""Whether a failed attempt is retried, and after which pause. Pure."""

from __future__ import annotations

import math
import signal

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

NEAR = 0.8
"""The share of the memory that an attempt was given from which it counts as used up."""
LEAST_MB = 32
"""A peak says nothing of a job that was given less: the system counts the 11 MB of the process that starts the tasks."""
OVER_PEAK, OVER_LAST = 1.1, 1.5
"""How much more memory the next attempt gets: than the last one used, and than it was given."""


def error_kind(record: Record | None) -> str:
    """Return the kind of error in a worker's record; "internal" when it has none."""
    error = (record or {}).get("error")
    return str(error.get("kind", ErrorKind.INTERNAL)) if isinstance(error, dict) else ErrorKind.INTERNAL


def is_incomplete(record: Record | None) -> bool:
    """Return whether an attempt did all that can be done without jobs that failed."""
    return error_kind(record) == ErrorKind.INCOMPLETE


def is_worth_retrying(record: Record | None, *, by_cause: bool = True) -> bool:
    """Return whether another attempt could end differently, and the run goes on.

    Without `by_cause`, only what needs jobs that failed, and what ends the run, is not tried again.
    """
    kind = error_kind(record)
    is_hopeless = kind in NEVER_RETRY if by_cause else kind == ErrorKind.INCOMPLETE
    return not is_hopeless and run_exit_code(record) is None


def lacked_memory(record: Record, given_mb: int) -> bool:
    """Return whether it is proven that an attempt failed for lack of memory, of which it was given so much (0: not said).

    Proven is what the system or the site says, and a SIGKILL of a process that used what it was given. What
    a program writes about memory is no proof, nor is an exit code.
    """
    kind = error_kind(record)
    if kind == ErrorKind.MEMORY:
        return True
    if kind != ErrorKind.SIGNAL or given_mb < LEAST_MB:
        return False
    killed = (one for one in record.get("invocations") or () if one["status"] & 0x7F == signal.SIGKILL)
    return any((one.get("maxrss_kb") or 0) >= NEAR * given_mb * 1024 for one in killed)


def next_memory_mb(record: Record, given_mb: int, most_mb: int) -> int:
    """Return what the next attempt asks for, after one that lacked memory; 0: there is no more than that one had.

    Args:
        given_mb: what it was given; 0: not said.
        most_mb: no job gets more; 0: there is no limit.
    """
    peaks_kb = (one.get("maxrss_kb") or 0 for one in record.get("invocations") or ())
    peak_mb = max(peaks_kb, default=0) / 1024
    most_mb = most_mb or 1 << 30
    wanted_mb = math.ceil(max(OVER_PEAK * peak_mb, OVER_LAST * (given_mb or peak_mb))) or most_mb
    return min(wanted_mb, most_mb) if given_mb < most_mb else 0


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
