"""The jobs of earlier runs of a workflow, as far as their submit directories can still be read; for comparison with those of now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markab.engine.recovery import Checksums, decode_products
from markab.errors import MarkabError
from markab.journal.attempt_record import Products
from markab.journal.reader import JournalReader
from markab.journal.records import AttemptEnd
from markab.plan.braindump import read_braindump
from markab.plan.model import ContentReuse, Kind, PlannedJob
from markab.plan.plan_file import PlanFile
from markab.plan.reused_tasks import read_reused_tasks
from markab.plan.submit_dir import SubmitDir
from markab.plan.task_alone import task_alone
from markab.reuse.result_index import open_index
from markab.transfers.base import is_local, path_of


@dataclass(frozen=True, slots=True)
class ComparedJob:
    """A job as it was planned, with what is known of the files that it reads."""

    job: PlannedJob
    checksums: Mapping[str, str]
    """Lfn → sha256 of its inputs, as far as known."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """Lfn → path of this machine from which an input was staged in."""
    run: Path = Path()
    """Submit directory."""


class EarlierJobs:
    """Finds jobs in the runs of a workflow, newest first; each run is read once, when it is needed."""

    def __init__(self, submit_dirs: Sequence[str]) -> None:
        """Look in these submit directories, newest first."""
        self._runs = map(_EarlierRun, map(Path, submit_dirs))
        self._read: list[_EarlierRun] = []

    def of(self, task: str) -> ComparedJob | None:
        """Return the job of a task as it was last used: in the newest run in which it succeeded, or that made what a newer one used again.

        None if there is none, or it can no longer be read.
        """
        maker = ""
        for run in self._all():
            if not maker and task in run.reused:
                maker = run.reused[task]
            elif maker in ("", run.uuid) and (found := run.facts(task)) is not None:
                return found
        return None

    def _all(self) -> Iterator[_EarlierRun]:
        yield from self._read
        for run in self._runs:
            self._read.append(run)
            yield run


def earlier_jobs(
    reuse: ContentReuse, workflow: str, *, but: Path | None = None, before: float | None = None
) -> EarlierJobs:
    """Return the jobs of the runs of a workflow, without the run `but`; planned before then, if given."""
    with open_index(reuse.index or None, create=False) as index:
        runs = index.last_runs(workflow, before=before)
    return EarlierJobs([run for run in runs if Path(run) != but])


class _EarlierRun:
    """A run whose plan and journal were read; without any jobs if they cannot be."""

    def __init__(self, submit_dir: Path) -> None:
        self._submit_dir = submit_dir
        self._checksums = Checksums()
        self._positions: dict[str, int] = {}
        self._plan: PlanFile | None = None
        self.uuid = ""
        self.reused: dict[str, str] = {}
        """Task that it left out → uuid of the run that made its outputs."""
        place = SubmitDir(submit_dir)
        try:
            self.uuid = read_braindump(place.braindump).get("wf_uuid") or ""
            self.reused = {task.task: task.run for task in read_reused_tasks(place.reused)}
            self._plan = PlanFile(place.plan)
            self._take(self._plan)
        except (MarkabError, OSError):
            self._positions.clear()

    def facts(self, task: str) -> ComparedJob | None:
        """Return the job of a task that succeeded in it."""
        position = self._positions.get(task)
        if position is None or self._plan is None:
            return None
        return facts_of(self._plan, position, self._checksums, self._submit_dir, task)

    def _take(self, plan: PlanFile) -> None:
        for body in JournalReader(SubmitDir(self._submit_dir).journal).bodies():
            entry = decode_products(body)
            if isinstance(entry, AttemptEnd) and entry.record.ok:
                learn(self._checksums, entry.record)
                if plan.outline[entry.job].kind is Kind.COMPUTE:
                    for task in plan.job(entry.job).tasks:
                        self._positions[task.id] = entry.job


def learn(checksums: Checksums, record: Products) -> None:
    """Add the checksums of the files that an attempt made or moved."""
    for made in record.outputs:
        checksums.add(made.lfn, made.sha256)
    for moved in record.transfers:
        checksums.add(moved.lfn, moved.sha256)


def facts_of(plan: PlanFile, position: int, checksums: Checksums, run: Path, task: str = "") -> ComparedJob:
    """Return what is known of a job of a plan, or of one task of it alone; `checksums` are those of its run."""
    job = task_alone(plan.job(position), task) if task else plan.job(position)
    known = dict(job.content.known) if job.content else {}
    for one in job.inputs:
        if sha256 := checksums.get(one.lfn, one.sha256):
            known[one.lfn] = sha256
    paths = {}
    for parent in map(plan.job, job.parents):
        if parent.kind is Kind.STAGE_IN:
            for transfer in parent.transfers:
                if transfer.sources and is_local(transfer.sources[0].url):
                    paths[transfer.lfn] = path_of(transfer.sources[0].url)
    return ComparedJob(job, known, paths, run)
