"""Drawing a workflow, or a run with the states of its jobs."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from markab.operations.readable_runs import open_run
from markab.operations.run_names import Run, is_run

if TYPE_CHECKING:
    from markab.reports.graph.drawing import Drawing, JobGraph
    from markab.spec.model import Workflow


def draw(
    what: Run | Workflow = None,
    *,
    states_of: Run = None,
    files: bool = False,
    simplify: bool = True,
    label: str = "label",
    remove: Collection[str] = (),
    full: bool = False,
    recursive: bool = False,
) -> Drawing:
    """Return the drawing of a workflow, of a workflow document, or of a run with its states.

    None is the run that the current directory is in, or `workflow.yml` in it. A
    workflow has the states that its tasks have in the run `states_of`, if that was started.
    With `recursive`, a run has the jobs of its sub-workflows too.

    Raises:
        NotARun: the directory is neither.
        DocumentError, CorruptPlan, CorruptJournal, NewerFormat: it cannot be read.
        ValueError: `label` is none of the kinds there are.
    """
    from markab.reports.graph import drawing
    from markab.reports.graph.sources import with_task_states

    graph = open_graph(what, recursive=recursive)
    if states_of is not None:
        graph = with_task_states(graph, states_of)
    return drawing.draw(graph, files=files, simplify=simplify, label=label, remove=remove, full=full)


def open_graph(what: Run | Workflow, *, recursive: bool = False) -> JobGraph:
    """Return the graph of a workflow, of a document or a DAG file, or of a run with its states; None and `recursive` as in `draw`.

    Raises:
        NotARun: a directory that is no run, and has no `workflow.yml`.
        DocumentError, CorruptPlan, StorageError …: it cannot be read.
    """
    from markab.reports.graph.sources import document_graph, workflow_graph
    from markab.reports.pegasus_runs.graph import dag_graph
    from markab.spec.model import Workflow as Spec

    if isinstance(what, Spec):
        return workflow_graph(what)
    place = Path() if what is None else Path(what)
    inside = place.parent if place.suffix == ".dag" else place
    if is_run(inside):
        return open_run(inside).graph(recursive=recursive)
    if what is None and not Path("workflow.yml").exists() and is_run():
        return open_run().graph(recursive=recursive)
    return dag_graph(place) if place.suffix == ".dag" and place.is_file() else document_graph(place)


def render_drawing(
    drawing: Drawing, format: str, width: float | None = None, height: float | None = None
) -> bytes:
    """Return a drawing in a format: dot, mermaid, svg, json, or one of Graphviz. Width and height are in inches.

    Raises:
        DrawingError: the format needs Graphviz, and it is missing or failed.
    """
    from markab.reports.graph.files import rendered

    return rendered(drawing, format, width, height)


def write_drawing(
    drawing: Drawing,
    output: Path,
    format: str | None = None,
    width: float | None = None,
    height: float | None = None,
) -> None:
    """Write a drawing in a format, by default that of the suffix of `output`. Raises as `render_drawing`.

    Raises:
        StorageError: it cannot be written.
    """
    from markab.reports.graph import files

    files.write_drawing(drawing, output, format, width, height)


def inline_svg(drawing: Drawing, width: float | None = None, height: float | None = None) -> str:
    """Return a drawing as an SVG element for an HTML page, made without Graphviz. Width and height are in inches."""
    from markab.reports.graph import svg

    return svg.inline_svg(drawing, width, height)
