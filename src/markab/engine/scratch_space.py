"""Which jobs may start in scratch directories with a bound, so that all others still can after them. Pure.

The plan has an order of all jobs in which they fit, one after the other. A job may start out of its turn if there is
room for it now, and if every step that stands before it in the order would fit all the same, after all that runs has ended: then
the order, without that job, is still one in which the rest fits, and what runs never blocks what is left. Sizes are those
predicted, until files appear and are measured; if a job made more than predicted, so will others that run the same program. If more appears than was predicted the rest may not fit any more; then
jobs start while they can, and at last `is_stuck` is true.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from markab.engine.order_peaks import NOTHING, OrderPeaks
from markab.plan.model import BoundedScratch, JobSpace

TRIES = 16
"""Jobs that are looked at after the first that may not start, at a time: the next ones in the order seldom may."""


NEVER = -1
SPARE = 1.1
"""Jobs of a program that made too much are taken to make so much more than the worst of them."""


class SpaceOfJob(NamedTuple):
    """What one job of a plan changes in the scratch of its staging site."""

    job: int
    """Its position."""
    site: str
    space: JobSpace
    reads: Collection[str] = ()
    """Lfns of what is copied for it."""
    removes: Sequence[str] = ()
    """Cleanup: lfns."""
    program: str = ""
    """What it runs; "": a transfer."""
    makes: Sequence[str] = ()
    """Lfns that it outputs."""


class Shortage(NamedTuple):
    """Why a job is held back."""

    job: int
    site: str
    wanted: int
    """Bytes that it needs."""
    used: int
    """Bytes of files in scratch, and of what runs."""
    bound: int
    enough: int
    """A bound with which all that is left would fit, as far as sizes are known."""

    @property
    def lacking(self) -> int:
        """How many bytes are too few; 0 or less: there is room, and it is kept for others."""
        return self.wanted + self.used - self.bound


class SpaceUse(NamedTuple):
    """How full the scratch of a site is."""

    bound: int
    present: int
    """Bytes of the files in it, as measured when they appeared."""
    peak: int
    """The most that this was."""
    reserved: int
    """Bytes that running jobs may add."""


@dataclass(slots=True)
class _Job:
    """A job that makes, brings or copies files."""

    site: _Site
    step: int
    own: int
    adds: int
    is_admitted: bool = False
    """Its bytes are counted: it runs, may start, or pauses before a retry."""
    is_running: bool = False
    """`own` is counted too."""
    is_over: bool = False
    """It succeeded, or will not run."""
    predicted: int = 0
    """What `adds` was when it was planned."""
    program: str = ""
    makes: Sequence[str] = ()


@dataclass(slots=True)
class _Site:
    bound: int
    order: OrderPeaks
    settled: int = 0
    """Bytes that stay when all that runs has ended: of files, measured or predicted."""
    own: int = 0
    """Bytes that go when it has ended."""
    present: int = 0
    peak: int = 0
    waiting: list[tuple[int, int]] = field(default_factory=list)
    """Heap of (step, job) that are held back."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Lfn → bytes of the files that were measured and not removed."""
    expected: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Lfn → bytes that a file is taken to have, and the step that removes it (NEVER: none in this call)."""


class ScratchSpace:
    """The bounded scratch directories of one run, during one call of the engine."""

    def __init__(self, bounds: Mapping[str, BoundedScratch], jobs: Iterable[SpaceOfJob]) -> None:
        """Start with empty directories; all jobs are still to be done."""
        by_site: dict[str, list[SpaceOfJob]] = {site: [] for site in bounds}
        for one in jobs:
            by_site[one.site].append(one)
        self.is_stuck = False
        """Nothing runs, and none of the jobs that could run next has room."""
        self._changed = True
        """Something that may let a job start, since `candidates` was called last."""
        self._forced = -1
        """The job that `_any` took."""
        self._sites: dict[str, _Site] = {}
        self._jobs: dict[int, _Job] = {}
        self._removals: dict[int, tuple[_Site, int, Sequence[str]]] = {}
        """Cleanup job → its step, and the files that it removes."""
        self._readers: dict[str, list[int]] = {}
        self._runs: dict[str, list[int]] = {}
        """Program → the jobs that run it."""
        self._growth: dict[str, float] = {}
        """Program → how many times as much as predicted its jobs are taken to make; 1 if it is not here."""
        for site, its in by_site.items():
            its.sort(key=lambda one: one.space.order)
            self._add_site(site, bounds[site].most_bytes, its)

    def _add_site(self, name: str, bound: int, jobs: list[SpaceOfJob]) -> None:
        leaves = [one.space.adds_bytes - sum(one.space.frees_bytes) for one in jobs]
        needs = [NOTHING if one.removes else one.space.own_bytes + one.space.adds_bytes for one in jobs]
        site = self._sites[name] = _Site(bound, OrderPeaks(leaves, needs))
        for step, one in enumerate(jobs):
            if one.removes:
                self._removals[one.job] = site, step, one.removes
                for lfn, size in zip(one.removes, one.space.frees_bytes, strict=True):
                    site.expected[lfn] = size, step
                continue
            self._jobs[one.job] = _Job(
                site,
                step,
                one.space.own_bytes,
                one.space.adds_bytes,
                predicted=one.space.adds_bytes,
                program=one.program,
                makes=one.makes,
            )
            if one.program:
                self._runs.setdefault(one.program, []).append(one.job)
            site.expected.update((lfn, (size, NEVER)) for lfn, size in one.space.kept_bytes.items())
            for lfn in one.reads:
                self._readers.setdefault(lfn, []).append(one.job)

    # -- queries -----------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many jobs are held back."""
        return sum(len(site.waiting) for site in self._sites.values())

    def knows(self, job: int) -> bool:
        """Return whether a job changes what is in scratch."""
        return job in self._jobs or job in self._removals

    def holds(self, job: int) -> bool:
        """Return whether a job that could start must be given to `wait`, and be admitted, because it needs room."""
        return job in self._jobs

    def is_waiting(self, job: int) -> bool:
        """Return whether a job is held back."""
        found = self._jobs.get(job)
        return found is not None and (found.step, job) in found.site.waiting

    def shortage(self, job: int) -> Shortage:
        """Return what a job that is held back needs."""
        found = self._jobs[job]
        site = found.site
        name = next(name for name, one in self._sites.items() if one is site)
        used, wanted = site.settled + site.own, _needs(found)
        enough = max(used + wanted, site.settled + site.order.peak)
        return Shortage(job, name, wanted, used, site.bound, enough)

    def shortages(self) -> list[Shortage]:
        """Return, for each site where jobs are held back, the one that comes first in the order."""
        return [self.shortage(site.waiting[0][1]) for site in self._sites.values() if site.waiting]

    def use(self) -> dict[str, SpaceUse]:
        """Return how full the scratch of each site is."""
        return {
            name: SpaceUse(
                site.bound, site.present, site.peak, max(0, site.settled + site.own - site.present)
            )
            for name, site in self._sites.items()
        }

    def over(self) -> dict[str, SpaceUse]:
        """Return the sites whose scratch has more than its bound, because files are larger than predicted."""
        return {name: use for name, use in self.use().items() if use.present > use.bound}

    # -- admission ---------------------------------------------------------------

    def wait(self, job: int) -> None:
        """Hold back a job that could start, until `candidates` returns it."""
        found = self._jobs[job]
        heappush(found.site.waiting, (found.step, job))
        self._changed, self.is_stuck = True, False

    def admit(self, job: int) -> bool:
        """Count the bytes of a job, which starts now; False: there is no room any more, and it is held back again."""
        found = self._jobs.get(job)
        if found is None:
            return True
        if not (self._fits(found) if job == self._forced else self._is_safe(found)):
            heappush(found.site.waiting, (found.step, job))
            return False
        self._admit(found)
        return True

    def candidates(self, *, is_idle: bool) -> list[int]:
        """Return the jobs that may start now, each if it is the only one; they are held back no longer.

        `is_idle`: nothing else of the run is alive, or can become ready, but for the jobs that are held back.
        """
        found: list[int] = []
        if self._changed:
            self._changed = False
            found = [job for site in self._sites.values() if site.waiting for job in self._safe(site)]
        if not found and is_idle:
            found = self._any()
            self.is_stuck = not found and self.waiting > 0
        return found

    def _safe(self, site: _Site) -> list[int]:
        """Take the jobs of a site after which the rest of the order still fits, of those that come first in it."""
        found: list[int] = []
        held: list[tuple[int, int]] = []
        while site.waiting and len(held) < TRIES:
            step, job = heappop(site.waiting)
            if self._is_safe(self._jobs[job]):
                found.append(job)
            else:
                held.append((step, job))
        for one in held:
            heappush(site.waiting, one)
        return found

    def _any(self) -> list[int]:
        """Take the first job for which there is room, though the rest of the order does not fit after it."""
        for site in self._sites.values():
            for one in sorted(site.waiting):
                if self._fits(self._jobs[one[1]]):
                    site.waiting.remove(one)
                    heapify(site.waiting)
                    self._forced = one[1]
                    return [one[1]]
        return []

    def _fits(self, job: _Job) -> bool:
        return _needs(job) + job.site.settled + job.site.own <= job.site.bound

    def _is_safe(self, job: _Job) -> bool:
        site = job.site
        if not self._fits(job):
            return False
        added = 0 if job.is_admitted else job.adds
        return site.settled + added + site.order.before(job.step) <= site.bound

    def _admit(self, job: _Job) -> None:
        site = job.site
        if not job.is_admitted:
            job.is_admitted = True
            site.settled += job.adds
        job.is_running = True
        site.own += job.own
        site.order.set(job.step, 0, NOTHING)

    # -- what happened -------------------------------------------------------------

    def started(self, job: int) -> None:
        """Count a job that is under way already, whatever room there is."""
        if (found := self._jobs.get(job)) is not None:
            self._admit(found)

    def returned(self, job: int, *, keeps_directory: bool = False) -> None:
        """Take back a job whose attempt ended, and that will be tried again: its files stay counted, so that it finds room.

        `keeps_directory`: so do the copies in the directory of the attempt.
        """
        found = self._jobs.get(job)
        if found is not None and found.is_running:
            self._end(found, keeps_directory)
            found.site.order.set(found.step, 0, found.own)

    def gave_up(
        self, job: int, arrived: Mapping[str, int | None], *, keeps_files: bool, keeps_directory: bool = False
    ) -> None:
        """Count what a job left that failed for good: files that arrived; with `keeps_files`, all that it could have made."""
        found = self._jobs.get(job)
        if found is None or not found.is_running:
            return
        self._end(found, keeps_directory)
        if not (keeps_files or keeps_directory):
            found.site.settled -= found.adds
            self._measure(found.site, arrived)

    def arrived(self, job: int, sizes: Mapping[str, int | None]) -> None:
        """Count files that an attempt of an earlier call brought, of a job that is to be tried again."""
        if (found := self._jobs.get(job)) is not None:
            self._measure(found.site, sizes)
            less = min(found.adds, sum(found.site.sizes[lfn] for lfn in sizes))
            found.adds -= less
            found.site.order.leave_more(found.step, -less)
            found.site.order.add(found.step, -less)

    def succeeded(self, job: int, sizes: Mapping[str, int | None]) -> None:
        """Count the files that a job made or brought, as measured (None: not known)."""
        found = self._jobs.get(job)
        if found is None:
            return
        if found.is_running:
            self._end(found, keeps_directory=False)
        if found.is_admitted:
            found.site.settled -= found.adds
        found.is_over = True
        found.site.order.set(found.step, 0, NOTHING)
        self._measure(found.site, sizes)
        if found.program:
            self._learn_growth(found)

    def removed(self, job: int, lfns: Iterable[str]) -> None:
        """Count off the files that a cleanup job removed; in this call it removes no others."""
        if (found := self._removals.get(job)) is None:
            return
        site = found[0]
        for lfn in lfns:
            size = site.sizes.pop(lfn, 0)
            site.settled -= size
            site.present -= size
        self._end_removal(*found)
        self._changed, self.is_stuck = True, False

    def skip(self, job: int) -> None:
        """Expect nothing of a job any more that will not run."""
        if (found := self._jobs.get(job)) is not None:
            found.is_over = True
            found.site.order.set(found.step, 0, NOTHING)
        elif (removal := self._removals.get(job)) is not None:
            self._end_removal(*removal)

    def _end(self, job: _Job, keeps_directory: bool) -> None:
        job.is_running = False
        job.site.own -= job.own
        if keeps_directory:
            job.site.settled += job.own
            job.own = 0
        self._changed, self.is_stuck = True, False

    def _end_removal(self, site: _Site, step: int, lfns: Sequence[str]) -> None:
        site.order.set(step, 0, NOTHING)
        for lfn in lfns:
            site.expected[lfn] = site.expected[lfn][0], NEVER

    def _measure(self, site: _Site, sizes: Mapping[str, int | None]) -> None:
        for lfn, measured in sizes.items():
            expected = site.expected.get(lfn, (0, NEVER))[0]
            size = expected if measured is None else measured
            before = site.sizes.get(lfn, 0)
            site.sizes[lfn] = size
            site.settled += size - before
            site.present += size - before
            if size != expected:
                self._expect(site, lfn, size - expected)
        site.peak = max(site.peak, site.present)
        self._changed = True

    def _learn_growth(self, done: _Job) -> None:
        """Expect more of the jobs that run a program, if one of them made more than expected."""
        made = sum(done.site.sizes.get(lfn, 0) for lfn in done.makes)
        before = self._growth.get(done.program, 1.0)
        if not done.predicted or made <= done.predicted * before:
            return
        growth = self._growth[done.program] = SPARE * made / done.predicted
        for one in self._runs[done.program]:
            job = self._jobs[one]
            if not (job.is_admitted or job.is_over):
                self._grow(job, growth / before)

    def _grow(self, job: _Job, times: float) -> None:
        expected = job.site.expected
        if sum(expected.get(lfn, (0, NEVER))[0] for lfn in job.makes) != job.adds:
            return  # some were there before
        for lfn in job.makes:
            size = expected.get(lfn, (0, NEVER))[0]
            more = int(size * times) - size
            job.adds += more
            job.site.order.leave_more(job.step, more)
            job.site.order.add(job.step, more)
            self._expect(job.site, lfn, more)

    def _expect(self, site: _Site, lfn: str, more: int) -> None:
        """Take a file to have so many bytes more."""
        size, step = site.expected.get(lfn, (0, NEVER))
        site.expected[lfn] = size + more, step
        if step != NEVER:
            site.order.leave_more(step, -more)
        self._correct_readers(lfn, more)

    def _correct_readers(self, lfn: str, more: int) -> None:
        for reader in self._readers.get(lfn, ()):
            job = self._jobs[reader]
            if not job.is_running:
                job.own += more
                job.site.order.add(job.step, more)


def _needs(job: _Job) -> int:
    return job.own + (0 if job.is_admitted else job.adds)
