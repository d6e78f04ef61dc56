"""What the jobs of a run made, for the index of results: read from its plan and its journal, when it has ended, however it did.

The journal is the only source, read from its start: so it does not matter which engine wrote it, whether it was
killed, or how often this is done. A job counts when it succeeded, its line in the plan says what makes its outputs
(`content`), and the checksums of all that it read and made are known. The key is made of the checksums as they
were at the end of its attempt: while an attempt is alive, nothing that it reads is made again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from markab.engine.recovery import Checksums, decode_products
from markab.errors import MarkabError
from markab.journal.attempt_record import Products
from markab.journal.lock import holder
from markab.journal.reader import JournalReader
from markab.journal.records import AttemptEnd
from markab.plan.braindump import read_braindump
from markab.plan.model import TRANSFERS, Content, Kind, PlannedJob
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import SubmitDir
from markab.reuse.content_key import content_key
from markab.reuse.file_checksums import FileChecksums
from markab.reuse.result_index import Made, ResultEntry, ResultIndex
from markab.transfers.base import is_local, path_of
from markab.transfers.tree_names import is_tree

IsSame = Callable[[str, str], bool]
ChecksumOf = Callable[[str], str | None]
"""lfn → sha256 in hex; None: not known."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A result on this machine."""

    path: str
    sha256: str
    size_bytes: int
    at: float
    """When it had been delivered; seconds since the epoch."""


@dataclass
class RunResults:
    """What a run made."""

    entries: list[ResultEntry] = field(default_factory=list)
    delivered: list[Delivered] = field(default_factory=list)
    scratch: list[tuple[str, str]] = field(default_factory=list)
    """(sha256, path) of what tasks made and the run left in scratch directories of this machine."""
    runs: dict[str, str] = field(default_factory=dict)
    """Task → UUID of the run that made its outputs of what was known when it was planned."""
    is_repeated: bool = False
    """A task succeeded twice, perhaps with other outputs."""
    mark: int = 0
    """How far the journal was read, in bytes."""


def key_of(job: PlannedJob, content: Content, checksum_of: ChecksumOf) -> str | None:
    """Return the key of a task of a job, from the checksums of what it reads; None if not all are known."""
    inputs = _inputs_of(job, content, checksum_of)
    return None if inputs is None else content_key(content.recipe, inputs.items())


def _inputs_of(job: PlannedJob, content: Content, checksum_of: ChecksumOf) -> dict[str, str] | None:
    """Return the checksums of what a task reads; None if not all are known."""
    fetched = {one.lfn: one for one in job.inputs if one.sources}
    inputs = {}
    for lfn in content.reads or [one.lfn for one in job.inputs]:
        if (one := fetched.get(lfn)) is not None:
            # A file that the job fetches itself is in no record: it was compared with the checksum in the plan.
            sha256 = None if one.link else one.sha256
        else:
            sha256 = checksum_of(lfn)
        if sha256 is None:
            return None
        inputs[lfn] = sha256.lower()
    return inputs


def read_results(place: SubmitDir, uuid: str, is_same: IsSame) -> RunResults:
    """Return what a run made so far.

    Args:
        is_same: (path, sha256) → a program is still what it was when the run was planned.

    Raises:
        MarkabError: plan or journal cannot be read.
    """
    plan = PlanFile(place.plan)
    try:
        fold = _Fold(plan, uuid, is_same)
        reader = JournalReader(place.journal)
        for body in reader.bodies():
            entry = decode_products(body)
            if isinstance(entry, AttemptEnd):
                fold.take(entry)
        fold.results.mark = reader.offset_bytes
        fold.results.scratch = list(fold.left_in_scratch())
        return fold.results
    finally:
        plan.close()


