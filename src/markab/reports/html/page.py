"""The web page of a run: one file that needs neither network nor server.

Its content security policy lets the browser load nothing and run only our script,
identified by its hash; the output of a job could not run even if it were not escaped.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from markab.formatting import html_text
from markab.plan.model import SUB_WORKFLOWS
from markab.reports.graph.files import write_file
from markab.reports.graph.state_styles import STATE_STYLES
from markab.reports.graph.svg import style
from markab.reports.html import sections as sections
from markab.reports.html.packed_data import packed
from markab.reports.html.run_data import RunData
from markab.reports.html.sub_workflows import above, sub_workflows

ASSETS = Path(__file__).with_name("assets")


def write_page(
    submit_dir: str | Path | None,
    output: Path,
    warnings: Sequence[str] = (),
    clock: Callable[[], float] = time.time,
    *,
    links: Mapping[str, str] = {},
) -> RunData:
    """Write the page of a run to `output`, with `warnings` below its title; return its data.

    Args:
        links: where the pages of its sub-workflows are, by the jobs on the way to them, and that of the run above, by "..".

    Raises:
        NotARun, CorruptPlan, CorruptJournal, NewerFormat: the run cannot be read.
        StorageError: the page cannot be written.
    """
    data = RunData(submit_dir)
    write_file(output, page(data, clock(), warnings, links).encode(errors="replace"))
    return data


def page(data: RunData, now: float, warnings: Sequence[str] = (), links: Mapping[str, str] = {}) -> str:
    """Return the page as text."""
    script = _asset("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    failed, scratch = sections.failures(data), sections.scratch(data)
    inner = sub_workflows(data.place.path, links) if SUB_WORKFLOWS in data.plan.header.sites else ""
    title = f"{data.status.workflow}: {data.status.state}"
    parts = [("summary", "Summary"), ("time", "Time"), ("resources", "Resources"), ("graph", "Graph")]
    parts = [
        parts[0],
        *([("failures", "Failures")] if failed else []),
        *([("inner", "Sub-workflows")] if inner else []),
        *parts[1:3],
        *([("scratch", "Scratch")] if scratch else []),
        *parts[3:],
        ("jobs", "Jobs"),
        ("files", "Files"),
    ]
    nav = "".join(f'<a href="#{name}">{text}</a>' for name, text in parts)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark"><title>{html_text(title)}</title>
<link rel="icon" href="data:,">
<style>{_css()}</style></head><body>
<nav aria-label="parts of the page"><b>markab</b>{nav}<button id="theme" type="button" title="light or dark" aria-label="light or dark">◐</button></nav>
<main>
<header>{above(links)}{sections.header(data, now, warnings)}</header>
<section id="summary">{sections.tiles(data, now)}{sections.job_table(data)}</section>
{failed}{inner}
<section id="time"><h2>Where time went</h2>{_time_section(data)}</section>
<section id="resources"><h2>Resources by transformation</h2>{sections.resources(data)}</section>
{scratch}<section id="graph"><h2>Workflow</h2>{sections.graph(data)}</section>
<section id="jobs"><h2>Jobs</h2><div class="table" data-table="jobs"></div></section>
<section id="files"><h2>Files</h2><div class="table" data-table="files"></div></section>
<noscript><p class="note">Charts and tables of jobs and files need JavaScript; it stays on this page.</p></noscript>
</main><div id="tip" role="tooltip" hidden></div>
<script type="application/octet-stream" id="data">{packed(data, now)}</script>
<script>{script}</script>
</body></html>
"""


def _time_section(data: RunData) -> str:
    if not len(data.attempts):
        return "<p class=empty>Nothing has started yet.</p>"
    return """<div class="tools"><span id="window" aria-live="polite"></span><span class="grow"></span>
<label>colour <select id="colour"><option value="xform">transformation</option><option value="verdict">outcome</option><option value="kind">kind</option></select></label>
<label>find <input id="find" type="search" placeholder="job, label, transformation or host" size="25"></label>
<button type="button" id="in" title="zoom in">+</button><button type="button" id="out" title="zoom out">−</button><button type="button" id="fit">whole run</button></div>
<h3>Jobs by state</h3><canvas id="states" height="150" role="img" aria-label="jobs by state over time"></canvas>
<div class="legend" id="states-legend"></div>
<h3>Running attempts</h3><canvas id="atonce" height="90" role="img" aria-label="attempts running at once over time"></canvas>
<div class="legend" id="atonce-legend"></div>
<h3>Every attempt</h3><p class="how">Drag to select a time span, Ctrl and wheel to zoom, double click for the whole run; or arrow keys, +, − and 0.</p>
<canvas id="gantt" tabindex="0" role="img" aria-label="Gantt chart: every attempt as a bar, in time; the table of jobs has the same in numbers"></canvas>
<div class="legend" id="gantt-legend"></div>"""


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


@cache
def _css() -> str:
    bars = "".join(f".b-{name}{{background:{look.color}}}" for name, look in STATE_STYLES.items())
    return _asset("report.css") + _graph_css() + bars


def _graph_css() -> str:
    rules = style("\0{}\0")
    light, night, rest = rules.split("\0")
    night = night.strip()
    dark = "\n".join(":root[data-theme=dark] " + line for line in night.split("\n"))
    # Only on screens: paper is white.
    auto = "\n".join(":root:not([data-theme=light]) " + line for line in night.split("\n"))
    return f"{light}@media screen{{{dark}}}\n@media screen and (prefers-color-scheme:dark){{{auto}}}{rest}"
