"""The jobs of a Workflow as a drawing needs them, and showing a drawing in a notebook or a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markab import operations
from markab.api import dependencies, notebook
from markab.api.errors import PegasusClientError, PegasusError, Result
from markab.errors import DrawingError
from markab.formatting import printable
from markab.spec.model import Dependency, Task, Use, Workflow

if TYPE_CHECKING:
    from markab.api.workflow_document import WorkflowDocument


def workflow_model(workflow: WorkflowDocument) -> Workflow:
    """Return the document of a workflow in memory, with the fields that a drawing needs."""
    edges = dependencies.edges(workflow.jobs, workflow.dependencies, workflow.infer_dependencies)
    return Workflow(
        pegasus="5.0",
        name=workflow.name,
        jobs=[_task(id, job) for id, job in workflow.jobs.items()],
        job_dependencies=[
            Dependency(parent, [child for child in children if child in workflow.jobs])
            for parent, children in edges
            if parent in workflow.jobs
        ],
    )


def _task(id: str, job: Any) -> Task:
    """Return the task of a Job or SubWorkflow."""
    uses = [Use(use.file.lfn, use.type) for use in job.uses]
    if job.is_sub_workflow:
        document = job.file if isinstance(job.file, str) else job.file.name
        return Task(id, job.type, file=document, uses=uses, node_label=job.node_label)
    return Task(
        id,
        name=job.transformation,
        namespace=job.namespace,
        version=job.version,
        uses=uses,
        node_label=job.node_label,
    )


def show(
    drawing: operations.Drawing, output: Path | None, width: float | None = None, height: float | None = None
) -> None:
    """Write a drawing to `output`, in the format of its suffix; without `output`, show it in the notebook or print it.

    Raises:
        PegasusError: Graphviz is needed and not installed.
        PegasusClientError: Graphviz failed.
    """
    try:
        if output is not None:
            operations.write_drawing(drawing, output, None, width, height)
        elif notebook.kernel() is not None:
            text = printable(f"{drawing.name}: a picture of {drawing.jobs:,} jobs")
            notebook.show_picture(operations.inline_svg(drawing, width, height), text)
        else:
            sys.stdout.write(operations.render_drawing(drawing, "dot", width, height).decode())
    except DrawingError as error:
        if error.stderr:
            raise PegasusClientError(str(error), Result(error.returncode, stderr=error.stderr)) from error
        raise PegasusError(str(error), error.hint) from error