class _Fold:
    """The results after the records taken so far."""

    def __init__(self, plan: PlanFile, uuid: str, is_same: IsSame) -> None:
        self.results = RunResults()
        self._plan = plan
        self._uuid = uuid
        self._is_same = is_same
        self._checksums = Checksums()
        self._made: dict[tuple[str, str], str] = {}
        """(Site, lfn) → sha256 of what tasks made and cleanup has not removed."""

    def take(self, it: AttemptEnd[Products]) -> None:
        """Take the end of an attempt."""
        job, record = self._plan.job(it.job), it.record
        if not record.ok:
            if job.kind in TRANSFERS:
                self._checksums.learn_arrived(record.transfers)
            for made in record.outputs:  # of the tasks of a cluster that were done, and are not done again
                self._checksums.add(made.lfn, made.sha256)
            return
        if job.kind is Kind.COMPUTE:
            self._take_made(job, record)
        elif job.kind is Kind.STAGE_OUT:
            self._take_delivered(job, record, it.time)
        elif job.kind is Kind.CLEANUP:
            self._forget_removed(job)
        for moved in record.transfers:
            self._checksums.add(moved.lfn, moved.sha256)

    def left_in_scratch(self) -> Iterator[tuple[str, str]]:
        """Yield (sha256, path) of what tasks made and no cleanup removed, on this machine."""
        for (site, lfn), sha256 in self._made.items():
            scratch = self._plan.header.sites[site].scratch
            if scratch is not None and scratch.is_local:
                yield sha256, os.path.join(scratch.path, lfn)

    def _take_made(self, job: PlannedJob, record: Products) -> None:
        made = {one.lfn: one for one in record.outputs if one.sha256 and one.size is not None}
        for lfn, one in made.items():
            self._checksums.add(lfn, one.sha256)
            self._made[job.staging or job.site, lfn] = one.sha256 or ""
        for task in job.tasks:
            content = task.content
            if content is None or not all(self._is_same(*one) for one in content.programs.items()):
                continue
            makes = task.makes or [one.lfn for one in job.outputs]
            inputs = _inputs_of(job, content, self._checksums.get)
            if inputs is None or not all(lfn in made for lfn in makes):
                continue
            if record.reused is None:
                key = content_key(content.recipe, inputs.items())
                files = tuple(Made(lfn, made[lfn].sha256 or "", made[lfn].size or 0) for lfn in makes)
                self.results.entries.append(ResultEntry(key, self._uuid, job.id, files))
            if content.known.items() <= inputs.items():
                self.results.is_repeated |= task.id in self.results.runs
                self.results.runs[task.id] = record.reused.run if record.reused else self._uuid

    def _take_delivered(self, job: PlannedJob, record: Products, time: float) -> None:
        arrived = {moved.lfn: moved for moved in record.transfers}
        for transfer in job.transfers:
            if (moved := arrived.get(transfer.lfn)) is None or moved.link or is_tree(transfer.lfn):
                continue  # a directory is found again in the store only, where it is packed
            sha256 = moved.sha256 or self._checksums.get(transfer.lfn, transfer.sha256)
            for place in transfer.destinations:
                if sha256 and is_local(place.url) and moved.bytes is not None:
                    path = path_of(place.url)
                    self.results.delivered.append(Delivered(path, sha256.lower(), moved.bytes, time))

    def _forget_removed(self, job: PlannedJob) -> None:
        site = job.staging or job.site
        if job.removes_scratch:
            self._made = {key: sha256 for key, sha256 in self._made.items() if key[0] != site}
        for lfn in job.removes:
            self._made.pop((site, lfn), None)


def record_results(
    index: ResultIndex, checksums: FileChecksums, place: SubmitDir, uuid: str, *, is_over: bool
) -> RunResults | None:
    """Add what a run made to the index, and return it; None if it is not on disk. May be called again at any time.

    Args:
        index: to which it is added.
        checksums: what is known of files; learns of those that were delivered, and is saved.
        place: the submit directory.
        uuid: the run.
        is_over: no engine runs it any more, or this one has ended it.

    Raises:
        MarkabError: plan or journal cannot be read.
    """
    results = read_results(place, uuid, _IsSameProgram(checksums, os.stat(place.plan).st_mtime_ns))
    for one in results.delivered:
        checksums.remember(one.path, one.sha256, one.size_bytes, one.at)
    places = [(one.sha256, one.path) for one in results.delivered] + results.scratch
    is_recorded = index.record(uuid, results.entries, places, results.mark, is_over=is_over)
    checksums.save()
    return results if is_recorded else None


def record_unrecorded(index: ResultIndex) -> None:
    """Add what runs made whose end is not in the index, such as those whose engine was killed.

    A run that cannot be read, because it was moved, removed or damaged, is left out: its results are made again.
    """
    for uuid, submit_dir, mark in index.unrecorded():
        place = SubmitDir(Path(submit_dir))
        with suppress(MarkabError, OSError):
            if read_braindump(place.braindump).get("wf_uuid") != uuid:
                continue  # another run is at its place now
            is_over = holder(place.lock) is None  # before the journal is read: the engine may end meanwhile
            if is_over or os.stat(place.journal).st_size > mark:
                record_results(index, FileChecksums(index), place, uuid, is_over=is_over)


class _IsSameProgram:
    """Whether programs have been the same ever since the run was planned; each is looked at once.

    One that was changed and put back is not: a task may have run what it was in between.
    """

    def __init__(self, checksums: FileChecksums, planned_ns: int) -> None:
        self._checksums = checksums
        self._planned_ns = planned_ns
        self._known: dict[str, str | None] = {}

    def __call__(self, path: str, sha256: str) -> bool:
        if path not in self._known:
            try:
                is_untouched = max(os.lstat(path).st_ctime_ns, os.stat(path).st_ctime_ns) <= self._planned_ns
                self._known[path] = self._checksums.of(path) if is_untouched else None
            except (OSError, MarkabError):
                self._known[path] = None
        return self._known[path] == sha256
