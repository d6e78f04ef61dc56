"""Reading the graph of a workflow document or of a submit directory."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from markab.errors import MarkabError, NotARun
from markab.journal.run_reader import RunReader
from markab.plan.job_label import joined_labels
from markab.plan.model import Kind, PlannedJob
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import PLAN
from markab.reports.graph.drawing import JobGraph
from markab.reports.graph.state_styles import shown_states
from markab.spec.model import Task, Workflow, transformation_name
from markab.spec.reader import read_workflow

ReadMade = tuple[Collection[str], Collection[str]]


class JobSketch(msgspec.Struct, frozen=True, gc=False):
    """The fields of a plan's line that a drawing needs."""

    id: str
    kind: str
    site: str = ""
    parents: list[int] = []
    tasks: list[TaskSketch] = []

    @property
    def xform(self) -> str:
        """The transformations it runs, or its kind."""
        if self.kind == Kind.COMPUTE and self.tasks:
            names = dict.fromkeys(task.transformation for task in self.tasks)
            return " + ".join(names) if len(names) <= 3 else f"{len(names)} transformations"
        return self.kind

    @property
    def label(self) -> str:
        """As `PlannedJob.label`."""
        return joined_labels(task.node_label for task in self.tasks)


class TaskSketch(msgspec.Struct, frozen=True, gc=False):
    """The fields of a task in the plan that a drawing needs."""

    id: str
    transformation: str
    node_label: str = ""


def document_graph(place: Path) -> JobGraph:
    """Return the graph of a workflow document, or of the `workflow.yml` in a directory.

    Raises:
        NotARun: a directory that has none, and is no submit directory either.
        DocumentError: the document cannot be read.
    """
    if not place.is_dir():
        return workflow_graph(read_workflow(place))
    if (document := place / "workflow.yml").exists():
        return workflow_graph(read_workflow(document))
    raise NotARun(
        f"{str(place)!r} has neither {PLAN} nor workflow.yml",
        hint="name a workflow document, or the submit directory that `markab plan` printed",
    )


def workflow_graph(workflow: Workflow) -> JobGraph:
    """Return the graph of an abstract workflow: explicit dependencies, and those by files."""
    tasks = workflow.jobs
    number = {task.id: position for position, task in enumerate(tasks)}
    files = [_files_of_task(task) for task in tasks]
    maker = {lfn: position for position, (_, makes) in enumerate(files) for lfn in makes}
    parents: list[set[int]] = [set() for _ in tasks]
    for dependency in workflow.job_dependencies:
        for child in dependency.children:
            parents[number[child]].add(number[dependency.id])
    for position, (reads, _) in enumerate(files):
        parents[position].update(maker[lfn] for lfn in reads if maker.get(lfn, position) != position)
    xforms = [_executable(task) for task in tasks]
    return JobGraph(
        name=workflow.name,
        ids=[task.id for task in tasks],
        labels=[task.node_label or xform for task, xform in zip(tasks, xforms, strict=True)],
        xforms=xforms,
        kinds=["compute" if task.type == "job" else "subworkflow" for task in tasks],
        parents=[sorted(its_parents) for its_parents in parents],
        files=files.__getitem__,
    )


def run_graph(submit_dir: str | Path) -> JobGraph:
    """Return the graph of an executable workflow, with the states of its jobs if it has been started."""
    run = RunReader(submit_dir)
    run.read()
    states = shown_states(run) if run.history.runs else None
    return plan_graph(run.plan, states)


def with_task_states(graph: JobGraph, submit_dir: str | os.PathLike[str]) -> JobGraph:
    """Return the graph of a workflow with the states of its tasks in a run; those not in the plan were not run.

    It has no states if the run was never started, or cannot be read.
    """
    states = _task_states(submit_dir)
    return replace(graph, states=[states.get(task, "not-run") for task in graph.ids] if states else None)


def _task_states(submit_dir: str | os.PathLike[str]) -> dict[str, str]:
    try:
        run = RunReader(Path(submit_dir))
    except (MarkabError, OSError):
        return {}
    try:
        run.read()
        if not run.history.runs:
            return {}
        decode = msgspec.json.Decoder(JobSketch).decode
        return {
            task.id: state
            for position, state in enumerate(shown_states(run))
            for task in decode(run.plan.line(position)).tasks
        }
    except (MarkabError, OSError):
        return {}
    finally:
        run.close()


def plan_graph(plan: PlanFile, states: list[str] | None) -> JobGraph:
    """Return the graph of a plan."""
    decode = msgspec.json.Decoder(JobSketch).decode
    same: dict[str, str] = {}  # a million jobs have few transformations
    ids: list[str] = []
    labels: list[str] = []
    columns: tuple[list[str], list[str], list[str]] = [], [], []
    parents: list[Sequence[int]] = []
    for position in range(len(plan)):
        try:
            job = decode(plan.line(position))
        except msgspec.DecodeError:
            plan.job(position)  # raises an error with the line number
            raise
        ids.append(job.id)
        labels.append(job.label or job.id)
        parents.append(job.parents or ())
        for column, word in zip(columns, (job.xform, job.kind, job.site), strict=True):
            column.append(same.setdefault(word, word))
    xforms, kinds, sites = columns
    return JobGraph(
        name=plan.header.workflow,
        ids=ids,
        labels=labels,
        xforms=xforms,
        kinds=kinds,
        parents=parents,
        files=lambda position: files_of_job(plan.job(position)),
        states=states,
        sites=sites,
    )


def _executable(task: Task) -> str:
    if task.name is None:
        return task.file or task.id
    return transformation_name(task.namespace, task.name, task.version)


def _files_of_task(task: Task) -> ReadMade:
    reads = dict.fromkeys(use.lfn for use in task.uses if use.type in ("input", "inout"))
    makes = dict.fromkeys(use.lfn for use in task.uses if use.type in ("output", "inout"))
    if task.stdin is not None:
        reads[task.stdin] = None
    for stream in (task.stdout, task.stderr):
        if stream is not None:
            makes[stream] = None
    return reads, makes


def files_of_job(job: PlannedJob) -> ReadMade:
    """Return what a job reads, and what it makes or brings."""
    moved = dict.fromkeys(transfer.lfn for transfer in job.transfers)
    if job.kind == Kind.STAGE_IN:
        return (), moved
    if job.kind in (Kind.COMPUTE, Kind.SUBWORKFLOW):
        reads = dict.fromkeys(file.lfn for file in job.inputs)
        return reads, dict.fromkeys(file.lfn for file in job.outputs if file.lfn not in reads)
    return moved, ()
