"""The states of a job during one call of the engine, and their transitions, as a table. No I/O, no clock, no threads.

A failed run is its own rescue: the next call of the engine begins with every job
WAITING again, then restores from the journal which jobs have succeeded and
which attempts are still under way. So FAILED, SKIPPED and INCOMPLETE need no transition out.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType


class State(IntEnum):
    """The state of a job. Small numbers, so that a million of them are a million bytes."""

    WAITING = 0
    """It waits for a parent."""
    READY = 1
    """It waits for no parent any more, and for a free slot."""
    PAUSED = 2
    """The last attempt failed; the next may start when a pause is over."""
    QUEUED = 3
    """An executor has an attempt, and has not reported that it runs."""
    RUNNING = 4
    """The executor reported that it runs, or always starts at once what it is given."""
    SUCCEEDED = 5
    """An attempt succeeded; there will be no other."""
    FAILED = 6
    """It will not be tried again in this call of the engine."""
    SKIPPED = 7
    """It never ran, because of parents that failed."""
    INCOMPLETE = 8
    """It did what can be done without parents that failed."""


class Event(IntEnum):
    """What happens to a job."""

    FOUND_DONE = 0  # according to the journal, it succeeded in an earlier call
    PARENTS_DONE = 1  # each has succeeded, or has all the same done what the job needs of it
    PARENT_FAILED = 2  # without what that parent makes, nothing is left that the job can do
    SUBMITTED = 3
    STARTED = 4
    DONE = 5
    RETRY = 6  # the attempt failed; another may start at once
    RETRY_LATER = 7  # the attempt failed; another may start after a pause
    PAUSE_OVER = 8
    GIVE_UP = 9  # the attempt failed; no retry is left, or none would help
    RETURNED = 10  # the attempt ended through no fault of the job: cancelled, or lost with the engine
    REQUEUED = 11  # the site holds the attempt, or has put it back into its queue
    PART_DONE = 12  # the attempt did what can be done without the parents that failed
    UNTIMELY = 13  # the attempt of an earlier call ended without success, and parents of the job run again in this one


TRANSITIONS: Mapping[tuple[State, Event], State] = MappingProxyType(
    {
        (State.WAITING, Event.FOUND_DONE): State.SUCCEEDED,
        (State.WAITING, Event.PARENTS_DONE): State.READY,
        (State.WAITING, Event.PARENT_FAILED): State.SKIPPED,
        (State.READY, Event.SUBMITTED): State.QUEUED,
        (State.PAUSED, Event.PAUSE_OVER): State.READY,
        (State.QUEUED, Event.STARTED): State.RUNNING,
        # A short job can start and end between two polls, so QUEUED may end directly.
        (State.QUEUED, Event.DONE): State.SUCCEEDED,
        (State.QUEUED, Event.RETRY): State.READY,
        (State.QUEUED, Event.RETRY_LATER): State.PAUSED,
        (State.QUEUED, Event.GIVE_UP): State.FAILED,
        (State.QUEUED, Event.PART_DONE): State.INCOMPLETE,
        (State.QUEUED, Event.RETURNED): State.READY,
        (State.QUEUED, Event.UNTIMELY): State.WAITING,
        (State.RUNNING, Event.REQUEUED): State.QUEUED,
        (State.RUNNING, Event.DONE): State.SUCCEEDED,
        (State.RUNNING, Event.RETRY): State.READY,
        (State.RUNNING, Event.RETRY_LATER): State.PAUSED,
        (State.RUNNING, Event.GIVE_UP): State.FAILED,
        (State.RUNNING, Event.PART_DONE): State.INCOMPLETE,
        (State.RUNNING, Event.RETURNED): State.READY,
        (State.RUNNING, Event.UNTIMELY): State.WAITING,
    }
)

# Written out, not derived from the table: a row lost from the table must fail a
# test, not make its state a final one unnoticed.
FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.SKIPPED, State.INCOMPLETE})

WITHOUT_SUCCESS = frozenset({State.FAILED, State.SKIPPED, State.INCOMPLETE})
"""The final states after which a job is tried again in the next call."""

ALIVE = frozenset({State.QUEUED, State.RUNNING})
"""States in which an executor has an attempt of the job."""
