"""Statistics as text: the table and lines of pegasus-statistics, then data moved, waiting and critical path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markab.formatting import count, size, titled
from markab.provenance.queries import Count, Summary, TransferTotals
from markab.reports.statistics.run_statistics import Integrity, Statistics
from markab.reports.statistics.time_use import TimeUse

TABLE_HEADER = ("Type", "Succeeded", "Failed", "Incomplete", "Total", "Retries", "Total+Retries")
_RULE = "-" * 78
_LABEL_CHARACTERS = 57
PATH_SHOWN = 10
"""Number of jobs of the critical path that are listed: those that took longest."""


def summary_text(found: Statistics) -> str:
    """Return the summary of a run."""
    lines = [f"# {found.workflow}: {found.state.lower()}, {count(found.summary.jobs.total, 'job')}"]
    lines += [f"# note: {note}" for note in found.notes]
    lines += [_RULE, *table_lines(found), _RULE, ""]
    lines += [f"{label:<{_LABEL_CHARACTERS}}: {value}" for label, value in wall_time_lines(found)]
    lines += ["", *_integrity_lines(found.integrity)]
    lines += ["", *_moved_lines(found.moved)]
    lines += [use.text(site) for site, use in (found.scratch or {}).items()]
    if found.run.started is not None:
        lines += ["", *_run_times_lines(found), "", *_time_use_lines(found)]
        lines += ["", *_path_lines(found.time_use, found.times.active_s)]
    return "\n".join(lines) + "\n"


def table_rows(found: Statistics) -> list[tuple[object, ...]]:
    """Return the rows of the summary table."""
    return summary_rows(found.summary)


def summary_rows(summary: Summary) -> list[tuple[object, ...]]:
    """Return counts as rows of the summary table."""
    named = (("Tasks", summary.tasks), ("Jobs", summary.jobs), ("Sub-Workflows", summary.sub_workflows))
    return [(name, *_cells(counted)) for name, counted in named]


def _cells(of: Count) -> tuple[int, ...]:
    return of.succeeded, of.failed, of.unfinished, of.total, of.retries, of.attempts


def table_lines(found: Statistics) -> list[str]:
    """Return the summary table."""
    return columns([TABLE_HEADER, *table_rows(found)], right=())


def columns(rows: Sequence[Sequence[object]], right: Sequence[int] = ()) -> list[str]:
    """Return rows with aligned columns; those in `right` are right-aligned."""
    cells = [["-" if cell is None else str(cell) for cell in column] for column in zip(*rows, strict=True)]
    widths = [max(map(len, column)) for column in cells]
    line = "  ".join(f"%{'' if n in right else '-'}{width}s" for n, width in enumerate(widths))
    return [(line % row).rstrip() for row in zip(*cells, strict=True)]


def wall_times_s(found: Statistics) -> list[tuple[str, float | None]]:
    """Return the wall times with their names, in seconds; None before the first start."""
    times = found.wall_times
    return [
        ("Workflow wall time", None if found.run.started is None else found.times.active_s),
        ("Cumulative job wall time", times.jobs_s),
        ("Cumulative job wall time as seen from submit side", times.jobs_submit_side_s),
        ("Cumulative job badput wall time", times.bad_jobs_s),
        ("Cumulative job badput wall time as seen from submit side", times.bad_jobs_submit_side_s),
    ]


def wall_time_lines(found: Statistics) -> Iterator[tuple[str, str]]:
    """Yield the wall times with their names, as text."""
    for label, took_s in wall_times_s(found):
        words = "-" if took_s is None else in_words(took_s)
        if label == "Workflow wall time" and took_s is not None and found.state == "Running":
            words += " so far"
        yield label, words


def in_words(took_s: float) -> str:
    """Return a time span with its two largest units: "2 mins, 6 secs", "0.25 secs"."""
    if took_s < 59.995:
        digits = f"{took_s:.{3 if took_s < 1 else 2}f}".rstrip("0").rstrip(".")
        return f"{digits} {'sec' if digits == '1' else 'secs'}"
    left = round(took_s)
    parts: list[str] = []
    for unit_s, name in ((86400, "day"), (3600, "hr"), (60, "min"), (1, "sec")):
        if (number := left // unit_s) or parts:
            parts.append(f"{number} {name if number == 1 else name + 's'}")
            left -= number * unit_s
    return ", ".join(parts[:2])


def _integrity_lines(integrity: Integrity) -> Iterator[str]:
    yield "# Integrity: checksums compared and computed, and the time it took"
    for kind, verb in (("check", "compared"), ("compute", "generated")):
        counts = [row for row in integrity.counts if row.type == kind]
        took_s = sum(row.duration_s for row in counts)
        checked = sum(row.count for row in counts)
        yield f"{checked} files checksums {verb} with total duration of {in_words(took_s)}"
    yield f"Integrity errors: {integrity.errors} in all attempts"
    yield f"Failures: {integrity.failed_jobs} job failures had integrity errors"


_KINDS = {
    "stage-in-tx": "staged in",
    "stage-out-tx": "staged out",
    "inter-site-tx": "between sites",
    "compute": "by compute jobs",
}


def _moved_lines(moved: Sequence[TransferTotals] | None) -> Iterator[str]:
    yield "# Data moved (times of simultaneous transfers are added up)"
    if not moved:
        yield "not recorded" if moved is None else "nothing"
        return
    rows: list[tuple[str, str, str, str, str]] = []
    for of in moved:
        files, took = count(of.files, "file"), in_words(of.duration_s)
        rows.append((_KINDS.get(of.kind, of.kind), files, size(of.bytes), f"in {took}", _rate(of)))
    yield from columns(rows, right=(2,))


def _rate(of: TransferTotals) -> str:
    return f"{size(of.bytes / of.duration_s)}/s" if of.duration_s > 0 and of.bytes else ""


def _run_times_lines(found: Statistics) -> Iterator[str]:
    yield "# Times of the run"
    so_far = " so far" if found.state == "Running" else ""
    times = found.times
    yield from columns(
        [
            ("elapsed time", in_words(times.elapsed_s) + so_far, "from the first start to the last end"),
            ("active time", in_words(times.active_s) + so_far, "an engine was at work (workflow wall time)"),
            ("job time", in_words(times.job_s) + so_far, "all attempts together"),
        ]
    )


def _time_use_lines(found: Statistics) -> Iterator[str]:
    time_use, wall, job_s = found.time_use, found.wall_times, found.times.job_s
    yield "# Time of the jobs by state, all attempts"
    whole_s = time_use.waiting_s + time_use.queued_s + job_s
    parts = (
        ("ready, waiting for a slot", time_use.waiting_s),
        ("in the queue of a site", time_use.queued_s),
        ("running (job time)", job_s),
    )
    rows = [(name, in_words(took_s), _percent(took_s, whole_s)) for name, took_s in parts]
    if found.members is None:  # else those of sub-workflows are in it
        rows.append(("  in processes and transfers", in_words(wall.jobs_s), _percent(wall.jobs_s, whole_s)))
    yield from columns(rows, right=(2,))
    yield ""
    yield "# Parallelism: jobs running at once"
    rows = [
        ("reached", f"{time_use.running_mean:.2f} on average", f"{time_use.running_peak:,} at most"),
        ("possible", f"{time_use.possible_mean:.2f} on average", f"{time_use.possible_peak:,} at most"),
    ]
    yield from columns(rows)
    if time_use.cores is not None:
        yield ""
        yield f"# Cores of this machine, {round(time_use.cores, 2):g} for jobs: averages of the active time"
        means = (
            ("asked for by running jobs", time_use.cores_asked_mean),
            ("given to them", time_use.cores_given_mean),
            ("used (processor time)", time_use.cores_used_mean),
        )
        shown = [
            (name, f"{mean:.2f}", _percent(mean, time_use.cores)) for name, mean in means if mean is not None
        ]
        yield from columns(shown, right=(1, 2))


def _path_lines(time_use: TimeUse, active_s: float) -> Iterator[str]:
    share = f", {_percent(time_use.path_s, active_s)} of the active time" if active_s > 0 else ""
    yield f"# Critical path: {count(len(time_use.path), 'job')}, {in_words(time_use.path_s)}{share}"
    shown = sorted(time_use.path, key=lambda step: -step.runtime_s)[:PATH_SHOWN]
    kept = [step for step in time_use.path if step in shown][:PATH_SHOWN]
    yield from (
        columns([(in_words(step.runtime_s), titled(step.job, step.label)) for step in kept], right=(0,))
        if kept
        else ()
    )
    if len(time_use.path) > len(kept):
        yield f"… and {len(time_use.path) - len(kept):,} shorter jobs"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole > 0 else "-"


def total_text(runs: Sequence[Statistics]) -> str:
    """Return the table and the wall times of several runs, summed."""
    lines = [f"# {count(len(runs), 'run')} in total", _RULE, *columns([TABLE_HEADER, *_total_rows(runs)])]
    lines += [_RULE, ""]
    for same in zip(*map(wall_times_s, runs), strict=True):
        total_s = sum(took_s or 0.0 for _, took_s in same)
        lines.append(f"{same[0][0]:<{_LABEL_CHARACTERS}}: {in_words(total_s)}")
    return "\n".join(lines) + "\n"


def _total_rows(runs: Sequence[Statistics]) -> Iterator[tuple[object, ...]]:
    for name, attribute in (("Tasks", "tasks"), ("Jobs", "jobs"), ("Sub-Workflows", "sub_workflows")):
        cells = [_cells(getattr(run.summary, attribute)) for run in runs]
        yield (name, *map(sum, zip(*cells, strict=True)))
