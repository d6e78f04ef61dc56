"""The plan as rows: tasks, jobs, edges, files and what the user says of them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from markab.errors import CorruptPlan
from markab.plan.file import PlanFile
from markab.plan.model import Kind
from markab.provenance.records import JobFacts, UseFacts, decode_job
from markab.provenance.writer import Row, Writer

JOBS_AT_ONCE = 20_000

TYPES: dict[str, str] = {
    Kind.COMPUTE: "compute",
    Kind.STAGE_IN: "stage-in-tx",
    Kind.STAGE_OUT: "stage-out-tx",
    Kind.STAGE_INTER: "inter-site-tx",
    Kind.CREATE_DIR: "create-dir",
    Kind.CLEANUP: "cleanup",
    Kind.REGISTER: "registration",
    Kind.SUBWORKFLOW: "dax",
}
"""Kind of a job → what the schema calls it."""

CHORES: dict[str, str] = {
    Kind.STAGE_IN: "pegasus::transfer",
    Kind.STAGE_OUT: "pegasus::transfer",
    Kind.STAGE_INTER: "pegasus::transfer",
    Kind.CREATE_DIR: "pegasus::dirmanager",
    Kind.CLEANUP: "pegasus::cleanup",
    Kind.REGISTER: "pegasus::rc-client",
}
"""Kind of a job that Markab does itself → the transformation that Pegasus would run for it."""

_WITH_TASKS = ("compute", "subworkflow")
SUBMIT_FILE = "plan.jsonl"
"""Pegasus has a file for each job; we have a line."""


class Brief(NamedTuple):
    """What the rows of an attempt need to know of its job. Shared by all jobs that are alike."""

    kind: str
    tasks: tuple[tuple[str, str], ...]
    """Transformation and executable of each."""


class Briefs:
    """Briefs by position: remembered from the first reading of a plan, or read when asked for."""

    def __init__(self, plan: PlanFile) -> None:
        self._plan = plan
        self._shared: dict[object, Brief] = {}
        self._all: list[Brief] = []

    def note(self, facts: JobFacts) -> None:
        """Remember the next job."""
        self._all.append(self._brief(facts))

    def __getitem__(self, position: int) -> Brief:
        if position < len(self._all):
            return self._all[position]
        return self._brief(facts_of(self._plan, position))

    def facts(self, position: int) -> JobFacts:
        """Return all that is read of a job."""
        return facts_of(self._plan, position)

    def _brief(self, facts: JobFacts) -> Brief:
        tasks = facts.tasks
        if len(tasks) == 1:
            key: object = facts.kind, tasks[0].transformation, tasks[0].executable
        else:
            key = facts.kind, tuple([(task.transformation, task.executable) for task in tasks])
        if (brief := self._shared.get(key)) is None:
            pairs = tuple([(task.transformation, task.executable) for task in tasks])
            brief = Brief(facts.kind, pairs or ((CHORES.get(facts.kind, facts.kind), "markab"),))
            self._shared[key] = brief
        return brief


def facts_of(plan: PlanFile, position: int) -> JobFacts:
    """Return what is read of a job.

    Raises:
        CorruptPlan: its line cannot be read.
    """
    try:
        return decode_job(plan.line(position))
    except msgspec.DecodeError as error:
        raise CorruptPlan(f"{str(plan.path)!r}, line {position + 2}: {error}") from error


class PlanRows:
    """Turns jobs, in the order of the plan, into rows, and hands them over some thousand jobs at a time.

    Numbers are given in the order of the plan: the same plan gives the same rows.
    """

    def __init__(self, plan: PlanFile, wf_id: int, writer: Writer, lfn_ids: dict[str, int]) -> None:
        """`lfn_ids` is filled with the number of every logical file of the plan."""
        self.first_job_id = writer.new_ids("job", len(plan))
        self._plan = plan
        self._wf_id = wf_id
        self._writer = writer
        self._lfn_ids = lfn_ids
        self._ids: list[str] = []
        self._tasks_of: list[str | None] = []
        """Of each job: its task, when it has just one."""
        self._with_places: set[int] = set()
        """Files whose replicas are written down already."""
        self._begin()

    def write(self, briefs: Briefs) -> None:
        """Write all rows; `briefs` remembers what attempts will need."""
        writer, wf_id = self._writer, self._wf_id
        writer.put("workflow_meta", [(wf_id, k, v) for k, v in self._plan.header.metadata.items()])
        waiting: list[JobFacts] = []
        for position in range(len(self._plan)):
            facts = facts_of(self._plan, position)
            briefs.note(facts)
            waiting.append(facts)
            if len(waiting) == JOBS_AT_ONCE:
                self._write(waiting)
                waiting = []
        self._write(waiting)

    def _begin(self) -> None:
        self._jobs: list[Row] = []
        self._job_edges: list[tuple[int, str, str]] = []
        self._tasks: list[Row] = []
        self._task_edges: list[tuple[int, str, str]] = []
        self._task_meta: list[Row] = []
        self._uses: list[Row] = []
        self._lfns: list[Row] = []
        self._meta: dict[tuple[int, str], str] = {}
        self._places: list[Row] = []

    def _write(self, jobs: list[JobFacts]) -> None:
        task_id = self._writer.new_ids("task", sum(len(job.tasks) for job in jobs))
        job_id = self.first_job_id + len(self._ids)
        self._number_files(jobs)
        for job in jobs:
            self._add_job(job, job_id)
            if job.tasks:
                task_id = self._add_tasks(job, job_id, task_id)
            else:
                self._add_places(job)
            job_id += 1
        put = self._writer
        put.insert("job", self._jobs)
        put.insert("task", self._tasks)
        put.insert("job_edge", sorted(self._job_edges))
        put.insert("task_edge", sorted(self._task_edges))
        put.put("task_meta", self._task_meta)
        put.insert("rc_lfn", self._lfns)
        put.insert("workflow_files", self._uses)
        put.put("rc_meta", [(lfn_id, key, value) for (lfn_id, key), value in sorted(self._meta.items())])
        if self._places:
            first = put.new_ids("rc_pfn", len(self._places))
            put.add_missing("rc_pfn", [(first + n, *place) for n, place in enumerate(self._places)])
        self._begin()

    def _add_job(self, job: JobFacts, job_id: int) -> None:
        ids, wf_id, tasks = self._ids, self._wf_id, job.tasks
        name = job.id
        ids.append(name)
        first = tasks[0] if tasks else None
        self._jobs.append(
            (
                job_id,
                wf_id,
                name,
                SUBMIT_FILE,
                TYPES.get(job.kind, "unknown"),
                len(tasks) > 1,
                job.retries,
                first.executable if first is not None else "markab",
                first.arguments if first is not None and len(tasks) == 1 else None,
                len(tasks),
            )
        )
        self._job_edges.extend([(wf_id, ids[parent], name) for parent in job.parents])

    def _add_tasks(self, job: JobFacts, job_id: int, task_id: int) -> int:
        wf_id, tasks_of = self._wf_id, self._tasks_of
        kind = TYPES.get(job.kind, "unknown")
        only = job.tasks[0].id if len(job.tasks) == 1 else None
        tasks_of.append(only)
        if only is not None:
            for parent in job.parents:
                if (above := tasks_of[parent]) is not None:
                    self._task_edges.append((wf_id, above, only))
        first = task_id
        for task in job.tasks:
            self._tasks.append((task_id, wf_id, job_id, task.id, task.transformation, task.arguments, kind))
            for key, value in task.metadata.items():
                self._task_meta.append((task_id, key, value))
            task_id += 1
        self._add_uses(job, first)
        return task_id

    def _add_uses(self, job: JobFacts, task_id: int) -> None:
        """Add the files of a job. The plan does not say which task of a cluster uses which: the first has all."""
        ids, used = self._lfn_ids, {}
        for use in job.inputs:
            number = ids[use.lfn]
            used[number] = "input"
            if use.sha256 is not None or use.metadata:
                self._describe(number, use)
            if use.sources and number not in self._with_places:
                self._with_places.add(number)
                self._places.extend([(number, url, None) for url in use.sources])
        for use in job.outputs:
            number = ids[use.lfn]
            used[number] = "checkpoint" if use.checkpoint else "inout" if number in used else "output"
            if use.metadata:
                self._describe(number, use)
        wf_id = self._wf_id
        self._uses.extend([(wf_id, task_id, number, kind) for number, kind in used.items()])

    def _add_places(self, job: JobFacts) -> None:
        self._tasks_of.append(None)
        if job.kind != Kind.STAGE_IN:
            return
        for transfer in job.transfers:
            number = self._lfn_ids[transfer.lfn]
            if number in self._with_places:
                continue
            self._with_places.add(number)
            self._places.extend([(number, place.url, place.site) for place in transfer.sources])
            if transfer.size_bytes is not None:
                self._meta[number, "size"] = str(transfer.size_bytes)
            if transfer.sha256 is not None:
                self._meta[number, "checksum.type"] = "sha256"
                self._meta[number, "checksum.value"] = transfer.sha256

    def _describe(self, number: int, use: UseFacts) -> None:
        meta = self._meta
        if use.sha256 is not None:
            meta[number, "checksum.type"] = "sha256"
            meta[number, "checksum.value"] = use.sha256
        for key, value in use.metadata.items():
            meta[number, key] = value

    def _number_files(self, jobs: list[JobFacts]) -> None:
        """Give a number to every file that has none."""
        ids = self._lfn_ids
        new: dict[str, None] = {}
        for job in jobs:
            for use in job.inputs:
                if use.lfn not in ids:
                    new[use.lfn] = None
            for use in job.outputs:
                if use.lfn not in ids:
                    new[use.lfn] = None
            for transfer in job.transfers:
                if transfer.lfn not in ids:
                    new[transfer.lfn] = None
        if not self._writer.is_first:
            known = self._writer.ids_of_lfns(new)
            ids.update(known)
            new = {lfn: None for lfn in new if lfn not in known}
        first = self._writer.new_ids("rc_lfn", len(new))
        self._lfns = [(first + n, lfn) for n, lfn in enumerate(new)]
        ids.update(zip(new, range(first, first + len(new)), strict=True))
