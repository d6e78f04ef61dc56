"""Making an attempt: the job of the plan, its directories, and the checksums of the files it reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec

from markab.engine.needless_files import Needless
from markab.engine.partial_job import FailedParent, partial_job
from markab.engine.recovery import Checksums
from markab.engine.remaining_tasks import remaining_job
from markab.errors import CorruptPlan
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, RunContext
from markab.journal.attempt_record import DoneTask, MovedFile
from markab.plan.model import TRANSFERS, Header, Kind, PlannedJob, PlanSite
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import SubmitDir
from markab.transfers.reserved_names import WORK

NEEDS_SCRATCH = frozenset({Kind.COMPUTE, Kind.CREATE_DIR, Kind.CLEANUP})


class AttemptMaker:
    """Makes the attempts of one run."""

    def __init__(
        self,
        plan: PlanFile,
        context: RunContext,
        checksums: Checksums,
        arrived: Mapping[int, Sequence[MovedFile]] = MappingProxyType({}),
        done: Mapping[int, Sequence[DoneTask]] = MappingProxyType({}),
        sizes: Mapping[str, int | None] = MappingProxyType({}),
        old_checkpoints: Collection[str] = (),
        memory_mb: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        """Use what is known of files now and later: `checksums`, and the others as in `Recovery`."""
        self._plan = plan
        self._context = context
        self._sites = plan.header.sites
        self._checksums = checksums
        self._arrived = arrived
        self._sizes = sizes
        self._old_checkpoints = old_checkpoints
        self._memory_mb = memory_mb
        self.needless: Needless = {}
        self._done = done
        self._directories: dict[tuple[str, str], tuple[str, str, str]] = {}
        """By site and staging site: scratch, its URL, and work, as in `Attempt`."""

    @property
    def keeps_failed(self) -> bool:
        """Whether the directories of failed attempts are kept."""
        return self._context.keep_failed

    def make(self, id: AttemptId, failed_parents: Sequence[FailedParent] = ()) -> Attempt:
        """Return an attempt, ready to be submitted; without what `failed_parents` hold back.

        Raises:
            CorruptPlan: the job's line cannot be read, or names a site that lacks a directory it needs.
        """
        job, incomplete = self._plan.job(id.job), ""
        if needless := self.needless.get(id.job):
            kept = [file for file in job.transfers if file.lfn not in needless]
            job = msgspec.structs.replace(job, transfers=kept)
        if failed_parents:
            job, incomplete = partial_job(job, failed_parents)
        if done := self._done.get(id.job, ()):
            job = remaining_job(job, done)
        if memory_mb := self._memory_mb.get(id.job):
            job = msgspec.structs.replace(job, memory_mb=memory_mb)
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
        checksums, arrived = dict(self._known(job)), {}
        if id.number > 1:
            if job.kind in TRANSFERS:
                arrived = self._in_place(id.job, job)
            for output in job.outputs:
                if (
                    output.checkpoint
                ):  # an attempt before this one may have left a newer one, even if it was lost
                    checksums.pop(output.lfn, None)
        if self._old_checkpoints:
            job = self._without_old_checkpoints(job)
        return Attempt(
            id,
            job,
            self._context,
            scratch,
            work,
            checksums,
            url,
            arrived,
            incomplete,
            msgspec.to_builtins(done),
        )

    def _in_place(self, position: int, job: PlannedJob) -> dict[str, int | None]:
        """Return lfn → bytes of what attempts before this one may have put in place, of a job that moves files."""
        before: dict[str, int | None] = {}
        if job.kind is Kind.STAGE_IN:  # it succeeded before, and only some of its files are needed again
            before = {file.lfn: self._sizes[file.lfn] for file in job.transfers if file.lfn in self._sizes}
        return before | {moved.lfn: moved.bytes for moved in self._arrived.get(position, ())}

    def _without_old_checkpoints(self, job: PlannedJob) -> PlannedJob:
        inputs = [file for file in job.inputs if not (file.optional and file.lfn in self._old_checkpoints)]
        return job if len(inputs) == len(job.inputs) else msgspec.structs.replace(job, inputs=inputs)

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
        for lfn in job.keeps:
            if checksum := get(lfn):
                yield lfn, checksum
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


def run_context(directory: SubmitDir, header: Header, uuid: str, keep_failed: bool = False) -> RunContext:
    """Return what all attempts of a run have in common."""
    return RunContext(
        uuid=uuid,
        workflow=header.workflow,
        submit_dir=str(directory.path),
        integrity=header.integrity,
        transfer_threads=header.transfer_threads,
        transfer_attempts=header.transfer_attempts,
        catalog=str(directory.path / header.catalog) if header.catalog else None,
        keep_failed=keep_failed or header.keep_failed,
        passwords=str(directory.passwords) if directory.passwords.exists() else "",
        store=header.reuse.store if header.reuse else "",
        environments=msgspec.to_builtins(header.environments),
    )
