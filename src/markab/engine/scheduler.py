"""Which attempts may start: events in, decisions out. No clock, no I/O, no threads.

Per job it keeps a row in flat arrays (about 40 bytes, and 4 for each parent), so
a million jobs fit; the outlines it is built from are not kept. Ready jobs wait
in heaps, one for each combination of category and needs ("group"), so that a
group which may not start costs nothing per job; starting or ending a job is
O(log jobs + groups).

Order: highest priority first, then position in the plan. A job that does not fit
may be passed by lower ones that do, but at most PATIENCE times: then it holds
the resources it lacks until it fits.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from heapq import heapify, heappop, heappush, heapreplace
from itertools import accumulate
from typing import NamedTuple

from markab.engine.retry_policy import pause_s
from markab.engine.slots import Slots
from markab.errors import CorruptPlan, IllegalTransition, JobRejected
from markab.journal.attempt_id import AttemptId
from markab.journal.lifecycle import ALIVE, Event, State, step
from markab.plan.model import Kind
from markab.plan.plan_file import JobOutline

PATIENCE = 100
"""Starts that may pass the first job in line that does not fit."""

CHORES_AT_ONCE = 8
"""Jobs other than compute, without a limited category of their own, that may run at once."""

FEW_SIZES = 256
"""So many different memory needs get a group each; beyond, they are rounded up by at most 1/32."""

_POSITION_BITS = 40
_POSITION = (1 << _POSITION_BITS) - 1
_NO_LIMIT = 1 << 60
_INT32 = (1 << 31) - 1


class Verdict(Enum):
    """What becomes of a job whose attempt ended."""

    DONE = "done"
    RETRY = "retry"
    GIVE_UP = "give-up"
    RETURNED = "returned"  # it may be tried again, and the try that ended does not count


class Decision(NamedTuple):
    """A verdict, and the seconds until `pause_over` must be called for the job (0: not at all)."""

    verdict: Verdict
    pause_s: float = 0.0


class Group(NamedTuple):
    """What ready jobs of one heap have in common."""

    category: int
    """Index of a throttle."""
    cores: int
    memory_mb: int
    gpus: int
    uses: int
    """Bit 0: cores, 1: memory, 2: GPUs."""


class Scheduler:
    """The state of all jobs during one call of the engine, and the decisions about them."""

    def __init__(
        self,
        outline: Sequence[JobOutline],
        slots: Slots,
        limits: Mapping[str, int] | None = None,
        max_jobs: int | None = None,
        *,
        succeeded: Sequence[int] | None = None,
        attempts: Sequence[int] | None = None,
        under_way: Collection[int] = (),
        elsewhere: Collection[str] = (),
        keep_going: bool = True,
    ) -> None:
        """Build it from the plan and what earlier calls of the engine did.

        Args:
            outline: the jobs, parents before children.
            slots: what the jobs on this machine share.
            limits: category → how many of its jobs may run at once; below 1: no limit.
            max_jobs: how many jobs may run at once in all; None or below 1: no limit.
            succeeded: 1 at the position of every job that need not run again.
            attempts: attempts already made, by position.
            under_way: positions of jobs of which an executor may have an attempt, the last one made.
            elsewhere: sites that have slots of their own; their jobs take none of these.
            keep_going: go on with what does not depend on a job that failed.

        Raises:
            JobRejected: a job asks for more GPUs than there are.
            CorruptPlan: a parent does not stand above its child.
        """
        count = len(outline)
        self.slots = slots
        self.clamped: list[str] = []
        """Ids of jobs that ask for more cores or memory than there is, and get all there is."""
        self._keep_going = keep_going
        self._stopped = False
        self._cancelling = False
        self._state = bytearray(count)
        self._counts = [0] * len(State)
        self._counts[State.WAITING] = count
        self._attempts = array("i", bytes(4 * count) if attempts is None else attempts)
        self._failures = array("i", bytes(4 * count))
        self._retries = array("i", (max(0, min(job.retries, _INT32)) for job in outline))
        self._priority = array("i", (max(-_INT32, min(job.priority, _INT32)) for job in outline))
        done = bytearray(count if succeeded is None else succeeded)
        self._link(outline, done)

        self._free = list(slots)
        self._max_jobs = max_jobs if max_jobs is not None and max_jobs > 0 else _NO_LIMIT
        self._limit: list[int] = []
        self._used: list[int] = []
        self._groups: list[Group] = []
        self._heaps: list[list[int]] = []
        self._open: set[int] = set()
        """Groups with a ready job."""
        self._group = array("i", bytes(4 * count))
        self._form_groups(outline, done, limits or {}, frozenset(elsewhere))
        self._first_in_line = 0
        self._passed = 0
        self._begin(done, frozenset(under_way))

    # -- what it knows -----------------------------------------------------------

    @property
    def counts(self) -> Sequence[int]:
        """Number of jobs by state."""
        return self._counts

    @property
    def alive(self) -> int:
        """How many attempts an executor has."""
        return self._counts[State.QUEUED] + self._counts[State.RUNNING]

    @property
    def is_stopped(self) -> bool:
        """Nothing new will be started: halted, removed, or a job failed and `keep_going` is off."""
        return self._stopped

    @property
    def is_finished(self) -> bool:
        """No attempt is alive, and none will ever start."""
        counts = self._counts
        return not self.alive and (self._stopped or not (counts[State.READY] or counts[State.PAUSED]))

    def state(self, job: int) -> State:
        """Return where a job stands."""
        return State(self._state[job])

    def attempt(self, job: int) -> AttemptId:
        """Return the last attempt made of a job (number 0: none)."""
        return AttemptId(job, self._attempts[job])

    # -- events ------------------------------------------------------------------

    def starts(self, most: int = _NO_LIMIT) -> list[AttemptId]:
        """Return up to `most` attempts that start now; from here on they are alive and have their slots."""
        started: list[AttemptId] = []
        room = min(most, self._max_jobs - self.alive)
        if self._stopped or room <= 0 or not self._open:
            return started
        line = [(self._heaps[index][0], index) for index in self._open]
        heapify(line)
        held = lacking = 0
        while line and len(started) < room:
            key, index = line[0]
            group = self._groups[index]
            if self._used[group.category] >= self._limit[group.category]:
                heappop(line)
                continue
            if short := self._short(group):
                if not lacking:
                    held, lacking = key, short
                    if held != self._first_in_line:
                        self._first_in_line, self._passed = held, 0
                heappop(line)
                continue
            if lacking & group.uses:
                if self._passed >= PATIENCE:
                    heappop(line)
                    continue
                self._passed += 1
            heap = self._heaps[index]
            heappop(heap)
            if heap:
                heapreplace(line, (heap[0], index))
            else:
                heappop(line)
                self._open.discard(index)
            job = key & _POSITION
            self._take(job, group)
            self._attempts[job] += 1
            started.append(AttemptId(job, self._attempts[job]))
        return started

    def seen_running(self, attempt: AttemptId) -> None:
        """Take note that an attempt runs."""
        self._check(attempt)
        self._move(attempt.job, Event.STARTED)

    def ended(self, attempt: AttemptId, ok: bool, *, worth_retrying: bool = True) -> Decision:
        """Decide what follows the end of an attempt.

        While attempts are being cancelled, one that did not succeed was no failure of its job.
        """
        if not ok and self._cancelling:
            return self.returned(attempt)
        self._check(attempt)
        job = attempt.job
        self._release(job)
        if ok:
            self._move(job, Event.DONE)
            self._free_children(job)
            return Decision(Verdict.DONE)
        self._failures[job] += 1
        failures = self._failures[job]
        if worth_retrying and failures <= self._retries[job]:
            pause = pause_s(failures)
            self._move(job, Event.RETRY_LATER if pause else Event.RETRY)
            if not pause:
                self._push(job)
            return Decision(Verdict.RETRY, pause)
        self._move(job, Event.GIVE_UP)
        self._skip_descendants(job)
        if not self._keep_going:
            self._stopped = True
        return Decision(Verdict.GIVE_UP)

    def returned(self, attempt: AttemptId) -> Decision:
        """Take back an attempt that ended through no fault of its job: cancelled, or lost with an engine."""
        self._check(attempt)
        self._release(attempt.job)
        self._move(attempt.job, Event.RETURNED)
        self._push(attempt.job)
        return Decision(Verdict.RETURNED)

    def pause_over(self, job: int) -> None:
        """Let a job start again whose last attempt failed."""
        self._move(job, Event.PAUSE_OVER)
        self._push(job)

    def halt(self) -> None:
        """Start nothing new; what runs may end by itself."""
        self._stopped = True

    def remove(self) -> list[AttemptId]:
        """Start nothing new, and return the attempts to cancel."""
        self._stopped = self._cancelling = True
        return [self.attempt(job) for job, state in enumerate(self._state) if state in ALIVE]

    # -- building ----------------------------------------------------------------

    def _link(self, outline: Sequence[JobOutline], done: bytearray) -> None:
        """Lay out the children of all jobs in one array, and count the parents each still waits for."""
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
        self._first_child = array("i", accumulate(sizes))
        self._children = array("i", bytes(4 * self._first_child[count]))
        self._parents_left = array("i", bytes(4 * count))
        place = self._first_child[:]
        for position, job in enumerate(outline):
            left = 0
            for parent in job.parents:
                self._children[place[parent]] = position
                place[parent] += 1
                left += not done[parent]
            self._parents_left[position] = left

    def _form_groups(
        self,
        outline: Sequence[JobOutline],
        done: bytearray,
        limits: Mapping[str, int],
        elsewhere: frozenset[str],
    ) -> None:
        """Give every job a group and every category a throttle.

        Jobs other than compute take no core: they wait for disks and networks,
        and must not queue behind computations of hours (a cleanup makes room, a
        stage-out delivers). Their categories throttle them; those that have no
        limit share a small one.
        """
        sizes = {job.memory_mb for job in outline}
        exact = len(sizes) <= FEW_SIZES
        categories: dict[tuple[str, bool], int] = {}
        groups: dict[tuple[str, bool, int, int, int], int] = {}
        lacking_gpus: list[str] = []
        for position, job in enumerate(outline):
            is_chore = job.kind is not Kind.COMPUTE and limits.get(job.category, 0) < 1
            cores = memory_mb = gpus = 0
            if job.kind is Kind.COMPUTE and job.site not in elsewhere:
                cores, memory_mb, gpus = max(1, job.cores), max(0, job.memory_mb), max(0, job.gpus)
                if not done[position]:
                    if gpus > self.slots.gpus:
                        lacking_gpus.append(f"{job.id!r} ({gpus})")
                    if cores > self.slots.cores or memory_mb > self.slots.memory_mb:
                        self.clamped.append(job.id)
                cores = min(cores, self.slots.cores)
                memory_mb = min(memory_mb if exact else _rounded_up(memory_mb), self.slots.memory_mb)
            key = (job.category, is_chore, cores, memory_mb, gpus)
            index = groups.get(key)
            if index is None:
                # All chores without a limit of their own share one throttle; other categories have one each.
                name = ("", True) if is_chore else (job.category, False)
                category = categories.setdefault(name, len(categories))
                if category == len(self._limit):
                    limit = CHORES_AT_ONCE if is_chore else limits.get(job.category, 0)
                    self._limit.append(limit if limit > 0 else _NO_LIMIT)
                    self._used.append(0)
                index = groups[key] = len(self._groups)
                uses = (cores > 0) | (memory_mb > 0) << 1 | (gpus > 0) << 2
                self._groups.append(Group(category, cores, memory_mb, gpus, uses))
                self._heaps.append([])
            self._group[position] = index
        if lacking_gpus:
            raise _too_few_gpus(lacking_gpus, self.slots.gpus)

    def _begin(self, done: bytearray, under_way: frozenset[int]) -> None:
        for job, left in enumerate(self._parents_left):
            if done[job]:
                self._move(job, Event.FOUND_DONE)
            elif left == 0:
                self._move(job, Event.PARENTS_DONE)
                index = self._group[job]
                if job in under_way:
                    self._take(job, self._groups[index])
                else:
                    self._heaps[index].append(self._key(job))
        for index, heap in enumerate(self._heaps):
            if heap:
                heapify(heap)
                self._open.add(index)

    # -- small moves -------------------------------------------------------------

    def _move(self, job: int, event: Event) -> None:
        before = self._state[job]
        after = step(job, before, event)
        self._state[job] = after
        self._counts[before] -= 1
        self._counts[after] += 1

    def _check(self, attempt: AttemptId) -> None:
        if attempt.number != self._attempts[attempt.job] or self._state[attempt.job] not in ALIVE:
            raise IllegalTransition(
                f"attempt {attempt.number} of the job at position {attempt.job} was reported, but it is "
                f"{self.state(attempt.job).name.lower()} after attempt {self._attempts[attempt.job]}",
                hint="this is a bug in Markab; please report it with the journal of the run",
            )

    def _key(self, job: int) -> int:
        return (-self._priority[job] << _POSITION_BITS) + job

    def _push(self, job: int) -> None:
        index = self._group[job]
        heappush(self._heaps[index], self._key(job))
        self._open.add(index)

    def _take(self, job: int, group: Group) -> None:
        free = self._free
        free[0] -= group.cores
        free[1] -= group.memory_mb
        free[2] -= group.gpus
        self._used[group.category] += 1
        self._move(job, Event.SUBMITTED)

    def _release(self, job: int) -> None:
        group = self._groups[self._group[job]]
        free = self._free
        free[0] += group.cores
        free[1] += group.memory_mb
        free[2] += group.gpus
        self._used[group.category] -= 1

    def _short(self, group: Group) -> int:
        """Return which resources (bits of `uses`) a job of the group lacks now."""
        cores, memory_mb, gpus = self._free
        return group.uses & (
            (group.cores > cores) | (group.memory_mb > memory_mb) << 1 | (group.gpus > gpus) << 2
        )

    def _free_children(self, job: int) -> None:
        left = self._parents_left
        for child in self._children[self._first_child[job] : self._first_child[job + 1]]:
            left[child] -= 1
            if not left[child] and self._state[child] == State.WAITING:
                self._move(child, Event.PARENTS_DONE)
                self._push(child)

    def _skip_descendants(self, job: int) -> None:
        stack = [job]
        while stack:
            parent = stack.pop()
            for child in self._children[self._first_child[parent] : self._first_child[parent + 1]]:
                if self._state[child] == State.WAITING:
                    self._move(child, Event.PARENT_FAILED)
                    stack.append(child)


def _rounded_up(size: int) -> int:
    """Return `size`, rounded up to a number with six significant bits."""
    spare = max(0, size.bit_length() - 6)
    return -(-size >> spare) << spare


def _too_few_gpus(jobs: list[str], gpus: int) -> JobRejected:
    named = ", ".join(jobs[:5]) + (f" and {len(jobs) - 5} more" if len(jobs) > 5 else "")
    return JobRejected(
        f"this machine has {gpus or 'no'} {'GPU' if gpus == 1 else 'GPUs'}, too few for {named}",
        hint="if it has more, say so with `markab run --gpus N`; or plan these jobs for another site",
    )
