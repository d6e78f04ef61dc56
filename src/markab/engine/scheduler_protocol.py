"""The interface of a scheduler, as the loop uses it.

`scheduler.py` decides for all runs of one engine. Another scheduler (of agents
that share the decisions) needs only to meet the same contract.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from markab.engine.scratch_space import ScratchSpace
from markab.engine.slots import Slots
from markab.engine.waiting_reason import WaitingReason
from markab.executors.attempt_id import AttemptId
from markab.journal.lifecycle import State
from markab.plan.plan_file import JobOutline


class Verdict(Enum):
    """What happens to a job whose attempt ended."""

    DONE = "done"
    RETRY = "retry"
    GIVE_UP = "give-up"
    INCOMPLETE = "incomplete"  # it did what can be done without jobs that failed
    RETURNED = "returned"  # it may be tried again, and the attempt that ended does not count


class Decision(NamedTuple):
    """A verdict, and the seconds until `pause_over` must be called for the job (0: not at all)."""

    verdict: Verdict
    pause_s: float = 0.0


class SchedulerProtocol(Protocol):
    """Decides which attempts start. Events in, decisions out; one thread makes all calls.

    Slots, throttles, the number of jobs at once and the order of starts are shared by all
    runs. State, attempts, retries, stopping and finishing belong to each run. The same
    calls in the same order give the same decisions.

    A run, job or attempt that the scheduler does not have, and an event that the state of
    the job does not allow, raise IllegalTransition: a bug, never the user's error.
    """

    def add(
        self,
        run: str,
        outline: Sequence[JobOutline],
        *,
        limits: Mapping[str, int] | None = None,
        max_jobs: int | None = None,
        max_idle: int | None = None,
        succeeded: Sequence[int] | None = None,
        attempts: Sequence[int] | None = None,
        under_way: Collection[int] = (),
        remote_sites: Collection[str] = (),
        keep_going: bool = True,
        space: ScratchSpace | None = None,
        name_of: Callable[[int], str] | None = None,
    ) -> list[str]:
        """Add the jobs of a run; others may be running already.

        Args:
            run: its uuid; no other run here has it.
            outline: the jobs, parents before children.
            limits: category → how many of its jobs may run at once; below 1: no limit.
                A category is one throttle for all runs, with the smallest limit that any gave.
            max_jobs: how many jobs of all runs may run at once; None or below 1: no limit.
                The smallest that any run gave holds.
            max_idle: how many attempts of all runs may wait in the queues of their sites; as `max_jobs`.
            succeeded: 1 at the position of every job that need not run again.
            attempts: attempts already made, by position.
            under_way: positions of jobs of which an executor may have an attempt, the last one made.
            remote_sites: sites that have slots of their own; their jobs take none of these.
            keep_going: continue with what does not depend on a job that failed.
            space: holds jobs back for which there is no room in scratch. What happens to files is reported to
                it, not to the scheduler; when it is stuck, the run is finished.
            name_of: position → name of the job in an error.

        Returns:
            Ids of the jobs that need more cores or memory than there is, and get all there is.

        Raises:
            JobRejected: a job needs more GPUs than there are; nothing was added.
            CorruptPlan: a parent does not precede its child; nothing was added.
        """
        ...

    def starts(self, most: int) -> list[AttemptId]:
        """Return up to `most` attempts that start now; from here on they are alive and have their slots."""
        ...

    def seen_queued(self, attempt: AttemptId) -> None:
        """Record that an attempt waits in the queue of its site, perhaps after it ran or was held."""
        ...

    def seen_running(self, attempt: AttemptId) -> None:
        """Record that an attempt runs."""
        ...

    def seen_held(self, attempt: AttemptId, reason: str) -> None:
        """Record that its site holds an attempt and does not run it, until another state is reported."""
        ...

    def ended(
        self,
        attempt: AttemptId,
        ok: bool,
        *,
        worth_retrying: bool = True,
        incomplete: bool = False,
        served: Collection[int] = (),
        memory_mb: int = 0,
    ) -> Decision:
        """Decide what follows the end of an attempt.

        `memory_mb` is what the job asks for from now on; 0: as before.

        `incomplete`: it did all that can be done without `failed_parents`.

        `served` are children that have all they need of the job although this attempt failed: they
        wait for it no longer, the divisible ones once it is given up.

        While the attempts of a run are being cancelled, one that did not succeed was no failure of its job.
        Neither was that of an attempt that an earlier engine started, if in this call parents of the job
        have to run again: the job waits for them, and is tried again.
        """
        ...

    def returned(self, attempt: AttemptId) -> Decision:
        """Take back an attempt that ended through no fault of its job: cancelled, or lost with an engine."""
        ...

    def pause_over(self, run: str, job: int) -> None:
        """Make a job whose last attempt failed ready to start again."""
        ...

    def halt(self, run: str) -> None:
        """Start nothing new of a run; what runs may end by itself."""
        ...

    def remove(self, run: str) -> list[AttemptId]:
        """Start nothing new of a run, and return its attempts to cancel."""
        ...

    def forget(self, run: str) -> None:
        """Drop a run that is finished. Raises ValueError when it is not."""
        ...

    slots: Slots
    """What the jobs on this machine share."""

    @property
    def alive(self) -> int:
        """How many attempts of all runs executors have."""
        ...

    def is_finished(self, run: str) -> bool:
        """No attempt of the run is alive, and none will ever start."""
        ...

    def counts(self, run: str) -> Sequence[int]:
        """Return the number of jobs of a run by state."""
        ...

    def states(self, run: str) -> bytes:
        """Return the state of every job of a run, one byte each."""
        ...

    def state(self, run: str, job: int) -> State:
        """Return the state of a job."""
        ...

    def why_waiting(self, run: str, job: int) -> WaitingReason | None:
        """Return what a job waits for; None: it runs, or is over."""
        ...

    def unfinished_parents(self, run: str, job: int) -> list[int]:
        """Return the parents that a job waits for. Takes time proportional to all parents in the run."""
        ...

    def children(self, run: str, job: int) -> Sequence[int]:
        """Return the jobs of which a job is a parent."""
        ...

    def failed_parents(self, run: str) -> Mapping[int, Sequence[int]]:
        """Return, by divisible job, its parents that failed or were skipped; what is returned stays current.

        Such a job starts without them, and does not succeed in this call.
        """
        ...
