"""The parts of a run's web page that are plain HTML: readable without JavaScript, and on paper.

Every text of a user is passed through `html_text`.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from markab.diagnosis.cause_group import CauseGroup
from markab.diagnosis.causes import Cause
from markab.formatting import clipped, count, duration, html_text, moment, output_lines, size, titled
from markab.journal.attempt_story import captured, log_texts
from markab.journal.progress import ScratchUse
from markab.plan.model import SUB_WORKFLOWS, BoundedScratch
from markab.reports.container_text import container_texts
from markab.reports.graph.drawing import draw
from markab.reports.graph.state_styles import STATE_STYLES
from markab.reports.graph.svg import svg_element
from markab.reports.graph.trees import tree_graph
from markab.reports.html.failures import RetriedGroup
from markab.reports.html.histograms import histogram, log_bounds, quantile
from markab.reports.html.run_data import RunData, Usage
from markab.reports.job_report import wait_status

GROUPS_SHOWN = 60
GROUPS_OPENED = 3
"""The first ones show their details at once."""
JOBS_NAMED = 8
FILES_NAMED = 50
TAIL_LINES = 25
TAIL_CHARACTERS = 6000
GRAPH_JOBS = 60
"""The page's graph shows single jobs up to this number."""
LEGIBLE = 0.7
"""The smallest scale at which the graph is shown."""

SIGNS = {
    "Success": "✓",
    "Failure": "✗",
    "Running": "▶",
    "Not started": "·",
    "Refused": "✗",
    "Halted": "‖",
    "Removed": "–",
}


def header(data: RunData, now: float, warnings: Sequence[str] = ()) -> str:
    """Return the title of the page: the run, its state, and what must be known of it."""
    status = data.status
    facts = [("submit directory", str(status.submit_dir)), ("run id", status.uuid)]
    if status.started:
        facts.append(("started", moment(status.started)))
    if status.ended:
        facts.append(("ended", moment(status.ended)))
    if len(data.engines) > 1:
        facts.append(("continued", count(len(data.engines) - 1, "time")))
    parameters = ", ".join(f"{name} = {value}" for name, value in data.plan.header.parameters.items())
    facts += [("parameters", parameters), ("page made", moment(now))]
    rows = "".join(f"<div><dt>{name}</dt><dd>{html_text(value)}</dd></div>" for name, value in facts if value)
    state = html_text(status.state)
    chip = f'<span class="chip r-{state.split()[0].lower()}">{SIGNS.get(status.state, "")} {state}</span>'
    notes = [*([status.note] if status.note else []), *(f"warning: {warning}" for warning in warnings)]
    shown = "".join(f'<p class="note">{html_text(note)}</p>' for note in notes)
    return f"<h1>{html_text(status.workflow)} {chip}</h1>{shown}<dl class=facts>{rows}</dl>"


def tiles(data: RunData, now: float) -> str:
    """Return the main numbers of the run."""
    status, attempts = data.status, data.attempts
    times = data.history.times(now if status.state == "Running" else None)
    parts = ["so far"] if status.state == "Running" else []
    if duration(times.active_s) != duration(times.elapsed_s):
        parts.append(f"{_long(times.active_s)} active")
    most = [
        (
            "jobs succeeded",
            f"{status.succeeded:,}",
            f"of {status.total:,}, {status.percent_done:.1f} %",
        ),
        ("failed", f"{status.failed:,}", "for good" if status.failed else "none"),
        (
            "elapsed time",
            _long(times.elapsed_s) if status.started else "–",
            ", ".join(parts),
        ),
        (
            "job time",
            _long(times.job_s) if len(attempts) else "–",
            f"{times.job_s / times.active_s:.1f} at once on average" if times.active_s else "",
        ),
        ("tried again", f"{data.retries:,}", f"{count(len(attempts), 'attempt')} in all"),
        (
            "moved",
            size(data.bytes_in + data.bytes_out),
            f"{size(data.bytes_in)} in, {size(data.bytes_out)} out",
        ),
        ("checksums", f"{data.checks:,}", f"verified, {data.checks_failed:,} wrong"),
    ]
    bad = {label for label, found in (("failed", status.failed), ("checksums", data.checks_failed)) if found}
    return (
        "<ul class=tiles>"
        + "".join(
            f"<li{' class=bad' if label in bad else ''}><b>{value}</b><span>{label}</span><small>{more}</small></li>"
            for label, value, more in most
        )
        + "</ul>"
    )


