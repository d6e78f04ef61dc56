"""The index of results while a run of the policy `content` is under way: the run is entered, asks for results, and is recorded.

When a job is about to start whose inputs other jobs made in this run, the keys of its tasks can be made at last. If a job of an
earlier run made all their outputs of the same, and all their bytes can be had, the attempt brings these to scratch, verified, in place of
running the tasks. So what ran again and made the same bytes as before ends there: nothing that follows from it runs. If bringing them
fails, the next attempt runs the tasks, and nothing counts as failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from markab.engine.recovery import Checksums
from markab.engine.request_answers import record_answer
from markab.engine.result_recording import key_of, record_results
from markab.errors import MarkabError
from markab.executors.base import Attempt, Record
from markab.plan.model import Content, ContentReuse, Kind, Place, PlannedJob, Transfer
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import SubmitDir
from markab.reuse.available import AvailableContents
from markab.reuse.content_store import ContentStore
from markab.reuse.file_checksums import FileChecksums
from markab.reuse.finished_requests import forget_requests
from markab.reuse.result_index import Made, ResultEntry, open_index
from markab.worker.record import output_entry


@dataclass(frozen=True, slots=True)
class Offer:
    """Outputs of a job that an earlier run made, and where their bytes are."""

    entries: Sequence[ResultEntry]
    """Of each of its tasks; all of one job of one run."""
    paths: Sequence[str]
    """Of each file in `made`."""

    @property
    def made(self) -> list[Made]:
        """The files, task by task."""
        return [one for entry in self.entries for one in entry.made]

    def attempt(self, attempt: Attempt) -> Attempt:
        """Return the attempt that brings them to scratch, in place of one that runs the tasks."""
        job, scratch = attempt.job, attempt.scratch
        site = job.staging or job.site
        made = self.made
        transfers = [
            Transfer(
                one.lfn,
                [Place("local", path)],
                [Place(site, f"{scratch}/{one.lfn}")],
                sha256=one.sha256,
                size_bytes=one.size_bytes,
            )
            for one, path in zip(made, self.paths, strict=True)
        ]
        brings = PlannedJob(job.id, Kind.STAGE_IN, job.site, staging=job.staging, transfers=transfers)
        checksums = {one.lfn: one.sha256 for one in made}
        return msgspec.structs.replace(attempt, job=brings, checksums=checksums)

    def record(self, brought: Record) -> Record:
        """Return the record of an attempt that brought them: that of the job, whose outputs are in place now."""
        record: Record = {
            key: brought[key] for key in ("ok", "host", "start", "end", "checked") if key in brought
        }
        record["outputs"] = [output_entry(one.lfn, one.size_bytes, one.sha256, False) for one in self.made]
        first = self.entries[0]
        record["reused"] = {"key": first.key, "run": first.run, "job": first.job}
        return record


class EarlierResults:
    """What earlier runs made, as one run asks for it, and where it is itself recorded."""

    def __init__(self, reuse: ContentReuse, plan: PlanFile, directory: SubmitDir, uuid: str) -> None:
        """Open the index, and enter the run."""
        self._directory = directory
        self._uuid = uuid
        self._finds = reuse.finds
        self._local_sites = plan.header.local_sites
        self._store = ContentStore(reuse.store) if reuse.store else None
        self._store_bytes = reuse.store_bytes
        self._index = open_index(reuse.index or None, create=True)
        self._available = AvailableContents(self._index, FileChecksums(self._index), self._store)
        self._index.add_run(uuid, str(directory.path), plan.header.workflow, directory.plan.stat().st_mtime)

    def offer(self, attempt: Attempt, checksums: Checksums) -> Offer | None:
        """Return what was made earlier in place of what a job would make; None if there is nothing, or not all of it.

        A job whose inputs are what was known when it was planned was looked up then, and runs; so does one of which
        some tasks are done.
        """
        job = attempt.job
        if not self._finds or job.site not in self._local_sites or not attempt.scratch or attempt.done:
            return None
        entries = self._entries_of(job, checksums)
        made = [one for entry in entries for one in entry.made]
        if not entries or {one.lfn for one in made} != {one.lfn for one in job.outputs}:
            return None
        paths = [self._available.path(one.sha256, one.size_bytes) for one in made]
        found = [path for path in paths if path is not None]
        return Offer(entries, found) if len(found) == len(paths) else None

    def _entries_of(self, job: PlannedJob, checksums: Checksums) -> list[ResultEntry]:
        """Return what one job of an earlier run made for all tasks of a job; nothing if there is no such job."""
        contents = [task.content for task in job.tasks if task.content is not None]
        if len(contents) < len(job.tasks) or all(_is_as_planned(job, one, checksums) for one in contents):
            return []
        inner: dict[str, str | None] = {lfn: None for task in job.tasks for lfn in task.makes}

        def checksum_of(lfn: str) -> str | None:
            return inner[lfn] if lfn in inner else checksums.get(lfn)

        entries: list[ResultEntry] = []
        for content in contents:
            key = key_of(job, content, checksum_of)
            entry = self._index.find([key]).get(key) if key else None
            if entry is None or (entries and (entry.run, entry.job) != (entries[0].run, entries[0].job)):
                return []
            entries.append(entry)
            inner.update({one.lfn: one.sha256 for one in entry.made})
        return entries

    def record(self, *, succeeded: bool) -> str:
        """Add to the index what the run made, now that it has ended; return what is wrong, or nothing.

        If all of it succeeded, its request is answered from now on.
        """
        try:
            index, checksums = self._index, FileChecksums(self._index)
            results = record_results(index, checksums, self._directory, self._uuid, is_over=True)
            if not self._finds:
                forget_requests(index)  # what was made again may differ from what other runs left
            if results is not None and succeeded:
                record_answer(index, checksums, self._directory, self._uuid, results)
        except MarkabError as error:
            return f"what this run made was not recorded, and is not found again: {error}"
        self._available.save()
        if self._store is not None and self._store_bytes:
            self._store.prune(self._store_bytes, uses=self._index.content_uses())
        if results is None and (problems := self._index.problems):
            return f"what this run made was not recorded: {problems[-1]}; when that is mended, `markab cache rebuild` enters it"
        return ""

    def close(self) -> None:
        """Close the index."""
        self._index.close()


def _is_as_planned(job: PlannedJob, content: Content, checksums: Checksums) -> bool:
    """Return whether all that a task reads is what was known when it was planned."""
    fetched = {one.lfn for one in job.inputs if one.sources}
    reads = content.reads or [one.lfn for one in job.inputs]
    return all(
        lfn in content.known and (lfn in fetched or checksums.get(lfn) == content.known[lfn]) for lfn in reads
    )
