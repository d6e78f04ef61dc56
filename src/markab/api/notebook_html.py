"""Statuses, tables and texts as HTML for a notebook. Pure: values in, text out.

Colours are those of drawings, so that the bar, the table and the graph of a run
agree. All other colours are those of the page, which may be light or dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from markab.api.progress_bar import counts
from markab.formatting import duration, html_text, titled
from markab.reports.graph.state_styles import STATE_STYLES

if TYPE_CHECKING:
    from markab.operations import Status

SHADES = {
    "Completed": STATE_STYLES["succeeded"].color,
    "Failed": STATE_STYLES["failed"].color,
    "Running": STATE_STYLES["running"].color,
    "Queued": STATE_STYLES["queued"].color,
    "Unready": STATE_STYLES["waiting"].color,
}
"""Condition of jobs, in the order drawn → its colour."""

JOBS_SHOWN = 4
INNER_SHOWN = 8
"""Sub-workflows that have a line below the bar: those under way or failed first."""

_BOX = "max-width:56em;font-family:system-ui,sans-serif;font-size:13px;line-height:1.5"
_SOFT = "opacity:.7"
_CELL = "text-align:left;vertical-align:top;padding:.15em .8em"
_NUMBER = "text-align:right;vertical-align:top;padding:.15em .8em;font-variant-numeric:tabular-nums"


def progress_html(status: Status, now_s: float) -> str:
    """Return the progress of a run: a line, a bar of five colours, and the running jobs.

    The parts that change between two statuses have a name in `data-text` or `data-cell`.
    All of them are always present, so that a page can change them in place.
    """
    numbers = counts(status)
    elapsed_s = status.times(now_s).elapsed_s if status.started else None
    is_over = status.is_over
    clock = "" if elapsed_s is None else duration(elapsed_s)
    cells = "".join(
        f'<div data-cell="{name}" style="width:{100 * numbers[name] / max(status.total, 1):.3f}%;background:{shade}'
        f'{";opacity:.25" if name == "Unready" else ""}"></div>'
        for name, shade in SHADES.items()
    )
    legend = " ".join(
        f'<span style="white-space:nowrap;margin-right:1em"><span style="color:{shade}">●</span> {name} '
        f'<b data-text="{name}">{numbers[name]:,}</b></span>'
        for name, shade in SHADES.items()
    )
    return (
        f'<div style="{_BOX}" data-elapsed="{"" if elapsed_s is None else f"{elapsed_s:.1f}"}" data-over="{int(is_over)}">'
        f'<div style="display:flex;justify-content:space-between"><span><b>{html_text(status.workflow)}</b> '
        f'<span data-text="state">{html_text(status.state)}</span></span>'
        f'<span><span data-text="clock">{clock}</span> · '
        f'<span data-text="percent">{status.percent_done:.1f} %</span></span></div>'
        '<div role="progressbar" aria-label="jobs" style="display:flex;height:10px;border-radius:5px;overflow:hidden;margin:3px 0">'
        f"{cells}</div><div>{legend}</div>"
        f'<div style="{_SOFT};min-height:1.5em" data-text="now">{html_text(_now(status))}</div>'
        f'<div style="{_SOFT}" data-text="inner">{_inner(status)}</div></div>'
    )


def status_html(status: Status, now_s: float, queue: bool = True) -> str:
    """Return the tables of a status: the counts, and the jobs under way."""
    columns = {
        "unready": status.unready,
        "ready": status.ready,
        "queued": status.queued,
        "success": status.succeeded,
        "failure": status.failed,
        "total": status.total,
    }
    took = f", {status.times(now_s).text()}" if status.started else ""
    parts = [
        f"<b>{html_text(status.workflow)}</b> {html_text(status.state)}{took}",
        table_html(
            [*columns, "done"],
            [[*(f"{number:,}" for number in columns.values()), f"{status.percent_done:.1f} %"]],
            numbers=range(len(columns) + 1),
        ),
    ]
    if queue and status.jobs:
        jobs = [
            [
                titled(job.id, job.label),
                job.site,
                "running" if job.state == "Run" else "waiting there",
                str(job.attempt),
                duration(now_s - job.since),
            ]
            for job in status.jobs[:20]
        ]
        parts.append(table_html(["job", "site", "", "attempt", "for"], jobs, numbers=(3, 4)))
        if more := len(status.jobs) - len(jobs):
            parts.append(f'<div style="{_SOFT}">… and {more:,} more</div>')
    if status.inner:
        rows = [
            [name, one.workflow, one.state, f"{one.succeeded:,}", f"{one.failed:,}", f"{one.total:,}"]
            for name, one in status.inner
        ]
        head = ["sub-workflow", "workflow", "state", "success", "failure", "total"]
        parts.append(table_html(head, rows, numbers=(3, 4, 5)))
    if status.note:
        parts.append(f"<div>{html_text(status.note)}</div>")
    return boxed(*parts)


def boxed(*parts: str) -> str:
    """Return parts below each other, in the common style of outputs."""
    return f'<div style="{_BOX}">{"".join(parts)}</div>'


def folded(title: str, inside: str, is_open: bool = False) -> str:
    """Return a part that can be folded; its title, which is escaped, remains visible."""
    unfolded = ' open="open"' if is_open else ""
    return (
        f'<details style="margin:.5em 0"{unfolded}><summary style="cursor:pointer">'
        f"<b>{html_text(title)}</b></summary>{inside}</details>"
    )


def table_html(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    """Return a table; the columns in `numbers` are aligned as numbers are. All text is escaped."""
    right = set(numbers)

    def line(cells: Sequence[str], tag: str) -> str:
        return (
            "<tr>"
            + "".join(
                f'<{tag} style="{_NUMBER if column in right else _CELL}">{html_text(cell)}</{tag}>'
                for column, cell in enumerate(cells)
            )
            + "</tr>"
        )

    head = f"<thead>{line(header, 'th')}</thead>" if any(header) else ""
    body = "".join(line(row, "td") for row in rows)
    table = f'<table style="margin:.4em 0;font-size:inherit">{head}<tbody>{body}</tbody></table>'
    return f'<div style="overflow-x:auto">{table}</div>'


def text_html(text: str) -> str:
    """Return preformatted text."""
    return f'<pre style="margin:.3em 0;white-space:pre-wrap">{html_text(text)}</pre>'


def _inner(status: Status) -> str:
    """Return a line for each sub-workflow, with how many of its jobs are done."""
    order = {"Failure": 0, "Running": 1}
    every = sorted(status.inner, key=lambda one: order.get(one[1].state, 2))
    lines = [
        f"{name}: {one.state}, {one.succeeded:,} of {one.total:,} jobs"
        + (f", {one.failed:,} failed" if one.failed else "")
        for name, one in every[:INNER_SHOWN]
    ]
    more = len(every) - INNER_SHOWN
    lines += [f"and {more:,} more sub-workflows"] if more > 0 else []
    return "".join(f"<div>{html_text(line)}</div>" for line in lines)


def _now(status: Status) -> str:
    running = [titled(job.id, job.label) for job in status.jobs if job.state == "Run"]
    names = ", ".join(running[:JOBS_SHOWN])
    more = f" and {len(running) - JOBS_SHOWN:,} more" if len(running) > JOBS_SHOWN else ""
    return " · ".join(part for part in (names + more, status.note) if part)
