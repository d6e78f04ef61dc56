"""The plan as rows: tasks, jobs, edges, files, and the user's metadata of them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from markab.errors import CorruptPlan
from markab.plan.model import Kind
from markab.plan.plan_file import PlanFile
from markab.provenance.auxiliary_transformations import AUXILIARY_TRANSFORMATIONS
from markab.provenance.plan_facts import JobFacts, UseFacts, decode_job
from markab.provenance.row_writer import Row, Writer
from markab.transfers.base import redact

TYPES: dict[str, str] = {
    Kind.COMPUTE: "compute",
    Kind.STAGE_IN: "stage-in-tx",
    Kind.STAGE_OUT: "stage-out-tx",
    Kind.STAGE_INTER: "inter-site-tx",
    Kind.CREATE_DIR: "create-dir",
    Kind.CLEANUP: "cleanup",
    Kind.REGISTER: "registration",
    Kind.SUBWORKFLOW: "dax",
    Kind.NOOP: "unknown",
}
"""Kind of a job → its name in the schema."""

SUBMIT_FILE = "plan.jsonl"
"""Pegasus has a submit file for each job; in Markab a job is a line of this file."""


class JobDescription(NamedTuple):
    """The facts about a job that the rows of its attempts need. Equal ones are shared between jobs."""

    kind: str
    tasks: tuple[tuple[str, str], ...]
    """Transformation and executable of each."""


class JobDescriptions:
    """Descriptions by position: kept from the first reading of a plan, or read from it on access."""

    def __init__(self, plan: PlanFile) -> None:
        self._plan = plan
        self._shared: dict[object, JobDescription] = {}
        self._all: list[JobDescription] = []

    def note(self, facts: JobFacts) -> None:
        """Add the next job."""
        self._all.append(self._description(facts))

    def __getitem__(self, position: int) -> JobDescription:
        if position < len(self._all):
            return self._all[position]
        return self._description(facts_of(self._plan, position))

    def facts(self, position: int) -> JobFacts:
        """Return all fields that the projection reads of a job."""
        return facts_of(self._plan, position)

    def _description(self, facts: JobFacts) -> JobDescription:
        tasks = facts.tasks
        if len(tasks) == 1:
            key: object = facts.kind, tasks[0].transformation, tasks[0].executable
        else:
            key = facts.kind, tuple([(task.transformation, task.executable) for task in tasks])
        if (description := self._shared.get(key)) is None:
            pairs = tuple([(task.transformation, task.executable) for task in tasks])
            description = JobDescription(
                facts.kind, pairs or ((AUXILIARY_TRANSFORMATIONS.get(facts.kind, facts.kind), "markab"),)
            )
            self._shared[key] = description
        return description


def facts_of(plan: PlanFile, position: int) -> JobFacts:
    """Return the fields that the projection reads of a job.

    Raises:
        CorruptPlan: its line cannot be read.
    """
    try:
        facts = decode_job(plan.line(position))
    except (msgspec.DecodeError, RecursionError) as error:
        raise CorruptPlan(
            f"{str(plan.path)!r}, line {position + 2}: {error}", hint="plan the workflow again"
        ) from error
    plan.check_parents(position, facts.parents)
    return facts


class PlanRows:
    """Converts jobs, in the order of the plan, into rows, and inserts them a few hundred or thousand at a time.

    Rows are numbered in the order of the plan: the same plan gives the same rows.
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
        """Files whose replicas have rows already."""
        self._next_task = writer.new_ids("task", 0)
        self._next_lfn = writer.new_ids("rc_lfn", 0)
        self._begin()

    def write(self, descriptions: JobDescriptions) -> None:
        """Write all rows, and add the jobs to `descriptions`."""
        writer, wf_id, plan, at_once = self._writer, self._wf_id, self._plan, self._writer.jobs_at_once
        writer.put("workflow_meta", [(wf_id, k, v) for k, v in plan.header.metadata.items()])
        for start in range(0, len(plan), at_once):
            jobs = [facts_of(plan, n) for n in range(start, min(len(plan), start + at_once))]
            if not writer.is_first:
                self._find_files(jobs)
            for position, job in enumerate(jobs, start):
                descriptions.note(job)
                self._add(job, self.first_job_id + position)
            self._write()

    def _begin(self) -> None:
        self._plain_jobs: list[Row] = []
        self._jobs: list[Row] = []
        self._job_edges: list[tuple[str, str]] = []
        self._tasks: list[Row] = []
        self._task_edges: list[tuple[str, str]] = []
        self._task_meta: list[Row] = []
        self._uses: list[Row] = []
        self._lfns: list[Row] = []
        self._meta: dict[tuple[int, str], str] = {}
        self._places: list[Row] = []

    def _write(self) -> None:
        put, wf_id = self._writer, self._wf_id
        put.insert("job", self._plain_jobs, ((..., wf_id, ..., SUBMIT_FILE, "compute", 0, ..., ..., ..., 1),))
        put.insert("job", self._jobs)
        put.new_ids("task", len(self._tasks))
        put.insert("task", self._tasks, ((..., wf_id, ..., ..., ..., ..., ...),))
        put.insert("job_edge", sorted(self._job_edges), ((wf_id, ..., ...),))
        put.insert("task_edge", sorted(self._task_edges), ((wf_id, ..., ...),))
        put.put("task_meta", self._task_meta)
        put.new_ids("rc_lfn", len(self._lfns))
        put.insert("rc_lfn", self._lfns)
        put.insert("workflow_files", self._uses, ((wf_id, ..., ..., ...),))
        put.put("rc_meta", [(lfn_id, key, value) for (lfn_id, key), value in sorted(self._meta.items())])
        if self._places:
            first = put.new_ids("rc_pfn", len(self._places))
            put.add_missing("rc_pfn", [(first + n, *place) for n, place in enumerate(self._places)])
        self._begin()

    def _add(self, job: JobFacts, job_id: int) -> None:
        ids, tasks, name = self._ids, job.tasks, job.id
        ids.append(name)
        if job.parents:
            self._job_edges += [(ids[parent], name) for parent in job.parents]
        if len(tasks) == 1 and job.kind == "compute":
            (task,) = tasks
            self._plain_jobs.append((job_id, name, job.retries, task.executable, task.arguments))
        else:
            only = tasks[0].arguments if len(tasks) == 1 else None
            kind, program = TYPES.get(job.kind, "unknown"), tasks[0].executable if tasks else "markab"
            row = (job_id, self._wf_id, name, SUBMIT_FILE, kind, int(len(tasks) > 1), job.retries)
            self._jobs.append((*row, program, only, len(tasks)))
        if tasks:
            self._add_tasks(job, job_id)
        else:
            self._tasks_of.append(None)
            self._add_transfers(job)

    def _add_tasks(self, job: JobFacts, job_id: int) -> None:
        first = self._next_task
        kind, tasks_of = TYPES.get(job.kind, "unknown"), self._tasks_of
        for task_id, task in enumerate(job.tasks, first):
            self._tasks.append((task_id, job_id, task.id, task.transformation, task.arguments, kind))
            if task.metadata:
                self._task_meta += [(task_id, key, value) for key, value in task.metadata.items()]
        self._next_task = first + len(job.tasks)
        if len(job.tasks) == 1:
            only = job.tasks[0].id
            tasks_of.append(only)
            for parent in job.parents:
                if (above := tasks_of[parent]) is not None:
                    self._task_edges.append((above, only))
        else:
            tasks_of.append(None)
        self._add_uses(job, first)

    def _add_uses(self, job: JobFacts, task_id: int) -> None:
        """Add the files of a job. The plan does not say which task of a cluster uses which: the first has all."""
        ids, used = self._lfn_ids, {}
        for use in job.inputs:
            number = ids.get(use.lfn) or self._number(use.lfn)
            used[number] = "input"
            if use.sha256 is not None or use.metadata:
                self._describe(number, use)
            if use.sources and number not in self._with_places:
                self._with_places.add(number)
                self._places += [(number, redact(place.url), place.site) for place in use.sources]
        for use in job.outputs:
            number = ids.get(use.lfn) or self._number(use.lfn)
            used[number] = "checkpoint" if use.checkpoint else "inout" if number in used else "output"
            if use.metadata:
                self._describe(number, use)
        self._uses += [(task_id, number, kind) for number, kind in used.items()]

    def _add_transfers(self, job: JobFacts) -> None:
        for transfer in job.transfers:
            number = self._lfn_ids.get(transfer.lfn) or self._number(transfer.lfn)
            if job.kind != Kind.STAGE_IN or number in self._with_places:
                continue
            self._with_places.add(number)
            self._places += [(number, redact(place.url), place.site) for place in transfer.sources]
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

    def _number(self, lfn: str) -> int:
        """Assign a number to a file that has none."""
        self._lfn_ids[lfn] = number = self._next_lfn
        self._next_lfn = number + 1
        self._lfns.append((number, lfn))
        return number

    def _find_files(self, jobs: list[JobFacts]) -> None:
        """Look up the numbers of those files that are in the database."""
        new: dict[str, None] = {}
        for job in jobs:
            for files in (job.inputs, job.outputs, job.transfers):
                new.update((file.lfn, None) for file in files if file.lfn not in self._lfn_ids)
        self._lfn_ids.update(self._writer.ids_of_lfns(new))