def _short(span_s: float) -> str:
    """Return the duration of a task: many take less than a second, the smallest unit of `duration`."""
    return f"{span_s * 1000:.0f} ms" if span_s < 0.9995 else duration(span_s)


def _long(span_s: float) -> str:
    """Return a sum of many times: `42 d` is easier to read than `1008:58:08`."""
    days, rest_s = divmod(span_s, 86400)
    return f"{days:,.0f} d {rest_s // 3600:.0f} h" if days >= 2 else _short(span_s)


def job_table(data: RunData) -> str:
    """Return the jobs by kind and state."""
    counts = data.job_counts()
    present = [state for state in STATE_STYLES if any(state in row for row in counts.values())]
    heads = "".join(
        f'<th class=num><i class="dot b-{state}"></i>{STATE_STYLES[state].sign} {STATE_STYLES[state].word}</th>'
        for state in present
    )
    total: Counter[str] = sum(counts.values(), Counter())
    rows = [(kind.replace("_", "-"), row) for kind, row in counts.items()]
    rows += [("all", total)] if len(rows) > 1 else []
    lines = []
    for kind, row in rows:
        cells = "".join(
            f"<td class=num>{row[state]:,}</td>" if row[state] else "<td></td>" for state in present
        )
        lines.append(f"<tr><th>{html_text(kind)}</th><td class=num>{row.total():,}</td>{cells}</tr>")
    return f"<div class=scroll><table class=kinds><thead><tr><th>kind</th><th class=num>jobs</th>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"


def failures(data: RunData) -> str:
    """Return the failures: of jobs that failed permanently as `analyze` has them, then of those tried again."""
    final = data.failures.groups
    failed = {job for group in final for job in group.jobs}
    passing = data.retried.groups(failed)
    if not (final or passing or data.failures.undelivered):
        return ""
    parts = ["<section id=failures><h2>Failures</h2>"]
    if final:
        parts.append(
            f"<p>{count(len(failed), 'job')} failed permanently, for {count(len(final), 'reason')}. "
            "Equal failures are shown once; those that block most jobs come first.</p>"
        )
        parts += [
            _final_group(data, group, n < GROUPS_OPENED) for n, group in enumerate(final[:GROUPS_SHOWN])
        ]
    parts += _undelivered(data)
    if passing:
        attempts = sum(group.attempts for group in passing)
        living = data.status.state == "Running"
        parts.append(
            f"<details class=again><summary>{count(attempts, 'attempt')} failed, "
            f"after which the job {'is or was' if living else 'was'} tried again</summary>"
        )
        parts += [*(_passing_group(data, group) for group in passing[:GROUPS_SHOWN]), "</details>"]
    hidden = max(0, len(final) - GROUPS_SHOWN) + max(0, len(passing) - GROUPS_SHOWN)
    if hidden:
        parts.append(f"<p>… and {count(hidden, 'more reason')}.</p>")
    return "".join([*parts, "</section>"])


def _undelivered(data: RunData) -> list[str]:
    """Return the list of the results that were not delivered, as `analyze` has them; nothing if all were."""
    files = data.failures.undelivered
    if not files:
        return []
    rows = [
        f"<tr><td>{html_text(one.lfn)}</td><td>{html_text(clipped(one.why, TAIL_CHARACTERS))}</td></tr>"
        for one in files[:FILES_NAMED]
    ]
    hidden = len(files) - FILES_NAMED
    more = (
        f"<p>… and {count(hidden, 'more result')}: <code>markab analyze -v</code></p>" if hidden > 0 else ""
    )
    return [
        f"<details class=undelivered open><summary>not delivered: {count(len(files), 'result')}</summary>"
        f"<div class=scroll><table><thead><tr><th>result</th><th>why</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>{more}</details>"
    ]


def _final_group(data: RunData, group: CauseGroup, opened: bool) -> str:
    job = group.jobs[0]
    blocked = f" [holds up {count(group.blocked, 'job')}]" if group.blocked else ""
    example = _Example(job, data.history.attempts[job], data.record_at(data.bad_at[job][-1]))
    return _group(data, group.transformation, group.jobs, group.cause, example, blocked, opened=opened)


def _passing_group(data: RunData, group: RetriedGroup) -> str:
    example = _Example(group.job, group.attempt, group.record)
    cause = data.cause(data.plan.job(group.job), group.record)
    return _group(data, group.xform, group.jobs, cause, example, kind="passing")


