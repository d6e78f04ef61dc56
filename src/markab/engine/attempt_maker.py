"""Making an attempt: the job of the plan, its directories, and the checksums of the files it reads."""

from __future__ import annotations

from collections.abc import Iterator

from markab.engine.recovery import Checksums
from markab.errors import CorruptPlan
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, RunContext
from markab.plan.model import Kind, PlannedJob, PlanSite
from markab.plan.plan_file import PlanFile
from markab.transfers.reserved_names import WORK

NEEDS_SCRATCH = frozenset({Kind.COMPUTE, Kind.CREATE_DIR, Kind.CLEANUP})


class AttemptMaker:
    """Makes the attempts of one run."""

    def __init__(self, plan: PlanFile, context: RunContext, checksums: Checksums) -> None:
        self._plan = plan
        self._context = context
        self._sites = plan.header.sites
        self._checksums = checksums
        self._directories: dict[tuple[str, str], tuple[str, str, str]] = {}
        """By site and staging site: scratch, its URL, and work, as in `Attempt`."""

    def make(self, id: AttemptId) -> Attempt:
        """Return an attempt, ready to be submitted.

        Raises:
            CorruptPlan: the job's line cannot be read, or names a site that lacks a directory it needs.
        """
        job = self._plan.job(id.job)
        directories = self._directories.get((job.site, job.staging))
        if directories is None:
            directories = self._directories[job.site, job.staging] = self._find_directories(job)
        scratch, url, work = directories
        if not (scratch or url) and job.kind in NEEDS_SCRATCH:
            raise CorruptPlan(
                f"job {job.id!r} works with files at site {job.staging or job.site!r}, "
                "which has no scratch directory",
                hint="give the site a directory of type sharedScratch in the site catalog, and plan again",
            )
        return Attempt(id, job, self._context, scratch, work, dict(self._known(job)), url)

    def _find_directories(self, job: PlannedJob) -> tuple[str, str, str]:
        staging = job.staging or job.site
        place, work = self._site(job, staging).scratch, self._site(job, job.site).work
        path = place.path if place and (place.is_local or staging == job.site) else ""
        return path, place.url if place else "", work or f"{path or self._context.submit_dir}/{WORK}"

    def _known(self, job: PlannedJob) -> Iterator[tuple[str, str]]:
        get = self._checksums.get
        for file in job.inputs or job.transfers:
            if checksum := get(file.lfn, file.sha256):
                yield file.lfn, checksum
        for registration in job.registrations:
            if checksum := get(registration.lfn):
                yield registration.lfn, checksum

    def _site(self, job: PlannedJob, name: str) -> PlanSite:
        site = self._sites.get(name)
        if site is None:
            raise CorruptPlan(
                f"job {job.id!r} runs at site {name!r}, which the plan's header does not have",
                hint="plan the workflow again",
            )
        return site
