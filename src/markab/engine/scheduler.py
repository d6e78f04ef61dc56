"""Which attempts may start, over all runs of one engine: events in, decisions out. No clock, no I/O, no threads.

The contract is in `scheduler_protocol.py`; the jobs of a run are in `run_jobs.py`,
those of all runs that are ready in `ready_queues.py`.

Order: highest priority first, then the run that was added first, then position in
the plan. A job that does not fit may be passed by lower ones that do, but at most
PATIENCE times: then the resources it lacks are reserved until it fits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from heapq import heapify, heappop, heappush, heapreplace

from markab.engine.ready_queues import (
    NO_LIMIT,
    ORDER,
    POSITION,
    POSITION_BITS,
    Group,
    ReadyQueues,
    key_of,
    order_and_job,
)
from markab.engine.retry_policy import pause_s
from markab.engine.run_jobs import RecentEvents, RunJobs
from markab.engine.scheduler_protocol import Decision, Verdict
from markab.engine.scratch_space import ScratchSpace
from markab.engine.slots import Slots
from markab.engine.waiting_reason import WaitingReason, Why
from markab.errors import IllegalTransition
from markab.executors.attempt_id import AttemptId
from markab.journal.lifecycle import ALIVE, FINAL, Event, State
from markab.plan.plan_file import JobOutline

PATIENCE = 100
"""Starts that may pass the first job in the queue that does not fit."""

REMEMBERED_EVENTS = 500
"""Events of all jobs that are kept, for the history in an error."""


class Scheduler:
    """The state of all jobs of all runs during one call of the engine, and the decisions about them."""

    def __init__(self, slots: Slots) -> None:
        """Start without a run; `slots` is what the jobs on this machine share."""
        self.slots = slots
        self._free = list(slots)
        self._max_jobs = NO_LIMIT
        self._alive = 0
        self._at_once = 0
        """Of these, those that count among the jobs at once."""
        self._max_idle = NO_LIMIT
        self._idle = 0
        """Attempts that wait in the queue of a site."""
        self._runs: dict[str, RunJobs] = {}
        self._by_order: dict[int, RunJobs] = {}
        self._added = 0
        self._ready = ReadyQueues()
        self._first_in_line = 0
        self._passed = 0
        self._recent: RecentEvents = deque(maxlen=REMEMBERED_EVENTS)

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
        failed: Collection[int] = (),
        paused: Collection[int] = (),
        served: Mapping[int, Collection[int]] | None = None,
        remote_sites: Collection[str] = (),
        keep_going: bool = True,
        space: ScratchSpace | None = None,
        name_of: Callable[[int], str] | None = None,
    ) -> list[str]:
        """Add the jobs of a run; see `SchedulerProtocol.add`.

        `failed`, `paused` and `served` are for inspecting a run in the middle of a call of its
        engine: jobs that it gave up, jobs that pause before a retry, and the children that can go
        on though an attempt of their parent failed.
        """
        if run in self._runs:
            raise IllegalTransition(f"run {run!r} was added twice")
        done = bytes(len(outline)) if succeeded is None else succeeded
        jobs = RunJobs(run, self._added, outline, done, attempts, self._recent, name_of)
        jobs.keep_going, jobs.space = keep_going, space
        clamped = self._ready.assign(jobs, outline, done, self.slots, limits or {}, frozenset(remote_sites))
        if max_jobs is not None and max_jobs > 0:
            self._max_jobs = min(self._max_jobs, max_jobs)
        if max_idle is not None and max_idle > 0:
            self._max_idle = min(self._max_idle, max_idle)
        self._added += 1
        self._runs[run] = self._by_order[jobs.order] = jobs
        self._begin(jobs, done, frozenset(under_way), frozenset(failed), frozenset(paused), served or {})
        return clamped

    def forget(self, run: str) -> None:
        """Drop a run that is finished."""
        jobs = self._run(run)
        if not self.is_finished(run):
            raise ValueError(f"run {run!r} is not finished")
        del self._runs[run], self._by_order[jobs.order]

    # -- queries -----------------------------------------------------------------

    @property
    def alive(self) -> int:
        """How many attempts of all runs executors have."""
        return self._alive

    def is_finished(self, run: str) -> bool:
        """No attempt of the run is alive, and none will ever start."""
        jobs = self._run(run)
        return jobs.is_finished or (jobs.space is not None and jobs.space.is_stuck and not jobs.alive)

    def counts(self, run: str) -> Sequence[int]:
        """Return the number of jobs of a run by state."""
        return self._run(run).counts

    def states(self, run: str) -> bytes:
        """Return the state of every job of a run."""
        return bytes(self._run(run).state)

    def state(self, run: str, job: int) -> State:
        """Return the state of a job."""
        return State(self._run(run).state[job])

    def attempt(self, run: str, job: int) -> AttemptId:
        """Return the last attempt made of a job (number 0: none)."""
        return self._run(run).attempt(job)

    def unfinished_parents(self, run: str, job: int) -> list[int]:
        """Return the parents that a job waits for."""
        return self._run(run).unfinished_parents(job)

    def children(self, run: str, job: int) -> Sequence[int]:
        """Return the jobs of which a job is a parent."""
        return self._run(run).children_of(job)

    def failed_parents(self, run: str) -> Mapping[int, Sequence[int]]:
        """Return, by divisible job, its parents that failed or were skipped; what is returned stays current."""
        return self._run(run).failed_parents

    def why_waiting(self, run: str, job: int) -> WaitingReason | None:
        """Return what a job waits for; None: it runs, or is over."""
        jobs = self._run(run)
        state = jobs.state[job]
        if job in jobs.held:
            return WaitingReason(Why.ON_HOLD, text=jobs.held[job])
        if state == State.SKIPPED:
            return WaitingReason(Why.FAILED_PARENT)
        if state in FINAL or state in ALIVE:
            return None
        if state == State.WAITING:
            return WaitingReason(Why.PARENTS, parents=jobs.parents_left[job])
        if jobs.stopped:
            return WaitingReason(Why.STOPPED)
        if state == State.PAUSED:
            return WaitingReason(Why.PAUSE, pause_s=pause_s(jobs.failures[job]))
        if jobs.space is not None and jobs.space.is_waiting(job):
            short = jobs.space.shortage(job)
            return WaitingReason(Why.SPACE, wanted=short.wanted, used=short.used, total=short.bound)
        return self._why_not_started(self._ready.groups[jobs.group[job]])

    # -- events ------------------------------------------------------------------

    def starts(self, most: int = NO_LIMIT) -> list[AttemptId]:
        """Return up to `most` attempts that start now; from here on they are alive and have their slots."""
        started: list[AttemptId] = []
        ready = self._ready
        for jobs in self._runs.values():
            if jobs.space is not None and not jobs.stopped:
                self._queue_candidates(jobs, jobs.space)
        if not ready.open:
            return started
        line = [(ready.heaps[index][0], index) for index in ready.open]
        heapify(line)
        held = lacking = 0
        while line and len(started) < most:
            key, index = line[0]
            group = ready.groups[index]
            if group.counts and self._at_once >= self._max_jobs:
                heappop(line)
                continue
            if group.queues and self._idle >= self._max_idle:
                heappop(line)
                continue
            if ready.used[group.throttle] >= ready.limit[group.throttle]:
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
            heap = ready.heaps[index]
            heappop(heap)
            if heap:
                heapreplace(line, (heap[0], index))
            else:
                heappop(line)
                ready.open.discard(index)
            job = key & POSITION
            jobs = self._by_order[key >> POSITION_BITS & ORDER]
            if jobs.space is not None and not jobs.space.admit(job):
                continue
            self._take(jobs, job, group)
            jobs.attempts[job] = number = jobs.attempts[job] + 1
            started.append(AttemptId(jobs.id, job, number))
        return started

    def started(self, attempt: AttemptId) -> None:
        """Record a start that another scheduler decided: when its journal is replayed."""
        jobs = self._run(attempt.run)
        if jobs.state[attempt.job] != State.READY or attempt.number <= jobs.attempts[attempt.job]:
            raise jobs.illegal(attempt.job, f"a start of attempt {attempt.number}")
        if not jobs.stopped:
            self._withdraw(jobs, attempt.job)
        jobs.attempts[attempt.job] = attempt.number
        self._take(jobs, attempt.job, self._ready.groups[jobs.group[attempt.job]])

    def seen_queued(self, attempt: AttemptId) -> None:
        """Record that an attempt waits in the queue of its site, perhaps after it ran or was held."""
        jobs = self._checked(attempt)
        jobs.held.pop(attempt.job, None)
        if jobs.state[attempt.job] == State.RUNNING:
            jobs.move(attempt.job, Event.REQUEUED)
            self._idle += self._ready.groups[jobs.group[attempt.job]].queues

    def seen_running(self, attempt: AttemptId) -> None:
        """Record that an attempt runs."""
        jobs = self._checked(attempt)
        if jobs.held:
            jobs.held.pop(attempt.job, None)
        jobs.move(attempt.job, Event.STARTED)
        self._idle -= self._ready.groups[jobs.group[attempt.job]].queues

    def seen_held(self, attempt: AttemptId, reason: str) -> None:
        """Record that its site holds an attempt and does not run it, until another state is reported."""
        self.seen_queued(attempt)
        self._runs[attempt.run].held[attempt.job] = reason

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
        """Decide what follows the end of an attempt."""
        jobs, job = self._checked(attempt), attempt.job
        if not ok and (jobs.cancelling or jobs.is_untimely(job)):
            return self.returned(attempt)
        if incomplete and (job in jobs.early or job not in jobs.failed_parents):
            return self.returned(attempt)  # it did without more than the job has to do without in this call
        if ok and jobs.failed_parents and job in jobs.failed_parents and job not in jobs.early:
            raise jobs.illegal(job, "success without what its failed parents make")
        self._release(jobs, job)
        if ok:
            jobs.move(job, Event.DONE)
            for child in jobs.succeed(job):
                self._push(jobs, child)
            return Decision(Verdict.DONE)
        self._push_all(jobs, jobs.serve(job, served, divisible=False))
        jobs.early.discard(job)
        jobs.failures[job] += 1
        failures = jobs.failures[job]
        if worth_retrying and failures <= jobs.retries[job]:
            pause = pause_s(failures)
            if memory_mb:
                jobs.group[job] = self._ready.with_memory(jobs.group[job], memory_mb, self.slots)
            jobs.move(job, Event.RETRY_LATER if pause else Event.RETRY)
            if not pause:
                self._push(jobs, job)
            return Decision(Verdict.RETRY, pause)
        jobs.move(job, Event.PART_DONE if incomplete else Event.GIVE_UP)
        self._push_all(jobs, [*jobs.serve(job, served, divisible=True), *jobs.fail(job)])
        if not jobs.keep_going:
            self._stop(jobs)
        return Decision(Verdict.INCOMPLETE if incomplete else Verdict.GIVE_UP)

    def returned(self, attempt: AttemptId) -> Decision:
        """Take back an attempt that ended through no fault of its job."""
        jobs, job = self._checked(attempt), attempt.job
        self._release(jobs, job)
        if jobs.is_untimely(job):
            jobs.move(job, Event.UNTIMELY)
            if jobs.is_lost(job):
                jobs.move(job, Event.PARENT_FAILED)
                self._push_all(jobs, jobs.fail(job))
        else:
            jobs.move(job, Event.RETURNED)
            self._push(jobs, job)
        jobs.early.discard(job)
        return Decision(Verdict.RETURNED)

    def pause_over(self, run: str, job: int) -> None:
        """Make a job whose last attempt failed ready to start again."""
        jobs = self._run(run)
        jobs.move(job, Event.PAUSE_OVER)
        self._push(jobs, job)

    def halt(self, run: str) -> None:
        """Start nothing new of a run; what runs may end by itself."""
        self._stop(self._run(run))

    def remove(self, run: str) -> list[AttemptId]:
        """Start nothing new of a run, and return its attempts to cancel."""
        jobs = self._run(run)
        self._stop(jobs)
        jobs.cancelling = True
        return [jobs.attempt(job) for job, state in enumerate(jobs.state) if state in ALIVE]

    def validate(self) -> None:
        """Check what must always hold; for tests.

        Raises:
            AssertionError: it does not hold.
        """
        ready = self._ready
        used, by_throttle, idle = [0, 0, 0], [0] * len(ready.throttles), 0
        waiting: list[list[int]] = [[] for _ in ready.groups]
        for jobs in self._runs.values():
            jobs.validate()
            for job, state in enumerate(jobs.state):
                group = ready.groups[jobs.group[job]]
                if state in ALIVE:
                    needs = (group.cores, group.memory_mb, group.gpus)
                    used = [one + need for one, need in zip(used, needs, strict=True)]
                    by_throttle[group.throttle] += 1
                    idle += group.queues if state == State.QUEUED else 0
                elif state == State.READY and not jobs.stopped and not _is_held_back(jobs, job):
                    waiting[jobs.group[job]].append(key_of(jobs, job))
        free = [total - one for total, one in zip(self.slots, used, strict=True)]
        assert self._free == free, f"free slots are {self._free}, and should be {free}"
        assert self._idle == idle, f"{self._idle} attempts count as queued, and {idle} are"
        assert ready.used == by_throttle, f"throttles count {ready.used}, and should {by_throttle}"
        assert self._alive == sum(jobs.alive for jobs in self._runs.values()), (
            "the count of the alive is wrong"
        )
        assert [sorted(heap) for heap in ready.heaps] == [sorted(keys) for keys in waiting], "heaps are wrong"
        assert ready.open == {index for index, heap in enumerate(ready.heaps) if heap}, (
            "open groups are wrong"
        )
        for heap in ready.heaps:
            assert all(heap[(at - 1) // 2] <= heap[at] for at in range(1, len(heap))), "a heap has no order"

    # -- helpers -----------------------------------------------------------------

    def _run(self, run: str) -> RunJobs:
        try:
            return self._runs[run]
        except KeyError:
            raise IllegalTransition(f"the scheduler has no run {run!r}") from None

    def _checked(self, attempt: AttemptId) -> RunJobs:
        """Return the jobs of the run of an attempt that is alive."""
        run, job, number = attempt
        jobs = self._runs.get(run) or self._run(run)
        if jobs.attempts[job] != number or jobs.state[job] not in ALIVE:
            raise jobs.illegal(job, f"a report about attempt {number}")
        return jobs

    def _begin(
        self,
        jobs: RunJobs,
        done: Sequence[int],
        under_way: frozenset[int],
        failed: frozenset[int],
        paused: frozenset[int],
        served: Mapping[int, Collection[int]],
    ) -> None:
        """Bring all jobs to their states in the journal."""
        heaps, groups = self._ready.heaps, self._ready.groups
        known = under_way | failed | paused
        for job, left in enumerate(jobs.parents_left):
            if done[job]:
                jobs.move(job, Event.FOUND_DONE)
            elif left == 0 or job in known:
                if left:
                    jobs.early.add(job)
                jobs.move(job, Event.PARENTS_DONE)
                index = jobs.group[job]
                if job in under_way:
                    if jobs.space is not None:
                        jobs.space.started(job)
                    self._take(jobs, job, groups[index])
                elif job in failed:
                    jobs.move(job, Event.SUBMITTED)
                    jobs.move(job, Event.GIVE_UP)
                elif job in paused:
                    jobs.move(job, Event.SUBMITTED)
                    jobs.move(job, Event.RETRY_LATER)
                elif jobs.space is not None and jobs.space.holds(job):
                    jobs.space.wait(job)
                else:
                    heaps[index].append(key_of(jobs, job))
        for index in set(jobs.group):
            if heaps[index]:
                heapify(heaps[index])
                self._ready.open.add(index)
        for job, children in sorted(served.items()):
            self._push_all(jobs, jobs.serve(job, children, divisible=False))
            if job in failed:
                self._push_all(jobs, jobs.serve(job, children, divisible=True))
        for job in sorted(failed):
            if jobs.state[job] == State.FAILED:
                self._push_all(jobs, jobs.fail(job))
        if failed and not jobs.keep_going:
            self._stop(jobs)

    def _push(self, jobs: RunJobs, job: int) -> None:
        """Queue a job that has become ready, or let it wait for room; of a run that starts nothing new, no job is queued."""
        if jobs.stopped:
            return
        if jobs.space is not None and jobs.space.holds(job):
            jobs.space.wait(job)
        else:
            self._queue(jobs, job)

    def _queue(self, jobs: RunJobs, job: int) -> None:
        index = jobs.group[job]
        heappush(self._ready.heaps[index], key_of(jobs, job))
        self._ready.open.add(index)

    def _queue_candidates(self, jobs: RunJobs, space: ScratchSpace) -> None:
        """Queue the jobs for which there is room in scratch now."""
        is_idle = not (jobs.alive or jobs.counts[State.PAUSED]) and jobs.counts[State.READY] == space.waiting
        for job in space.candidates(is_idle=is_idle):
            self._queue(jobs, job)

    def _push_all(self, jobs: RunJobs, ready: Sequence[int]) -> None:
        for job in ready:
            self._push(jobs, job)

    def _withdraw(self, jobs: RunJobs, job: int) -> None:
        """Take a job out of the queue."""
        index = jobs.group[job]
        heap, key = self._ready.heaps[index], key_of(jobs, job)
        if heap[0] == key:
            heappop(heap)
        else:
            heap.remove(key)
            heapify(heap)
        if not heap:
            self._ready.open.discard(index)

    def _stop(self, jobs: RunJobs) -> None:
        if not jobs.stopped:
            jobs.stopped = True
            self._ready.drop(jobs.order)

    def _take(self, jobs: RunJobs, job: int, group: Group) -> None:
        free = self._free
        free[0] -= group.cores
        free[1] -= group.memory_mb
        free[2] -= group.gpus
        self._ready.used[group.throttle] += 1
        self._alive += 1
        self._at_once += group.counts
        self._idle += group.queues
        jobs.move(job, Event.SUBMITTED)

    def _release(self, jobs: RunJobs, job: int) -> None:
        group = self._ready.groups[jobs.group[job]]
        free = self._free
        free[0] += group.cores
        free[1] += group.memory_mb
        free[2] += group.gpus
        self._ready.used[group.throttle] -= 1
        self._alive -= 1
        self._at_once -= group.counts
        if jobs.state[job] == State.QUEUED:
            self._idle -= group.queues
        if jobs.held:
            jobs.held.pop(job, None)

    def _short(self, group: Group) -> int:
        """Return which resources (bits of `uses`) a job of the group lacks now."""
        cores, memory_mb, gpus = self._free
        return group.uses & (
            (group.cores > cores) | (group.memory_mb > memory_mb) << 1 | (group.gpus > gpus) << 2
        )

    def _why_not_started(self, group: Group) -> WaitingReason:
        """Return what keeps a ready job of a group from starting, in the order in which `starts` checks."""
        ready = self._ready
        if group.counts and self._at_once >= self._max_jobs:
            return WaitingReason(Why.MAX_JOBS, limit=self._max_jobs)
        if group.queues and self._idle >= self._max_idle:
            return WaitingReason(Why.MAX_IDLE, limit=self._max_idle)
        limit = ready.limit[group.throttle]
        if ready.used[group.throttle] >= limit:
            throttle = ready.throttles[group.throttle]
            why = Why.AUXILIARY if throttle.is_auxiliary else Why.CATEGORY
            return WaitingReason(why, category=throttle.category, limit=limit)
        if short := self._short(group):
            bit = (short & -short).bit_length() - 1
            total = self.slots[bit]
            used, wanted = total - self._free[bit], group[1 + bit]
            return WaitingReason(Why.SLOT, resource=Slots._fields[bit], wanted=wanted, used=used, total=total)
        if self._passed >= PATIENCE and self._lacking_first_in_line() & group.uses:
            return WaitingReason(Why.RESERVED)
        return WaitingReason(Why.TURN)

    def _lacking_first_in_line(self) -> int:
        """Return which resources the first job that did not fit lacks; 0 when it no longer waits."""
        order, job = order_and_job(self._first_in_line)
        jobs = self._by_order.get(order)
        if jobs is None or jobs.stopped or jobs.state[job] != State.READY:
            return 0
        return self._short(self._ready.groups[jobs.group[job]])


def _is_held_back(jobs: RunJobs, job: int) -> bool:
    return jobs.space is not None and jobs.space.is_waiting(job)
