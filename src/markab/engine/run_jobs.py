"""The jobs of one run as flat arrays: state, attempts, and how many parents each still waits for.

About 40 bytes a job, and 4 for each parent, so a million jobs fit; the outline
they are built from is not kept.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import accumulate

from markab.engine.scratch_space import ScratchSpace
from markab.errors import CorruptPlan, IllegalTransition
from markab.executors.attempt_id import AttemptId
from markab.journal.lifecycle import ALIVE, TRANSITIONS, WITHOUT_SUCCESS, Event, State
from markab.plan.divisible_job import has_nothing_to_do, is_divisible
from markab.plan.model import Kind
from markab.plan.plan_file import JobOutline

RecentEvents = deque[tuple[str, int, Event]]
"""The last events of all runs: (run, job, what happened)."""


_INT32 = (1 << 31) - 1


class RunJobs:
    """The jobs of one run, without slots and order of starts."""

    __slots__ = (
        "attempts",
        "cancelling",
        "children",
        "counts",
        "directories",
        "early",
        "failed_parents",
        "failures",
        "first_child",
        "group",
        "held",
        "id",
        "keep_going",
        "makers_left",
        "name_of",
        "order",
        "parents_left",
        "priority",
        "recent",
        "retries",
        "served",
        "space",
        "state",
        "stopped",
    )

    def __init__(
        self,
        id: str,
        order: int,
        outline: Sequence[JobOutline],
        done: Sequence[int],
        attempts: Sequence[int] | None,
        recent: RecentEvents,
        name_of: Callable[[int], str] | None = None,
    ) -> None:
        """Store the jobs, all of them WAITING; `done` has 1 for each whose children need not wait for it.

        Raises:
            CorruptPlan: a parent does not precede its child.
        """
        count = len(outline)
        self.id = id
        self.order = order
        """How many runs were added before."""
        self.name_of = name_of or "job at position {}".format
        self.recent = recent
        self.state = bytearray(count)
        self.counts = [0] * len(State)
        self.counts[State.WAITING] = count
        self.attempts = array("i", bytes(4 * count) if attempts is None else attempts)
        self.failures = array("i", bytes(4 * count))
        self.retries = array("i", (max(0, min(job.retries, _INT32)) for job in outline))
        self.priority = array("i", (max(-_INT32, min(job.priority, _INT32)) for job in outline))
        self.held: dict[int, str] = {}
        """Jobs of which the site holds the attempt → its reason."""
        self.keep_going = True
        self.space: ScratchSpace | None = None
        """Holds jobs back for which there is no room. None: scratch has no bound."""
        self.stopped = False
        """Nothing new will be started: halted, removed, or a job failed and `keep_going` is off."""
        self.cancelling = False
        self.directories = frozenset(p for p, job in enumerate(outline) if job.kind is Kind.CREATE_DIR)
        """The jobs without which no other can do anything."""
        self.served: dict[int, set[int]] = {}
        """Job of which an attempt failed → the children that all the same have all they need of it."""
        self.failed_parents: dict[int, list[int]] = {}
        """Divisible job → its parents that failed or were skipped: it does what it can without them."""
        self.early: set[int] = set()
        """Jobs whose attempt was found under way, though in this call their parents are not done."""
        self._link(outline, done)
        self.group = array("i", bytes(4 * count))
        """Index of the group in which each job waits when it is ready."""

    @property
    def alive(self) -> int:
        """How many attempts an executor has."""
        return self.counts[State.QUEUED] + self.counts[State.RUNNING]

    @property
    def is_finished(self) -> bool:
        """No attempt is alive, and none will ever start."""
        counts = self.counts
        return not self.alive and (self.stopped or not (counts[State.READY] or counts[State.PAUSED]))

    def attempt(self, job: int) -> AttemptId:
        """Return the last attempt made of a job (number 0: none)."""
        return AttemptId(self.id, job, self.attempts[job])

    def move(self, job: int, event: Event) -> None:
        """Take a job to the state that follows.

        Raises:
            IllegalTransition: there is none; a bug.
        """
        before = self.state[job]
        try:
            after = TRANSITIONS[before, event]  # type: ignore[index]  # an int equals its State, and hashes alike
        except KeyError:
            raise self.illegal(job, f"{event.name.lower()!r}") from None
        self.state[job] = after
        self.counts[before] -= 1
        self.counts[after] += 1
        self.recent.append((self.id, job, event))

    def illegal(self, job: int, event: str) -> IllegalTransition:
        """Return an error with the history of a job: its state, and its last events."""
        last = [one.name.lower() for run, other, one in self.recent if (run, other) == (self.id, job)]
        return IllegalTransition(
            f"{self.name_of(job)} (position {job} of run {self.id!r}) is {State(self.state[job]).name.lower()} "
            f"after attempt {self.attempts[job]} with {self.failures[job]} failures: {event} cannot happen; "
            f"its last events: {', '.join(last) or 'none remembered'}"
        )

    def children_of(self, job: int) -> array[int]:
        """Return the positions of the jobs that wait for a job."""
        return self.children[self.first_child[job] : self.first_child[job + 1]]

    def unfinished_parents(self, job: int) -> list[int]:
        """Return the parents that a job waits for: a search through all children."""
        return [parent for parent in self._parents(job) if not self._is_done_for(parent, job)]

    def succeed(self, job: int) -> list[int]:
        """Take a job that succeeded off what its children wait for; return those that have become ready."""
        served = self.served.get(job, ()) if self.served else ()
        left, state, ready = self.parents_left, self.state, []
        for child in self.children_of(job):
            if served and child in served:
                continue
            left[child] -= 1
            if not left[child] and state[child] == State.WAITING:
                self.move(child, Event.PARENTS_DONE)
                ready.append(child)
        return ready

    def serve(self, job: int, children: Collection[int], *, divisible: bool) -> list[int]:
        """Take a job of which an attempt failed off what children wait for that have all they need of it.

        Of `children`, only those that are divisible are taken, or only the others; return those that
        have become ready. May be called again.
        """
        ready = []
        for child in self.children_of(job) if children else ():
            if child in children and bool(self.makers_left[child]) == divisible:
                served = self.served.setdefault(job, set())
                if child not in served:
                    served.add(child)
                    self.parents_left[child] -= 1
                    if not self.parents_left[child] and self.state[child] == State.WAITING:
                        self.move(child, Event.PARENTS_DONE)
                        ready.append(child)
        return ready

    def fail(self, job: int) -> list[int]:
        """Skip what can do nothing without a job that failed; return the divisible jobs that have become ready."""
        ready = []
        stack = [job]
        while stack:
            parent = stack.pop()
            served = self.served.get(parent, ())
            for child in self.children_of(parent):
                if self._does_without(parent, child, child in served):
                    if self.state[child] == State.WAITING and not self.parents_left[child]:
                        self.move(child, Event.PARENTS_DONE)
                        ready.append(child)
                elif self.state[child] == State.WAITING:
                    self.move(child, Event.PARENT_FAILED)
                    if self.space is not None:
                        self.space.skip(child)
                    stack.append(child)
        return ready

    def is_untimely(self, job: int) -> bool:
        """Return whether an attempt of an earlier call is under way, and the job could not start in this one."""
        return job in self.early and (self.parents_left[job] > 0 or self.is_lost(job))

    def is_lost(self, job: int) -> bool:
        """Return whether failed parents leave nothing that a job can do: a search through all children."""
        failed = [
            parent
            for parent in self._parents(job)
            if self.state[parent] in WITHOUT_SUCCESS and job not in self.served.get(parent, ())
        ]
        parents = self._parents(job) if failed and self.makers_left[job] else ()
        makers = sum(parent not in self.directories for parent in parents)
        lacks_directory = not self.directories.isdisjoint(failed)
        return has_nothing_to_do(makers, len(failed), lacks_directory=lacks_directory)

    def validate(self) -> None:
        """Check what must always hold; for tests.

        Raises:
            AssertionError: it does not hold.
        """
        state = self.state
        assert self.counts == [state.count(one) for one in State], f"counts of run {self.id!r} are wrong"
        left = [0] * len(state)
        for job in range(len(state)):
            for child in self.children_of(job):
                left[child] += not self._is_done_for(job, child)
        assert list(self.parents_left) == left, f"unfinished parents of run {self.id!r} are wrong"
        for job, one in enumerate(state):
            if one in (State.WAITING, State.SKIPPED):
                assert left[job] or one == State.SKIPPED, f"{self.name_of(job)} waits for no parent"
                assert self.is_lost(job) == (one == State.SKIPPED), (
                    f"{self.name_of(job)} has a failed parent that it cannot do without, or none"
                )
            elif one != State.SUCCEEDED and job not in self.early:
                assert not left[job], f"{self.name_of(job)} is {State(one).name} before its parents succeeded"
                assert not self.is_lost(job), (
                    f"{self.name_of(job)} is {State(one).name}, and has nothing to do"
                )
        assert all(state[job] in ALIVE for job in self.held), "what is held is alive"
        done_in_part = {job for job, one in enumerate(state) if one == State.INCOMPLETE}
        assert done_in_part <= self.failed_parents.keys(), "what is incomplete lacks a parent"

    def _link(self, outline: Sequence[JobOutline], done: Sequence[int]) -> None:
        """Store the children of all jobs in one array, and count the parents each still waits for."""
        count = len(outline)
        sizes = array("i", bytes(4 * (count + 1)))
        for position, job in enumerate(outline):
            for parent in job.parents:
                if not 0 <= parent < position:
                    raise CorruptPlan(
                        f"job {job.id!r} at position {position} names job {parent} as a parent: not above it",
                        hint="plan the workflow again",
                    )
                sizes[parent + 1] += 1
        self.first_child = array("i", accumulate(sizes))
        self.children = array("i", bytes(4 * self.first_child[count]))
        self.parents_left = array("i", bytes(4 * count))
        self.makers_left = array("i", bytes(4 * count))
        """Of divisible jobs, how many parents have not failed (the last is not counted off); 0: it needs all of them."""
        place = self.first_child[:]
        for position, job in enumerate(outline):
            left = 0
            for parent in job.parents:
                self.children[place[parent]] = position
                place[parent] += 1
                left += not done[parent]
            self.parents_left[position] = left
            if is_divisible(job.kind, job.removes_scratch):
                self.makers_left[position] = sum(parent not in self.directories for parent in job.parents)

    def _does_without(self, parent: int, child: int, is_served: bool) -> bool:
        """Count a parent that failed for good; return whether the child still has something to do.

        It is `has_nothing_to_do`, a parent at a time: a search through all children for each would take long.
        """
        if not self.makers_left[child] or parent in self.directories:
            return is_served
        self.failed_parents.setdefault(child, []).append(parent)
        if not is_served:
            self.parents_left[child] -= 1
            if self.makers_left[child] == 1:
                return False
            self.makers_left[child] -= 1
        return True

    def _is_done_for(self, parent: int, child: int) -> bool:
        """Return whether a child need not wait for a parent any more."""
        state = self.state[parent]
        if state == State.SUCCEEDED or child in self.served.get(parent, ()):
            return True
        return state in WITHOUT_SUCCESS and self.makers_left[child] > 0 and parent not in self.directories

    def _parents(self, job: int) -> Iterator[int]:
        at = -1
        while True:
            try:
                at = self.children.index(job, at + 1)
            except ValueError:
                return
            yield bisect_right(self.first_child, at) - 1