class _Example(NamedTuple):
    """The attempt of a group that is shown."""

    job: int
    attempt: int
    record: dict[str, Any]


def _group(
    data: RunData,
    xform: str,
    jobs: Sequence[int],
    cause: Cause,
    example: _Example,
    blocked: str = "",
    *,
    kind: str = "fail",
    opened: bool = False,
) -> str:
    number = f"{len(jobs):,} × " if len(jobs) > 1 else ""
    title = clipped(cause.title, 300) + blocked
    lines = [
        f"<details class={kind}{' open' if opened else ''}>",
        f"<summary><b>{html_text(number + xform)}</b> <span>{html_text(title)}</span></summary>",
    ]
    lines += [f"<p>also: {html_text(clipped(other, 500))}</p>" for other in cause.also]
    lines.append(f"<p class=hint><b>verdict</b> {html_text(cause.verdict)}</p>")
    lines += [f"<p class=hint><b>help</b> {html_text(cause.remedy)}</p>"] if cause.remedy else []
    shown = f"{_named(data, example.job)}, attempt {example.attempt}"
    if len(jobs) > 1:
        more = f" and {len(jobs) - JOBS_NAMED:,} more" if len(jobs) > JOBS_NAMED else ""
        named = ", ".join(_named(data, job) for job in jobs[:JOBS_NAMED])
        facts = [("jobs", named + more), ("shown", shown)]
    else:
        facts = [("job", shown)]
    facts += _failure_facts(data, example)
    lines.append(
        "<dl class=facts>"
        + "".join(f"<div><dt>{name}</dt><dd>{html_text(value)}</dd></div>" for name, value in facts if value)
        + "</dl>"
    )
    printed = [(stream, captured(example.record, stream, data.place.path)) for stream in ("stderr", "stdout")]
    printed += [(f"log {name}", text) for name, text in log_texts(example.record)]
    for stream, text in printed:
        if text.rstrip():
            end = "\n".join(output_lines(text.rstrip(), TAIL_LINES))[-TAIL_CHARACTERS:]
            lines.append(f"<h4>{html_text(stream)}</h4><pre>{html_text(end)}</pre>")
    return "".join([*lines, "</details>"])


def _named(data: RunData, job: int) -> str:
    return titled(data.graph.ids[job], data.plan.job(job).label)


def _failure_facts(data: RunData, example: _Example) -> list[tuple[str, str]]:
    record, planned = example.record, data.plan.job(example.job)
    facts = [("site", planned.site), ("host", str(record.get("host") or ""))]
    facts += [("container", text) for text in container_texts(record)]
    runs = record.get("invocations") or []
    if runs:
        last = runs[-1]
        facts.append(("command", clipped(shlex.join(map(str, last.get("argv", []))), 2000)))
        facts.append(
            ("ended", f"{wait_status(last.get('status', 0))} after {_short(last.get('duration_s', 0.0))}")
        )
        if last.get("maxrss_kb"):
            asked = f" of {size(planned.memory_mb << 20)} requested" if planned.memory_mb else ""
            facts.append(("memory", size(last["maxrss_kb"] * 1024) + asked))
    facts.append(("directory", str(record.get("cwd") or "")))
    facts.append(("more", f"markab show {shlex.quote(str(data.place.path))} {shlex.quote(planned.id)}"))
    return facts


