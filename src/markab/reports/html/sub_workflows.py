"""The part of a run's page about its sub-workflows: a line for each, with a link to its page if there is one, and its failures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from markab.formatting import duration, html_text
from markab.plan.child_directory import runs_below
from markab.reports.analyzer import open_failures
from markab.reports.html.sections import SIGNS
from markab.reports.status import Status
from markab.reports.tree_status import TreeStatus

FAILURES_SHOWN = 20


def sub_workflows(submit_dir: Path, links: Mapping[str, str]) -> str:
    """Return the section; nothing if none has been planned yet."""
    inner = TreeStatus(submit_dir, why=False)().inner
    if not inner:
        return ""
    rows = "".join(_row(name, status, links.get(name, "")) for name, status in inner)
    heads = "".join(f"<th class=num>{word}</th>" for word in ("jobs", "succeeded", "failed", "elapsed"))
    return (
        "<section id=inner><h2>Sub-workflows</h2><p>The numbers, times and tables of this page are those of the "
        "workflow's own jobs, of which each sub-workflow is one; the graph has the jobs of all.</p>"
        f"<div class=scroll><table><thead><tr><th>sub-workflow</th><th>workflow</th><th>state</th>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>{''.join(_failures(submit_dir))}</section>"
    )


def above(links: Mapping[str, str]) -> str:
    """Return the link to the page of the run of which this is a sub-workflow, if there is one."""
    return f'<p><a href="{html_text(links[".."])}">part of another workflow</a></p>' if ".." in links else ""


def _row(name: str, status: Status, link: str) -> str:
    shown = f'<a href="{html_text(link)}">{html_text(name)}</a>' if link else html_text(name)
    state = f"{SIGNS.get(status.state, '')} {status.state}"
    numbers = [f"{number:,}" for number in (status.total, status.succeeded, status.failed)]
    times = status.times(status.active_until)
    numbers.append(duration(times.elapsed_s) if status.started else "–")
    cells = "".join(f"<td class=num>{number}</td>" for number in numbers)
    return f"<tr><th>{shown}</th><td>{html_text(status.workflow)}</td><td>{html_text(state)}</td>{cells}</tr>"


def _failures(submit_dir: Path) -> list[str]:
    """Return what `analyze` says of each that failed."""
    found: list[str] = []
    for below in runs_below(submit_dir):
        with open_failures(below.path) as report:
            if report.has_failure:
                found.append(
                    f"<details class=fail{' open' if not found else ''}><summary><b>{html_text(below.name)}</b></summary>"
                    f"<pre>{html_text(report.text().strip())}</pre></details>"
                )
        if len(found) == FAILURES_SHOWN:
            break
    return found
