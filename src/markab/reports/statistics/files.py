"""The sections of the statistics as tables, and their files: text for reading, CSV for calculating.

    summary      the table, the wall times, and everything else the summary prints
    workflow     the same table for the workflow by its name
    jobs         one row an attempt; jobs that never started have try 0
    breakdown    one row a transformation
    time         processes of each host by hour or day, UTC
    integrity    checksums compared and computed

A CSV file begins with a line of names; in `summary.csv` the times follow the table,
after an empty line, one a line. Durations are seconds, memory is megabytes.
"""

from __future__ import annotations

import io
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Literal

from markab.errors import StorageError
from markab.formatting import printable, printable_line
from markab.plan.atomic_file import replacing
from markab.provenance.results import TransferTotals
from markab.provenance.stampede_states import exit_code
from markab.reports.csv_table import write_rows
from markab.reports.statistics.run_statistics import Statistics
from markab.reports.statistics.text import (
    TABLE_HEADER,
    columns,
    summary_text,
    table_rows,
    wall_time_lines,
    wall_times_s,
)
from markab.spec.gc_pause import without_garbage_collection

Format = Literal["text", "csv"]
Period = Literal["month", "week", "day", "hour"]
Row = Sequence[object]

PATTERNS = {"month": "%Y-%m", "week": "%G-W%V", "day": "%Y-%m-%d", "hour": "%Y-%m-%d %H:00"}
"""Period → format of a date."""
FILES = {"transformations": "breakdown"}
"""Section → name of its file, if they differ."""
TITLES = {
    "workflow": "The workflow",
    "jobs": "Jobs, one line an attempt; times in seconds, memory in MB",
    "transformations": "Transformations, all attempts; times in seconds, memory in MB",
    "time": "Processes and their seconds by host, in UTC",
    "integrity": "Checksums compared and computed, by kind of file",
}
JOB_COLUMNS = (
    "Job", "Try", "Type", "Transformation", "Site", "Hostname", "Exitcode", "Submitted",
    "Queued(s)", "Runtime(s)", "Kickstart(s)", "CPU-Time(s)", "Max-Memory(MB)", "Label",
)  # fmt: skip
TRANSFORMATION_COLUMNS = (
    "Transformation", "Type", "Count", "Succeeded", "Failed", "Min(s)", "Max(s)", "Mean(s)", "Total(s)",
    "CPU-Time(s)", "Mean-CPU(%)", "Mean-Memory(MB)", "Max-Memory(MB)",
)  # fmt: skip


def section_rows(found: Statistics, section: str, period: Period = "day") -> list[Row]:
    """Return a section, `summary` or `wall-times` as rows; the first has the names of the columns."""
    if section == "summary":
        return [TABLE_HEADER, *table_rows(found)]
    if section == "wall-times":
        return [("Name", "Duration"), *wall_time_lines(found)]
    if section == "workflow":
        return [("Workflow", *TABLE_HEADER), *((found.workflow, *row) for row in table_rows(found))]
    if section == "jobs":
        return [JOB_COLUMNS, *_job_rows(found)]
    if section == "transformations":
        return [TRANSFORMATION_COLUMNS, *_transformation_rows(found)]
    if section == "time":
        return [("Date", "Site", "Hostname", "Count", "Runtime(s)"), *_time_rows(found, period)]
    rows = [
        (row.type, row.file_type, row.count, rounded_seconds(row.duration_s))
        for row in found.integrity.counts
    ]
    errors: Row = ("errors", "-", found.integrity.errors, None)
    return [("Type", "File-Type", "Count", "Duration(s)"), *rows, errors]


@without_garbage_collection()
def section_text(found: Statistics, section: str, period: Period = "day") -> str:
    """Return a section as text."""
    rows = section_rows(found, section, period)
    numbers = [n for n in range(len(rows[0])) if any(isinstance(row[n], (int, float)) for row in rows[1:])]
    return "\n".join([f"# {TITLES[section]}", *columns(rows, right=numbers)]) + "\n"


@without_garbage_collection()
def section_csv(found: Statistics, section: str, period: Period = "day") -> str:
    """Return a section as CSV."""
    return csv_text(section_rows(found, section, period))


def summary_csv(found: Statistics) -> str:
    """Return the summary as CSV: the table, an empty line, and the other numbers, one a line."""
    time_use, integrity = found.time_use, found.integrity
    numbers: list[tuple[str, object]] = [
        (name, rounded_seconds(took_s)) for name, took_s in wall_times_s(found)
    ]
    numbers += [
        ("Elapsed time", rounded_seconds(found.times.elapsed_s)),
        ("Active time", rounded_seconds(found.times.active_s)),
        ("Job time", rounded_seconds(found.times.job_s)),
        ("Files checked", sum(row.count for row in integrity.counts if row.type == "check")),
        ("Files hashed", sum(row.count for row in integrity.counts if row.type == "compute")),
        ("Integrity errors", integrity.errors),
        ("Job failures with integrity errors", integrity.failed_jobs),
        *_moved_numbers(found.moved),
        ("Waiting for a slot", rounded_seconds(time_use.waiting_s)),
        ("In queue", rounded_seconds(time_use.queued_s)),
        ("Running", rounded_seconds(found.times.job_s)),
        ("Parallelism reached", round(time_use.running_mean, 3)),
        ("Parallelism possible", round(time_use.possible_mean, 3)),
        ("Cores", _rounded(time_use.cores)),
        ("Cores asked for", _rounded(time_use.cores_asked_mean)),
        ("Cores given", _rounded(time_use.cores_given_mean)),
        ("Cores used", _rounded(time_use.cores_used_mean)),
        ("Critical path", rounded_seconds(time_use.path_s)),
    ]
    return csv_text([TABLE_HEADER, *table_rows(found), (), *numbers])


