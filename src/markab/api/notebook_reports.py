"""The output of `Workflow.analyze`, `Workflow.statistics` and of a Workflow itself in a notebook, as HTML."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markab import operations
from markab.api.notebook_html import boxed, folded, table_html, text_html
from markab.errors import MarkabError
from markab.formatting import html_text

if TYPE_CHECKING:
    from markab.api.workflow_document import WorkflowDocument

JOBS_DRAWN = 60
"""A workflow of more jobs is shown as a table only; `graph` draws it."""
CAUSES_SHOWN = 10
CAUSES_OPEN = 3
NAMES_SHOWN = 5
TRANSFORMATIONS_SHOWN = 25


def workflow_html(workflow: WorkflowDocument, submit_dir: Path | None = None) -> str:
    """Return a table about a workflow, and its picture if it is small."""
    runs = Counter(_runs(job) for job in workflow.jobs.values())
    names = ", ".join(f"{name} × {number:,}" if number > 1 else name for name, number in runs.most_common(12))
    if len(runs) > 12:
        names += ", …"
    rows = [["jobs", f"{len(workflow.jobs):,}"], ["of", names]]
    if workflow._path is not None:
        rows.append(["document", str(workflow._path)])
    if submit_dir is not None:
        rows += [["submit directory", str(submit_dir)], ["state", _state(submit_dir)]]
    picture = _picture(workflow, submit_dir) if 0 < len(workflow.jobs) <= JOBS_DRAWN else ""
    return boxed(f"<b>{html_text(workflow.name)}</b>", table_html([], rows), picture)


def analysis_html(found: operations.FailureReport) -> str:
    """Return the failures of a run: its state, then each cause in a part that can be folded."""
    from markab.formatting import clipped, count

    first, *rest = found.headline()
    parts = [f"<b>{html_text(first)}</b>", *(f"<div>{html_text(line.strip())}</div>" for line in rest)]
    for number, group in enumerate(found.groups[:CAUSES_SHOWN]):
        blocked = f", holds up {count(group.blocked, 'job')}" if group.blocked else ""
        title = f"✗ {found.job_names(group, NAMES_SHOWN)}: {clipped(group.cause.title, 300)}{blocked}"
        details = text_html("\n".join(found.group_lines(group)))
        parts.append(folded(title, details, is_open=number < CAUSES_OPEN))
    if (hidden := len(found.groups) - CAUSES_SHOWN) > 0:
        parts.append(f"<div>… and {count(hidden, 'more kind', 'more kinds')} of failure</div>")
    if lines := found.undelivered_lines():
        _, head, *files = lines
        parts.append(folded(head, text_html("\n".join(files)), is_open=True))
    return boxed(*parts)


def statistics_html(found: operations.Statistics) -> str:
    """Return the statistics of a run: the summary and the transformations as tables, the rest folded."""
    header, *outcomes = _section(found, "summary")
    _, *wall_times = _section(found, "wall-times")
    (title, *_), *others = sections_of(operations.statistics_text(found))
    parts = [
        f"<b>{html_text(title)}</b>",
        *(f"<div>{html_text(note)}</div>" for note in found.notes),
        table_html(header, outcomes, range(1, len(header))),
        table_html([], wall_times),
    ]
    header, *transformations = _section(found, "transformations")
    if transformations:
        shown = table_html(header, transformations[:TRANSFORMATIONS_SHOWN], range(2, len(header)))
        if (more := len(transformations) - TRANSFORMATIONS_SHOWN) > 0:
            shown += (
                f"<div>… and {more:,} more, in {html_text(str(Path(found.submit_dir) / 'statistics'))}</div>"
            )
        parts.append(folded("Transformations", shown, is_open=True))
    for name, *lines in others:
        if not name.startswith("note: "):
            parts.append(folded(name, table_html([], [re.split(r"\s{2,}", line.strip()) for line in lines])))
    return boxed(*parts)


def sections_of(text: str) -> list[list[str]]:
    """Return the parts of a text, each with its title first; a title begins with `# `."""
    found: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("# "):
            found.append([line[2:]])
        elif line and found:
            found[-1].append(line)
    return found


def _section(found: operations.Statistics, section: str) -> list[list[str]]:
    return [_texts(row) for row in operations.statistics_rows(found, section)]


def _texts(row: Iterable[object]) -> list[str]:
    return ["-" if cell is None else f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row]


def _runs(job: Any) -> str:
    return str(getattr(job, "transformation", None) or "sub-workflow")


def _state(submit_dir: Path) -> str:
    """Return the state of a run as text; an unreadable run must not prevent showing its workflow."""
    try:
        status = operations.read_status(submit_dir)
    except MarkabError as error:
        return f"cannot be read: {error}"
    return f"{status.state}, {status.succeeded:,} of {status.total:,} jobs succeeded"


def _picture(workflow: WorkflowDocument, submit_dir: Path | None) -> str:
    from markab.api.graph import workflow_model

    drawing = operations.draw(workflow_model(workflow), states_of=submit_dir)
    return f'<div style="overflow:auto;max-height:40em">{operations.inline_svg(drawing)}</div>'
