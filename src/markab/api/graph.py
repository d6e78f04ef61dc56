"""The abstract workflow as a drawing, in the DOT language of Graphviz."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markab.api.dependencies import edges
from markab.api.errors import PegasusError
from markab.api.job import AbstractJob

if TYPE_CHECKING:
    from markab.api.workflow import Workflow

Edges = dict[str, list[str]]


class DrawingError(PegasusError):
    """Graphviz did not like what it was given."""

    def __init__(self, returncode: int, stderr: str) -> None:
        super().__init__(f"dot failed with exit code {returncode}: {stderr.strip()}")
        self.args = (returncode, stderr)
        self.returncode = returncode
        self.stderr = stderr


def _executable(job: AbstractJob) -> str:
    return str(next(value for name, value in job._names() if name in ("transformation", "file")))


LABELS: dict[str, Callable[[AbstractJob], str]] = {
    "label": lambda job: job.node_label or _executable(job),
    "xform": _executable,
    "id": lambda job: str(job._id),
    "xform-id": lambda job: f"{_executable(job)}\n{job._id}",
    "label-xform": lambda job: f"{job.node_label or job._id}\n{_executable(job)}",
    "label-id": lambda job: f"{job.node_label or _executable(job)}\n{job._id}",
}
"""Kind of label → the text in a job's box."""


def to_dot(
    workflow: Workflow,
    include_files: bool = True,
    simplify: bool = False,
    label: str = "label",
    remove: Collection[str] = (),
    width: float | None = None,
    height: float | None = None,
) -> str:
    """Return the drawing as DOT text.

    `simplify` leaves out edges that a longer way implies, `remove` the jobs of
    these transformations. `width` and `height` are in inches.

    Raises:
        ValueError: `label` is none of LABELS.
    """
    if label not in LABELS:
        raise ValueError(f"label is {label!r}, but must be one of: {', '.join(LABELS)}")
    shown = {id: job for id, job in workflow.jobs.items() if _executable(job) not in remove}
    found = edges(workflow.jobs, workflow.dependencies, workflow.infer_dependencies)
    links = {parent: [c for c in children if c in shown] for parent, children in found if parent in shown}
    if simplify:
        links = without_shortcuts(links)
    lines = ["digraph {"]
    if width or height:
        lines.append(f'    size="{width or 100},{height or 100}"; ratio=fill;')
    lines.append("    node [shape=ellipse, style=filled, fillcolor=lightblue];")
    for id, job in shown.items():
        lines.append(f"    {_quote('job ' + id)} [label={_quote(LABELS[label](job))}];")
    lines += _with_files(shown, links) if include_files else _job_edges(links)
    return "\n".join([*lines, "}", ""])


def without_shortcuts(links: Edges) -> Edges:
    """Return the edges without those whose ends are also joined by a longer way."""
    kept: Edges = {}
    for parent, children in links.items():
        stack = [grandchild for child in children for grandchild in links.get(child, ())]
        further: set[str] = set()
        while stack:
            job = stack.pop()
            if job not in further:
                further.add(job)
                stack += links.get(job, ())
        kept[parent] = [child for child in children if child not in further]
    return kept


def show(dot: str, output: Path | None) -> None:
    """Write a drawing to `output`, in the format its ending says; or show it where the user looks.

    Raises:
        PegasusError: Graphviz is needed and not installed.
        DrawingError: Graphviz failed.
    """
    if output is not None and output.suffix in (".dot", ".gv"):
        output.write_text(dot, encoding="utf-8")
    elif output is not None:
        _render(dot, output.suffix.lstrip(".") or "png", output)
    elif (display := _notebook_display()) is not None:
        display(_render(dot, "png", None))
    else:
        sys.stdout.write(dot)


def _render(dot: str, format: str, output: Path | None) -> bytes:
    program = shutil.which("dot")
    if program is None:
        raise PegasusError(
            f"drawing as {format} needs Graphviz, and there is no `dot` on PATH",
            "install graphviz, or write text with output='workflow.dot'",
        )
    command = [program, f"-T{format}", *(["-o", str(output)] if output is not None else [])]
    done = subprocess.run(command, input=dot.encode(), capture_output=True, check=False)
    if done.returncode:
        raise DrawingError(done.returncode, done.stderr.decode(errors="replace"))
    return done.stdout


def _notebook_display() -> Callable[[bytes], Any] | None:
    """Return what shows a PNG inline, if this is a notebook that could."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if type(shell).__name__ != "ZMQInteractiveShell":
        return None
    ipython: Any = __import__("IPython.display", fromlist=["Image", "display"])
    return lambda png: ipython.display(ipython.Image(data=png))


def _with_files(jobs: dict[str, AbstractJob], links: Edges) -> Iterator[str]:
    """Yield nodes of files, edges through them, and the edges between jobs that share no file."""
    names = dict.fromkeys(use.file.lfn for job in jobs.values() for use in job._uses.values())
    for lfn in names:
        yield f"    {_quote('file ' + lfn)} [label={_quote(lfn)}, shape=box, fillcolor=white];"
    made: dict[str, str] = {}
    for id, job in jobs.items():
        for lfn, use in job._uses.items():
            if use.type == "input":
                yield f"    {_quote('file ' + lfn)} -> {_quote('job ' + id)};"
            else:
                made[lfn] = id
                yield f"    {_quote('job ' + id)} -> {_quote('file ' + lfn)};"
    for parent, children in links.items():
        for child in children:
            uses = jobs[child]._uses
            if not any(use.type == "input" and made.get(lfn) == parent for lfn, use in uses.items()):
                yield f"    {_quote('job ' + parent)} -> {_quote('job ' + child)} [style=dashed];"


def _job_edges(links: Edges) -> Iterator[str]:
    for parent, children in links.items():
        for child in children:
            yield f"    {_quote('job ' + parent)} -> {_quote('job ' + child)};"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