def resources(data: RunData) -> str:
    """Return the run time and memory of the tasks of each transformation."""
    if not data.usage:
        return "<p class=empty>No task has succeeded yet.</p>"
    by_time = sorted(data.usage.items(), key=lambda item: -sum(item[1].runtimes_s))
    whole = sum(sum(usage.runtimes_s) for usage in data.usage.values()) or 1.0
    times = [
        value for usage in data.usage.values() for value in (min(usage.runtimes_s), max(usage.runtimes_s))
    ]
    times += [usage.asked_runtime_s for usage in data.usage.values() if usage.asked_runtime_s]
    memories: list[float] = [
        value for usage in data.usage.values() for value in (min(usage.memory_kb), max(usage.memory_kb))
    ]
    memories += [usage.asked_memory_mb * 1024 for usage in data.usage.values() if usage.asked_memory_mb]
    time_bounds, memory_bounds = log_bounds(times, 0.01), log_bounds(memories, 64)
    rows = "".join(_usage_row(name, usage, whole, time_bounds, memory_bounds) for name, usage in by_time)
    scale = "<small>{} to {}, logarithmic</small>"
    time_scale = scale.format(_short(time_bounds[0]), _short(time_bounds[1]))
    memory_scale = scale.format(size(memory_bounds[0] * 1024), size(memory_bounds[1] * 1024))
    return (
        "<p>Tasks that succeeded. A dashed line is the requested amount; tasks above it are orange.</p>"
        "<div class=scroll><table class=usage><thead><tr><th>transformation</th><th class=num>tasks</th><th>share of time</th>"
        f"<th>run time {time_scale}</th><th class=num>median</th><th class=num>longest</th>"
        f"<th>memory {memory_scale}</th><th class=num>median</th><th class=num>most</th><th class=num>requested</th><th class=num>CPU</th>"
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _usage_row(
    name: str,
    usage: Usage,
    whole_s: float,
    time_bounds: tuple[float, float],
    memory_bounds: tuple[float, float],
) -> str:
    times, memories = sorted(usage.runtimes_s), sorted(usage.memory_kb)
    total = sum(times)
    middle, most = quantile(times, 0.5), times[-1]
    asked_kb = usage.asked_memory_mb * 1024
    share = 100 * total / whole_s
    time_title = f"{name}: {_short(times[0])} to {_short(most)}, median {_short(middle)}, 95 % below {_short(quantile(times, 0.95))}"
    memory_title = f"{name}: {size(memories[0] * 1024)} to {size(memories[-1] * 1024)}"
    cpu = f"{100 * usage.cpu_s / total:.0f} %" if total else ""
    return (
        f"<tr><th>{html_text(name)}</th><td class=num>{len(times):,}</td>"
        f'<td><div class=share><i style="width:{share:.1f}%"></i></div><small>{_long(total)} · {share:.0f} %</small></td>'
        f"<td>{histogram(times, time_bounds, usage.asked_runtime_s, time_title)}</td>"
        f"<td class=num>{_short(middle)}</td><td class=num>{_short(most)}</td>"
        f"<td>{histogram(memories, memory_bounds, asked_kb, memory_title)}</td>"
        f"<td class=num>{size(quantile(memories, 0.5) * 1024)}</td><td class=num>{size(memories[-1] * 1024)}</td>"
        f"<td class=num>{size(asked_kb * 1024) if asked_kb else '–'}</td><td class=num>{cpu}</td></tr>"
    )


def scratch(data: RunData) -> str:
    """Return how full the bounded scratch directories were predicted to become, and became; nothing if none is bounded."""
    bounds = data.plan.header.scratch
    if not bounds:
        return ""
    rows = "".join(
        _scratch_row(site, bound, data.status.scratch.get(site)) for site, bound in sorted(bounds.items())
    )
    return (
        '<section id="scratch"><h2>Scratch space</h2>'
        "<p>The most at any time: predicted for jobs that run one after the other, and measured by the last engine.</p>"
        "<div class=scroll><table><thead><tr><th>site</th><th class=num>bound</th><th class=num>predicted</th>"
        f"<th class=num>measured</th><th class=num>at the end</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _scratch_row(site: str, bound: BoundedScratch, use: ScratchUse | None) -> str:
    sizes = [bound.most_bytes if use is None else use.bound, bound.predicted_bytes]
    cells = [size(number) for number in sizes]
    cells += ["–", "–"] if use is None else [size(use.peak), size(use.present)]
    return f"<tr><th>{html_text(site)}</th>{''.join(f'<td class=num>{cell}</td>' for cell in cells)}</tr>"


def graph(data: RunData) -> str:
    """Return the workflow as a picture: every job of a small one, groups of a large one."""
    has_inner = SUB_WORKFLOWS in data.plan.header.sites
    drawing = draw(tree_graph(data.place.path) if has_inner else data.graph, jobs_shown=GRAPH_JOBS)
    text = (
        f"{count(drawing.jobs, 'job')} as {count(len(drawing.nodes), 'box', 'boxes')}: many of one transformation on one level are one. "
        "The number on an arrow is the number of dependencies that it stands for."
        if drawing.summarised
        else f"Every job of the run{' and of its sub-workflows' if has_inner else ''}, and its dependencies."
    )
    picture = svg_element(drawing)
    wide = float(picture.partition('viewBox="0 0 ')[2].partition(" ")[0])
    # A graph that is slightly too wide is scaled down; one that would become unreadable is scrolled.
    least = f' style="min-width:{LEGIBLE * wide:.0f}px"'
    return f"<p>{text}</p><div class='scroll graph'>{picture.replace(' class=', least + ' class=', 1)}</div>"
