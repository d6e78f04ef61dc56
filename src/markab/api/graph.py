"""`Workflow.graph`: the document as a drawing; the work is done in `markab.reports`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from markab.api.errors import PegasusClientError, PegasusError, Result
from markab.reports.graph import Drawing, draw
from markab.reports.graph_files import DrawingError, rendered, write_drawing
from markab.reports.graph_sources import workflow_graph
from markab.spec.read import read_workflow


def draw_document(
    document: Path,
    include_files: bool = True,
    simplify: bool = False,
    label: str = "label",
    remove: Collection[str] = (),
) -> Drawing:
    """Return the drawing of a workflow document.

    Raises:
        ValueError: `label` is none of the kinds there are.
    """
    graph = workflow_graph(read_workflow(document))
    return draw(graph, files=include_files, simplify=simplify, label=label, remove=remove)


def show(
    drawing: Drawing, output: Path | None, width: float | None = None, height: float | None = None
) -> None:
    """Write a drawing to `output`, in the format its ending says; or show it where the user looks.

    Raises:
        PegasusError: Graphviz is needed and not installed.
        PegasusClientError: Graphviz failed.
    """
    try:
        if output is not None:
            write_drawing(drawing, output, None, width, height)
        elif (display := _notebook_display()) is not None:
            display(rendered(drawing, "svg", width, height).decode())
        else:
            sys.stdout.write(rendered(drawing, "dot", width, height).decode())
    except DrawingError as error:
        if error.stderr:
            raise PegasusClientError(str(error), Result(error.returncode, stderr=error.stderr)) from error
        raise PegasusError(str(error), error.hint) from error


def _notebook_display() -> Callable[[str], Any] | None:
    """Return what shows an SVG inline, if this is a notebook that could."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if type(shell).__name__ != "ZMQInteractiveShell":
        return None
    ipython: Any = __import__("IPython.display", fromlist=["SVG", "display"])
    return lambda svg: ipython.display(ipython.SVG(data=svg))
