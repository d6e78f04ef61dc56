"""The graphs of `Workflow.graph` and of a Workflow in a notebook; `markab.reports.graph` draws them."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from markab.api import dependencies, notebook
from markab.api.errors import PegasusClientError, PegasusError, Result
from markab.errors import MarkabError
from markab.journal.run_reader import RunReader
from markab.reports.graph.drawing import Drawing, JobGraph, draw
from markab.reports.graph.files import DrawingError, rendered, write_drawing
from markab.reports.graph.sources import workflow_graph
from markab.reports.graph.state_styles import shown_states
from markab.reports.graph.svg import style, svg_element
from markab.spec.model import transformation_name
from markab.spec.reader import read_workflow

if TYPE_CHECKING:
    from markab.api.job import AbstractJob
    from markab.api.workflow_document import WorkflowDocument

PAPER = ".wfg{background:var(--paper);border-radius:6px;max-width:100%;height:auto}"
"""A picture in a notebook has its own light background: it cannot detect whether the page is dark."""


def draw_document(
    document: Path,
    include_files: bool = True,
    simplify: bool = False,
    label: str = "label",
    remove: Collection[str] = (),
    run: Path | None = None,
) -> Drawing:
    """Return the drawing of a workflow document, coloured by the states of its tasks in `run`, a submit directory.

    Raises:
        ValueError: `label` is not one of LABELS.
    """
    graph = workflow_graph(read_workflow(document))
    if run is not None:
        states = task_states(run)
        graph.states = [states.get(task, "not-run") for task in graph.ids] if states else None
    return draw(graph, files=include_files, simplify=simplify, label=label, remove=remove)


def builder_graph(workflow: WorkflowDocument, run: Path | None = None) -> JobGraph:
    """Return the graph of a workflow in memory, coloured by the states of its tasks in `run`, a submit directory.

    Raises:
        PegasusError: two jobs make the same file, or a dependency names a job that is not in the workflow.
    """
    jobs = list(workflow.jobs.values())
    position = {id: place for place, id in enumerate(workflow.jobs)}
    parents: list[list[int]] = [[] for _ in jobs]
    for parent, children in dependencies.edges(
        workflow.jobs, workflow.dependencies, workflow.infer_dependencies
    ):
        for child in children:
            parents[position[child]].append(position[parent])
    names = [_name(job) for job in jobs]
    states = task_states(run) if run is not None else {}
    return JobGraph(
        name=workflow.name,
        ids=list(workflow.jobs),
        labels=[job.node_label or name for job, name in zip(jobs, names, strict=True)],
        xforms=names,
        kinds=["compute" if hasattr(job, "transformation") else "subworkflow" for job in jobs],
        parents=list(parents),
        files=lambda place: (
            [use.file.lfn for use in jobs[place].uses if use.type == "input"],
            [use.file.lfn for use in jobs[place].uses if use.type == "output"],
        ),
        states=[states.get(id, "not-run") for id in workflow.jobs] if states else None,
    )


class _TaskId(msgspec.Struct):
    id: str


class _PlanLine(msgspec.Struct):
    tasks: list[_TaskId] = []


def task_states(submit_dir: Path) -> dict[str, str]:
    """Return the state of every task of a run, as drawings show it.

    Empty if it was never started or cannot be read: the drawing then has no colours.
    """
    try:
        reader = RunReader(submit_dir)
    except (MarkabError, OSError):
        return {}
    try:
        reader.read()
        if not reader.history.runs:
            return {}
        decode = msgspec.json.Decoder(_PlanLine).decode
        return {
            task.id: state
            for place, state in enumerate(shown_states(reader.history, reader.state))
            for task in decode(reader.plan.line(place)).tasks
        }
    except (MarkabError, OSError):
        return {}
    finally:
        reader.close()


def show(
    drawing: Drawing, output: Path | None, width: float | None = None, height: float | None = None
) -> None:
    """Write a drawing to `output`, in the format of its suffix; without `output`, show it in the notebook or print it.

    Raises:
        PegasusError: Graphviz is needed and not installed.
        PegasusClientError: Graphviz failed.
    """
    try:
        if output is not None:
            write_drawing(drawing, output, None, width, height)
        elif notebook.kernel() is not None:
            text = f"{drawing.name}: a picture of {drawing.jobs:,} jobs"
            notebook.show_picture(inline_svg(drawing, width, height), text)
        else:
            sys.stdout.write(rendered(drawing, "dot", width, height).decode())
    except DrawingError as error:
        if error.stderr:
            raise PegasusClientError(str(error), Result(error.returncode, stderr=error.stderr)) from error
        raise PegasusError(str(error), error.hint) from error


def inline_svg(drawing: Drawing, width: float | None = None, height: float | None = None) -> str:
    """Return a drawing as an SVG element, made without Graphviz; `width` and `height` are in inches."""
    return svg_element(drawing, f"<style>{style('')}{PAPER}</style>", width, height)


def _name(job: AbstractJob) -> str:
    name = getattr(job, "transformation", None)
    if name is None:
        file = getattr(job, "file", None)
        return str(getattr(file, "lfn", None) or getattr(file, "name", ""))
    return transformation_name(getattr(job, "namespace", None), name, getattr(job, "version", None))
