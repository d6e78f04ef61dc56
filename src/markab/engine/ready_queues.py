"""Ready jobs of all runs, in one heap for each combination of throttle and needs ("group").

A group whose jobs may not start costs nothing per job; a push or pop is O(log jobs).
Throttles are shared by all runs: one for each category, and one for all auxiliary
jobs that have no limited category.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from heapq import heapify
from typing import NamedTuple

from markab.engine.run_jobs import RunJobs
from markab.engine.slots import Slots
from markab.errors import JobRejected
from markab.plan.machine_texts import MORE_GPUS_HINT, gpus_text
from markab.plan.model import Kind
from markab.plan.plan_file import JobOutline

AUXILIARY_AT_ONCE = 8
"""Auxiliary jobs (those that are not compute), without a limited category, that may run at once."""

FEW_SIZES = 256
"""So many different memory needs get a group each; further ones are rounded up by at most 1/32."""

NO_LIMIT = 1 << 60

POSITION_BITS, ORDER_BITS = 32, 28
POSITION, ORDER = (1 << POSITION_BITS) - 1, (1 << ORDER_BITS) - 1


class Group(NamedTuple):
    """What ready jobs of one heap have in common."""

    throttle: int
    """Index of a throttle."""
    cores: int
    memory_mb: int
    gpus: int
    uses: int
    """Bit 0: cores, 1: memory, 2: GPUs."""
    counts: int = 1
    """How much an attempt adds to the jobs at once; 0 for a sub-workflow, which only waits for its own jobs."""
    queues: int = 0
    """1: its jobs wait in the queue of their site."""


class Throttle(NamedTuple):
    """A limit that some jobs share."""

    category: str
    is_auxiliary: bool
    """It is that of the auxiliary jobs without a limited category; `category` is empty."""
    run: int = -1
    """Of sub-workflows: the order of their run, with whose others alone they share it: one that waits for the jobs
    in it must not keep these from starting."""


def key_of(run: RunJobs, job: int) -> int:
    """Return the place of a job in the queue: highest priority first, then order of addition, then position."""
    return (-run.priority[job] << POSITION_BITS + ORDER_BITS) + (run.order << POSITION_BITS) + job


def order_and_job(key: int) -> tuple[int, int]:
    """Return the order of addition of the run, and the position, of the job that has a key."""
    return key >> POSITION_BITS & ORDER, key & POSITION


class ReadyQueues:
    """The groups, their heaps, and the throttles."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.heaps: list[list[int]] = []
        """Keys of the ready jobs of each group."""
        self.open: set[int] = set()
        """Groups with a ready job."""
        self.throttles: list[Throttle] = []
        self.limit: list[int] = []
        self.used: list[int] = []
        """Attempts alive under each throttle."""
        self._limits: dict[str, int] = {}
        self._index: dict[Group, int] = {}
        self._throttle_index: dict[Throttle, int] = {}
        self._sizes: set[int] = set()

    def assign(
        self,
        run: RunJobs,
        outline: Sequence[JobOutline],
        done: Sequence[int],
        slots: Slots,
        limits: Mapping[str, int],
        remote_sites: Collection[str],
    ) -> list[str]:
        """Give every job of a run its group; return the ids of those that get all of a resource there is.

        Auxiliary jobs take no core: they wait for disks and networks, and must not
        queue behind computations of hours (a cleanup makes room, a stage-out
        delivers). Their categories throttle them; those that have no limit share
        a small one.

        Raises:
            JobRejected: a job needs more GPUs than there are; no throttle changed.
        """
        _refuse_missing_gpus(outline, done, slots, remote_sites)
        self._tighten(limits)
        limits = self._limits
        self._sizes.update(job.memory_mb for job in outline)
        exact = len(self._sizes) <= FEW_SIZES
        clamped: list[str] = []
        known: dict[tuple[str, bool, int, int, int, bool, int], int] = {}
        for position, job in enumerate(outline):
            is_nested = job.kind is Kind.SUBWORKFLOW
            is_auxiliary = job.kind is not Kind.COMPUTE and not is_nested and job.category not in limits
            cores = memory_mb = gpus = 0
            queues = int(job.kind is Kind.COMPUTE and job.site in remote_sites)
            if job.kind is Kind.COMPUTE and job.site not in remote_sites:
                cores, memory_mb, gpus = max(1, job.cores), max(0, job.memory_mb), max(0, job.gpus)
                if not done[position] and (cores > slots.cores or memory_mb > slots.memory_mb):
                    clamped.append(job.id)
                cores = min(cores, slots.cores)
                memory_mb = min(memory_mb if exact else rounded_up(memory_mb), slots.memory_mb)
            key = (job.category, is_auxiliary, cores, memory_mb, gpus, is_nested, queues)
            index = known.get(key)
            if index is None:
                throttle = self._throttle(
                    "" if is_auxiliary else job.category, is_auxiliary, run.order if is_nested else -1
                )
                index = known[key] = self._group(
                    throttle, cores, memory_mb, gpus, counts=int(not is_nested), queues=queues
                )
            run.group[position] = index
        return clamped

    def with_memory(self, index: int, memory_mb: int, slots: Slots) -> int:
        """Return the group of jobs like those of a group that ask for so much memory; at another site, it is the same."""
        group = self.groups[index]
        if not group.cores:
            return index
        memory_mb = min(rounded_up(memory_mb), slots.memory_mb)
        return self._group(group.throttle, group.cores, memory_mb, group.gpus, group.counts)

    def drop(self, order: int) -> None:
        """Take the ready jobs of a run out of all heaps."""
        for index in list(self.open):
            heap = self.heaps[index]
            heap[:] = [key for key in heap if order_and_job(key)[0] != order]
            heapify(heap)
            if not heap:
                self.open.discard(index)

    def _tighten(self, limits: Mapping[str, int]) -> None:
        """Take the smaller of the limits of a category that several runs limit."""
        for category, limit in limits.items():
            if limit > 0:
                self._limits[category] = limit = min(limit, self._limits.get(category, NO_LIMIT))
                index = self._throttle_index.get(Throttle(category, False))
                if index is not None:
                    self.limit[index] = limit

    def _throttle(self, category: str, is_auxiliary: bool, run: int) -> int:
        throttle = Throttle(category, is_auxiliary, run)
        index = self._throttle_index.get(throttle)
        if index is None:
            index = self._throttle_index[throttle] = len(self.throttles)
            self.throttles.append(throttle)
            self.limit.append(AUXILIARY_AT_ONCE if is_auxiliary else self._limits.get(category, NO_LIMIT))
            self.used.append(0)
        return index

    def _group(
        self, throttle: int, cores: int, memory_mb: int, gpus: int, counts: int, queues: int = 0
    ) -> int:
        uses = (cores > 0) | (memory_mb > 0) << 1 | (gpus > 0) << 2
        group = Group(throttle, cores, memory_mb, gpus, uses, counts, queues)
        index = self._index.get(group)
        if index is None:
            index = self._index[group] = len(self.groups)
            self.groups.append(group)
            self.heaps.append([])
        return index


def rounded_up(size: int) -> int:
    """Return `size`, rounded up to a number with six significant bits."""
    spare = max(0, size.bit_length() - 6)
    return -(-size >> spare) << spare


def _refuse_missing_gpus(
    outline: Sequence[JobOutline], done: Sequence[int], slots: Slots, remote_sites: Collection[str]
) -> None:
    lacking = [
        f"{job.id!r} ({job.gpus})"
        for position, job in enumerate(outline)
        if job.gpus > slots.gpus
        and not done[position]
        and job.kind is Kind.COMPUTE
        and job.site not in remote_sites
    ]
    if lacking:
        named = ", ".join(lacking[:5]) + (f" and {len(lacking) - 5} more" if len(lacking) > 5 else "")
        raise JobRejected(
            f"this machine has {gpus_text(slots.gpus)}, too few for {named}",
            hint=MORE_GPUS_HINT,
        )
