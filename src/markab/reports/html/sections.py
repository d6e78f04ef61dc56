"""The parts of a run's web page that are plain HTML: readable without JavaScript, and on paper.

Every text of a user is passed through `html_text`.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from markab.formatting import clipped, count, duration, html_text, moment, output_lines, size, titled
from markab.journal.attempt_story import captured
from markab.reports.graph.drawing import draw
from markab.reports.graph.state_styles import STATE_STYLES
from markab.reports.graph.svg import svg_element
from markab.reports.html.failures import FailureGroup
from markab.reports.html.histograms import histogram, log_bounds, quantile
from markab.reports.html.run_data import RunData, Usage
from markab.reports.job_report import wait_status

GROUPS_SHOWN = 60
JOBS_NAMED = 8
TAIL_LINES = 25
TAIL_CHARACTERS = 6000
GRAPH_JOBS = 60
"""The page's graph shows single jobs up to this number."""
LEGIBLE = 0.7
"""The smallest scale at which the graph is shown."""

SIGNS = {"Success": "✓", "Failure": "✗", "Running": "▶", "Not started": "·", "Halted": "‖", "Removed": "–"}


def header(data: RunData, now: float) -> str:
    """Return the title of the page: the run and its state."""
    status = data.status
    facts = [("submit directory", str(status.submit_dir)), ("run id", status.uuid)]
    if status.started:
        facts.append(("started", moment(status.started)))
    if status.ended:
        facts.append(("ended", moment(status.ended)))
    if len(data.engines) > 1:
        facts.append(("continued", count(len(data.engines) - 1, "time")))
    facts.append(("page made", moment(now)))
    rows = "".join(f"<div><dt>{name}</dt><dd>{html_text(value)}</dd></div>" for name, value in facts if value)
    state = html_text(status.state)
    chip = f'<span class="chip r-{state.split()[0].lower()}">{SIGNS.get(status.state, "")} {state}</span>'
    note = f'<p class="note">{html_text(status.note)}</p>' if status.note else ""
    return f"<h1>{html_text(status.workflow)} {chip}</h1>{note}<dl class=facts>{rows}</dl>"


def tiles(data: RunData, now: float) -> str:
    """Return the main numbers of the run."""
    status, attempts = data.status, data.attempts
    until = status.ended or (now if status.state == "Running" else data.until)
    wall_s = max(0.0, until - status.started) if status.started else 0.0
    stops = [stop or until for stop in attempts.end]
    busy_s = sum(stop - run for run, stop in zip(attempts.run, stops, strict=True))
    most = [
        (
            "jobs succeeded",
            f"{status.succeeded:,}",
            f"of {status.total:,}, {math.floor(status.percent_done * 10) / 10:g} %",
        ),
        ("failed", f"{status.failed:,}", "for good" if status.failed else "none"),
        (
            "wall time",
            _long(wall_s) if status.started else "–",
            "so far" if status.state == "Running" else "",
        ),
        (
            "time in jobs",
            _long(busy_s) if len(attempts) else "–",
            f"{busy_s / wall_s:.1f} at once on average" if wall_s else "",
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
    """Return the failures, those of failed jobs first; empty if there is none."""
    groups = data.failures.groups()
    if not groups:
        return ""
    final = [group for group in groups if group.final]
    passing = [group for group in groups if not group.final]
    parts = ["<section id=failures><h2>Failures</h2>"]
    if final:
        jobs = sum(len(group.jobs) for group in final)
        parts.append(
            f"<p>{count(jobs, 'job')} failed permanently, for {count(len(final), 'reason')}. "
            "Equal failures are shown once.</p>"
        )
        parts += [_group(data, group, position < 3) for position, group in enumerate(final[:GROUPS_SHOWN])]
    if passing:
        attempts = sum(group.attempts for group in passing)
        living = data.status.state == "Running"
        parts.append(
            f"<details class=again><summary>{count(attempts, 'attempt')} failed, "
            f"after which the job {'is or was' if living else 'was'} tried again</summary>"
        )
        parts += [*(_group(data, group, False) for group in passing[:GROUPS_SHOWN]), "</details>"]
    hidden = max(0, len(final) - GROUPS_SHOWN) + max(0, len(passing) - GROUPS_SHOWN)
    if hidden:
        parts.append(f"<p>… and {count(hidden, 'more reason')}.</p>")
    return "".join([*parts, "</section>"])


def _group(data: RunData, group: FailureGroup, opened: bool) -> str:
    record = group.record
    error: dict[str, Any] = record.get("error") or {"message": "no reason is recorded"}
    named = ", ".join(_named(data, job) for job in group.jobs[:JOBS_NAMED])
    more = f" and {len(group.jobs) - JOBS_NAMED:,} more" if len(group.jobs) > JOBS_NAMED else ""
    number = f"{len(group.jobs):,} × " if len(group.jobs) > 1 else ""
    lines = [
        f"<details class={'fail' if group.final else 'passing'}{' open' if opened else ''}>",
        f"<summary><b>{html_text(number + group.xform)}</b> <span>{html_text(clipped(str(error.get('message', '')), 300))}</span></summary>",
    ]
    for other in record.get("also") or ():
        lines.append(f"<p>also: {html_text(clipped(str(other.get('message', '')), 500))}</p>")
    hints = [one.get("hint") for one in (error, *(record.get("also") or ())) if one.get("hint")]
    lines += [f"<p class=hint><b>hint</b> {html_text(str(hint))}</p>" for hint in hints]
    if len(group.jobs) > 1:
        facts = [("jobs", named + more), ("shown", f"{_named(data, group.job)}, attempt {group.attempt}")]
    else:
        facts = [("job", f"{_named(data, group.job)}, attempt {group.attempt}")]
    facts += _failure_facts(data, group)
    lines.append(
        "<dl class=facts>"
        + "".join(f"<div><dt>{name}</dt><dd>{html_text(value)}</dd></div>" for name, value in facts if value)
        + "</dl>"
    )
    for stream in ("stderr", "stdout"):
        if text := captured(record, stream, data.place.path).rstrip():
            shown = "\n".join(output_lines(text, TAIL_LINES))[-TAIL_CHARACTERS:]
            lines.append(f"<h4>{stream}</h4><pre>{html_text(shown)}</pre>")
    return "".join([*lines, "</details>"])


def _named(data: RunData, job: int) -> str:
    return titled(data.graph.ids[job], data.plan.job(job).label)


def _failure_facts(data: RunData, group: FailureGroup) -> list[tuple[str, str]]:
    import shlex

    record = group.record
    planned = data.plan.job(group.job)
    facts = [("site", planned.site), ("host", str(record.get("host") or ""))]
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
    facts.append(("more", f"markab show {data.place.path} {data.graph.ids[group.job]}"))
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


def graph(data: RunData) -> str:
    """Return the workflow as a picture: every job of a small one, groups of a large one."""
    drawing = draw(data.graph, jobs_shown=GRAPH_JOBS)
    text = (
        f"{count(drawing.jobs, 'job')} as {count(len(drawing.nodes), 'box', 'boxes')}: many of one transformation on one level are one. "
        "The number on an arrow is the number of dependencies that it stands for."
        if drawing.summarised
        else "Every job of the run, and its dependencies."
    )
    picture = svg_element(drawing)
    wide = float(picture.partition('viewBox="0 0 ')[2].partition(" ")[0])
    # A graph that is slightly too wide is scaled down; one that would become unreadable is scrolled.
    least = f' style="min-width:{LEGIBLE * wide:.0f}px"'
    return f"<p>{text}</p><div class='scroll graph'>{picture.replace(' class=', least + ' class=', 1)}</div>"