def _moved_numbers(moved: Sequence[TransferTotals] | None) -> list[tuple[str, object]]:
    names = ("Files moved", "Bytes moved", "Moving time")
    if moved is None:
        return [(name, None) for name in names]
    took_s = rounded_seconds(sum(row.duration_s for row in moved))
    return [
        *zip(names, (sum(row.files for row in moved), sum(row.bytes for row in moved), took_s), strict=True)
    ]


def texts(
    found: Statistics, sections: Collection[str], format_: Format = "text", period: Period = "day"
) -> dict[str, str]:
    """Return the summary and `sections`, in that order, as text or CSV: name of the file → its content."""
    is_csv = format_ == "csv"
    to_text = section_csv if is_csv else section_text
    content = {"summary": summary_csv(found) if is_csv else summary_text(found)}
    for section in sections:
        content[FILES.get(section, section)] = to_text(found, section, period)
    return content


def write_files(
    found: Statistics,
    sections: Collection[str],
    directory: Path,
    format_: Format = "text",
    period: Period = "day",
) -> list[Path]:
    """Write the summary and `sections` into a directory; return the files, in that order. As `write_texts`."""
    return write_texts(texts(found, sections, format_, period), directory, format_)


def write_texts(texts: Mapping[str, str], directory: Path, format_: Format) -> list[Path]:
    """Write texts, by the names of their files, into a directory, which is created; return the files.

    Each file is replaced atomically.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot create {str(directory)!r}: {error.strerror}", hint="choose another directory with `-o`"
        ) from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise StorageError(f"cannot write into {str(directory)!r}", hint="choose another one with `-o`")
    written = []
    for name, content in texts.items():
        path = directory / f"{name}.{'csv' if format_ == 'csv' else 'txt'}"
        with replacing(path, durable=False) as file:
            file.write(printable(content).encode())
        written.append(path)
    return written


def _job_rows(found: Statistics) -> Iterable[Row]:
    for row in found.jobs or ():
        yield (
            row.job,
            row.attempt,
            row.kind,
            row.transformation,
            row.site,
            row.host,
            exit_number(row.exitcode),
            _moment(row.submitted),
            rounded_seconds(row.queue_s),
            rounded_seconds(row.runtime_s),
            rounded_seconds(row.invocation_s),
            rounded_seconds(row.cpu_s),
            megabytes(row.max_rss_kb),
            printable_line(label) if (label := found.labels.get(row.job)) else None,
        )


def _transformation_rows(found: Statistics) -> Iterable[Row]:
    for row in found.transformations or ():
        yield (
            row.transformation,
            row.kind,
            row.count,
            row.succeeded,
            row.failed,
            rounded_seconds(row.min_s),
            rounded_seconds(row.max_s),
            rounded_seconds(row.mean_s),
            rounded_seconds(row.total_s),
            rounded_seconds(row.cpu_s),
            None if row.mean_cpu is None else round(100 * row.mean_cpu, 1),
            megabytes(row.mean_rss_kb),
            megabytes(row.max_rss_kb),
        )


def _time_rows(found: Statistics, period: Period) -> Iterable[Row]:
    pattern = PATTERNS[period]
    counts: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    times_s: defaultdict[tuple[str, str, str], float] = defaultdict(float)
    for row in found.hours or ():
        key = (datetime.fromtimestamp(row.hour, timezone.utc).strftime(pattern), row.site, row.host)
        counts[key] += row.count
        times_s[key] += row.runtime_s
    return [(*key, counts[key], rounded_seconds(times_s[key])) for key in sorted(counts)]


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)


def exit_number(status: int | None) -> int | None:
    """Return a raw wait status as `exit_code`; None stays None."""
    return None if status is None else exit_code(status)


def _moment(epoch_s: float | None) -> str | None:
    return None if epoch_s is None else _second(int(epoch_s))


@cache
def _second(epoch_s: int) -> str:
    return datetime.fromtimestamp(epoch_s, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def rounded_seconds(duration_s: float | None) -> float | None:
    """Return a time span to the millisecond."""
    return None if duration_s is None else round(duration_s, 3)


def megabytes(kilobytes: float | None) -> float | None:
    """Return an amount of memory in megabytes."""
    return None if kilobytes is None else round(kilobytes / 1024, 3)


def csv_text(rows: Iterable[Row]) -> str:
    """Return rows as CSV."""
    out = io.StringIO()
    write_rows(out, rows)
    return out.getvalue()
