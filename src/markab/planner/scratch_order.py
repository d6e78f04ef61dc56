"""An order of jobs, one after the other, in which their files fit into bounded scratch directories. Pure.

Files are removed once their last user is done, but only when their room is needed, or when they are a good part of
the bound: so there are few removals. Of the jobs that can run, the one runs first that leaves the least behind, less what
can be removed after it; then the one that became able to run last, so that what was begun is finished first.

The best order is hard to find (it is a form of pebbling a graph), so this is a good one, and there may be a better one.
Time is O(n log n) in jobs plus uses of files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

from markab.planner.graph import children_of

REMOVAL_PART = 16
"""Removable files are removed at the latest when they are this part of the bound."""

NO_SITE = -1
UNBOUNDED = 1 << 100


class SpaceNeed(NamedTuple):
    """What a job adds to the scratch of a site."""

    site: int = NO_SITE
    own_bytes: int = 0
    """Only while it runs."""
    adds_bytes: int = 0
    """Of the files that it makes or brings; from its start on."""


class ScratchFile(NamedTuple):
    """A file in the scratch of a site that can be removed after its last user."""

    site: int
    size_bytes: int
    users: Sequence[int]
    """Jobs, each once; among them the one that makes or brings it."""


class Removal(NamedTuple):
    """A step that removes files."""

    site: int
    files: list[int]


class Lack(NamedTuple):
    """The first job that does not fit."""

    job: int
    bytes_lacking: int


@dataclass(slots=True)
class Order:
    """Jobs and removals, one after the other."""

    steps: list[int | Removal] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)
    """By site: the most bytes at any time, if the steps run one after the other."""
    lack: Lack | None = None
    """None: all fits."""


def find_order(
    parents: Sequence[Sequence[int]],
    needs: Sequence[SpaceNeed],
    files: Sequence[ScratchFile],
    bounds: Sequence[int],
) -> Order:
    """Return an order of all jobs; if they do not fit, the one with the lower peaks of two.

    Args:
        parents: by job, those that must be done before it; without a cycle.
        needs: by job.
        files: those that can be removed.
        bounds: by site, in bytes.
    """
    found = _Walk(parents, needs, files, bounds, depth_first=False).run()
    if found.lack is None:
        return found
    other = _Walk(parents, needs, files, bounds, depth_first=True).run()
    return min(found, other, key=lambda order: (order.lack is not None, _excess(order, bounds)))


def sufficient_bounds(
    parents: Sequence[Sequence[int]],
    needs: Sequence[SpaceNeed],
    files: Sequence[ScratchFile],
    bounds: Sequence[int],
) -> list[int]:
    """Return bounds for which `find_order` finds an order, near to those for which it finds none."""
    walks = [
        _Walk(parents, needs, files, [UNBOUNDED] * len(bounds), depth_first=depth_first, at_once=True)
        for depth_first in (False, True)
    ]
    # Within these peaks nothing is ever set aside, so that a bounded walk takes the same steps.
    return min((walk.run() for walk in walks), key=lambda order: _excess(order, bounds)).peaks


def _excess(order: Order, bounds: Sequence[int]) -> int:
    return sum(max(0, peak - bound) for peak, bound in zip(order.peaks, bounds, strict=True))


class _Walk:
    """One walk through the graph. Jobs that do not fit now are set aside until something is removed."""

    def __init__(
        self,
        parents: Sequence[Sequence[int]],
        needs: Sequence[SpaceNeed],
        files: Sequence[ScratchFile],
        bounds: Sequence[int],
        *,
        depth_first: bool,
        at_once: bool = False,
    ) -> None:
        """Args: `at_once`: files are removed as soon as they can be."""
        self.at_once = at_once
        self.needs, self.files, self.bounds = needs, files, bounds
        self.depth_first = depth_first
        self.children = children_of(parents)
        self.missing = [len(its_parents) for its_parents in parents]
        self.uses: list[list[int]] = [[] for _ in parents]
        self.users_left = [len(file.users) for file in files]
        self.last_user = [0] * len(files)
        """The exclusive or of the users that are left: of one, that one."""
        self.gain = [0] * len(parents)
        """By job: bytes that can be removed once it is done."""
        for number, file in enumerate(files):
            for user in file.users:
                self.uses[user].append(number)
                self.last_user[number] ^= user
            if len(file.users) == 1:
                self.gain[file.users[0]] += file.size_bytes
        self.used = [0] * len(bounds)
        self.removable: list[list[int]] = [[] for _ in bounds]
        self.removable_bytes = [0] * len(bounds)
        self.ready: list[tuple[int, int, int]] = []
        """Heap of (what it leaves, age, job); an entry whose first number changed since, or whose job is not `open`, counts no more."""
        self.open: set[int] = set()
        self.age = [0] * len(parents)
        self.aside: list[list[tuple[int, int]]] = [[] for _ in bounds]
        """By site: heap of (bytes needed, job)."""
        self.order = Order(peaks=[0] * len(bounds))

    def run(self) -> Order:
        for root, missing in enumerate(self.missing):
            if not missing:
                self._open(root)
        while (job := self._next()) is not None:
            self._do(job)
        for site, files in enumerate(self.removable):
            if files:
                self._remove(site)
        return self.order

    def _next(self) -> int | None:
        while self.ready:
            leaves, _, job = heappop(self.ready)
            if job not in self.open or leaves != self._leaves(job):
                continue
            self.open.discard(job)
            site = self.needs[job].site
            if self._lacking(job) > 0 and self.removable_bytes[site]:
                self._remove(site)
            if self._lacking(job) <= 0:
                return job
            heappush(self.aside[site], (self._bytes(job), job))
        return self._first_aside()

    def _first_aside(self) -> int | None:
        """Return the job that lacks least, when none fits; None: all jobs are done."""
        waiting = [(self._lacking(heap[0][1]), site) for site, heap in enumerate(self.aside) if heap]
        if not waiting:
            return None
        lacking, site = min(waiting)
        _, job = heappop(self.aside[site])
        if self.order.lack is None:
            self.order.lack = Lack(job, lacking)
        return job

    def _do(self, job: int) -> None:
        need, order = self.needs[job], self.order
        order.steps.append(job)
        if need.site != NO_SITE:
            site = need.site
            self.used[site] += need.adds_bytes
            order.peaks[site] = max(order.peaks[site], self.used[site] + need.own_bytes)
        for number in self.uses[job]:
            self._count_off(number, job)
        for child in self.children[job]:
            self.missing[child] -= 1
            if not self.missing[child]:
                self._open(child)
        for site in {self.files[number].site for number in self.uses[job]}:
            if self.at_once or self.removable_bytes[site] * REMOVAL_PART >= self.bounds[site]:
                self._remove(site)

    def _count_off(self, number: int, user: int) -> None:
        file = self.files[number]
        self.users_left[number] -= 1
        self.last_user[number] ^= user
        if not self.users_left[number]:
            self.removable[file.site].append(number)
            self.removable_bytes[file.site] += file.size_bytes
        elif self.users_left[number] == 1 and file.size_bytes:
            last = self.last_user[number]
            self.gain[last] += file.size_bytes
            if last in self.open:
                heappush(self.ready, self._key(last))

    def _remove(self, site: int) -> None:
        self.order.steps.append(Removal(site, self.removable[site]))
        self.used[site] -= self.removable_bytes[site]
        self.removable[site], self.removable_bytes[site] = [], 0
        heap, room = self.aside[site], self.bounds[site] - self.used[site]
        while heap and heap[0][0] <= room:
            _, job = heappop(heap)
            self.open.add(job)
            heappush(self.ready, self._key(job))

    def _open(self, job: int) -> None:
        self.open.add(job)
        self.age[job] = -len(self.order.steps)
        heappush(self.ready, self._key(job))

    def _key(self, job: int) -> tuple[int, int, int]:
        return self._leaves(job), self.age[job], job

    def _leaves(self, job: int) -> int:
        return 0 if self.depth_first else self.needs[job].adds_bytes - self.gain[job]

    def _bytes(self, job: int) -> int:
        need = self.needs[job]
        return need.own_bytes + need.adds_bytes

    def _lacking(self, job: int) -> int:
        """Return how many bytes a job needs more than there is room; 0 or less: it fits."""
        need = self.needs[job]
        if need.site == NO_SITE or not self._bytes(job):
            return 0
        return self._bytes(job) + self.used[need.site] - self.bounds[need.site]
