"""The files that `pegasus-statistics` writes into `statistics/`, with the columns that scripts expect.

    summary          the table, and what the summary prints; as CSV the table alone
    summary-time     CSV only: the wall times in seconds
    workflow         the table of each workflow
    jobs             one row an attempt
    breakdown        one row for the successful processes of a transformation, and one for the failed
    time             attempts and processes by day, without their hosts; as text also with them
    time-per-host    CSV only: the same by host
    integrity        checksums compared and computed

In CSV files each row begins with the UUID and the name of its workflow, except in
those of time; the rows that begin with ALL are those of a workflow with all below it. Unknown values are "-", and so is what only Pegasus measures: the time
of a post script, and of a remote queue.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

from markab.provenance.results import Breakdown, HostHour, JobRow
from markab.reports.statistics.files import (
    FILES,
    PATTERNS,
    Format,
    Period,
    Row,
    csv_text,
    exit_number,
    megabytes,
    rounded_seconds,
    write_texts,
)
from markab.reports.statistics.run_statistics import SECTIONS, MemberStatistics, Statistics
from markab.reports.statistics.text import (
    TABLE_HEADER,
    columns,
    summary_rows,
    summary_text,
    table_rows,
    wall_times_s,
)
from markab.spec.gc_pause import without_garbage_collection

JOB_COLUMNS = (
    "Job", "Try", "Site", "Kickstart", "Mult", "Kickstart-Mult", "CPU-Time", "Post", "CondorQTime",
    "Resource", "Runtime", "Seqexec", "Seqexec-Delay", "Exitcode", "Hostname",
)  # fmt: skip
BREAKDOWN_COLUMNS = (
    "Transformation", "Type", "Count",
    "Min (runtime)", "Max (runtime)", "Mean (runtime)", "Total (runtime)",
    "Min (mem)", "Max (mem)", "Mean (mem)",
    "Min (avg. cpu)", "Max (avg. cpu)", "Mean (avg. cpu)",
)  # fmt: skip
WALL_TIMES = (
    "workflow_wall_time",
    "workflow_cumulative_job_wall_time",
    "cumulative_job_walltime_from_submit_side",
    "workflow_cumulative_badput_time",
    "cumulative_job_badput_walltime_from_submit_side",
)
"""Pegasus' names in CSV files of what `wall_times_s` returns."""
DATES = {"month": "[YYYY-MM]", "week": "[YYYY-Www]", "day": "[YYYY-MM-DD]", "hour": "[YYYY-MM-DD HH:00]"}


@without_garbage_collection()
def write_pegasus_files(
    found: Statistics,
    sections: Collection[str],
    directory: Path,
    format_: Format = "text",
    period: Period = "day",
) -> list[Path]:
    """Write the summary and `sections` into a directory, as `write_texts`; return the files.

    The statistics were read with the `PEGASUS_SECTIONS` of these sections.
    """
    texts: dict[str, str] = {}
    if format_ == "csv":
        texts["summary"] = csv_text([TABLE_HEADER, *table_rows(found)])
        times = zip(WALL_TIMES, (rounded_seconds(took_s) for _, took_s in wall_times_s(found)), strict=True)
        texts["summary-time"] = csv_text([("stat_type", "time_seconds"), *times])
    else:
        texts["summary"] = summary_text(found)
    for section in SECTIONS:
        if section not in sections:
            continue
        if section == "time":
            texts |= _time_csv(found, period) if format_ == "csv" else {"time": _time_text(found, period)}
        else:
            to_text = _section_csv if format_ == "csv" else _section_text
            texts[FILES.get(section, section)] = to_text(found, section)
    return write_texts(texts, directory, format_)


def pegasus_rows(section: str, of: MemberStatistics) -> list[Row]:
    """Return a section other than time as rows; the first has the names of the columns."""
    if section == "workflow":
        rows = summary_rows(of.summary)
        return [(*TABLE_HEADER, "WF_Retries"), *((*row, of.restarts) for row in rows)]
    if section == "jobs":
        return [JOB_COLUMNS, *_job_rows(of.jobs)]
    if section == "transformations":
        return [BREAKDOWN_COLUMNS, *_breakdown_rows(of.breakdown)]
    counts = [(row.type, row.file_type, row.count, rounded_seconds(row.duration_s)) for row in of.integrity]
    return [("Type", "File Type", "Count", "Total Duration"), *counts]


def _whole(found: Statistics, restarts: int) -> MemberStatistics:
    """Return what the sections have of the whole tree."""
    return MemberStatistics(
        uuid=found.uuid,
        name=found.workflow,
        restarts=restarts,
        summary=found.summary,
        jobs=found.jobs or [],
        breakdown=found.breakdown or [],
        integrity=found.integrity.counts,
    )


def _parts(found: Statistics) -> tuple[list[MemberStatistics], MemberStatistics]:
    """Return what the sections have of each workflow of the tree, and of the whole tree."""
    members = found.members or [_whole(found, found.run.restarts)]
    return members, _whole(found, sum(one.restarts for one in members))


def _section_text(found: Statistics, section: str) -> str:
    """Return the section for each workflow, and again for the whole tree."""
    members, whole = _parts(found)
    titled = [(f"# {one.uuid} ({one.name})", one) for one in members]
    if section != "jobs":
        titled.append(("# All Workflows" if section == "workflow" else "# All (All)", whole))
    tables = ([title, *columns(pegasus_rows(section, one))] for title, one in titled)
    return "\n".join("\n".join(table) + "\n" for table in tables)


def _section_csv(found: Statistics, section: str) -> str:
    members, whole = _parts(found)
    named = [(one.uuid, one.name, one) for one in members]
    if section != "jobs":
        named.append(("ALL", "", whole))
    header = pegasus_rows(section, whole)[0]
    rows = [
        (uuid, name, *_dashed(row)) for uuid, name, one in named for row in pegasus_rows(section, one)[1:]
    ]
    return csv_text([("Workflow_Id", "Dax_Label", *header), *rows])


def _dashed(row: Row) -> Iterable[object]:
    return ["-" if cell is None else cell for cell in row]


def _job_rows(jobs: Sequence[JobRow]) -> Iterator[Row]:
    for row in jobs:
        if not row.attempt:
            continue
        kickstart = rounded_seconds(row.invocation_s)
        multiplied = None if kickstart is None else rounded_seconds(kickstart * row.multiplier)
        delay_s = None
        if row.cluster_s is not None and row.invocation_s is not None:
            delay_s = row.cluster_s - row.invocation_s
        yield (
            *(row.job, row.attempt, row.site, kickstart, row.multiplier, multiplied),
            *(rounded_seconds(row.cpu_s), rounded_seconds(row.post_s), rounded_seconds(row.queue_s)),
            *(rounded_seconds(row.remote_queue_s), rounded_seconds(row.runtime_s)),
            *(rounded_seconds(row.cluster_s), rounded_seconds(delay_s)),
            *(exit_number(row.process_exitcode), row.host),
        )


def _breakdown_rows(breakdown: Sequence[Breakdown]) -> Iterator[Row]:
    for row in breakdown:
        yield (
            *(row.transformation, "successful" if row.is_well else "failed", row.count),
            *map(rounded_seconds, (row.min_s, row.max_s, row.mean_s, row.total_s)),
            *map(megabytes, (row.min_rss_kb, row.max_rss_kb, row.mean_rss_kb)),
            *map(_percent, (row.min_cpu, row.max_cpu, row.mean_cpu)),
        )


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.2f}%"


# -- time --------------------------------------------------------------------------


def _time_csv(found: Statistics, period: Period) -> dict[str, str]:
    date = f"date{DATES[period]}"
    by_date: list[Row] = [("stat_type", date, "count", "runtime (sec)")]
    by_host: list[Row] = [("stat_type", date, "host", "count", "runtime (sec)")]
    for kind, hours in _kinds(found):
        by_date += [(f"{kind}/{period}", *row) for row in time_rows(hours, period)]
        by_host += [(f"{kind}/host/{period}", *row) for row in time_rows(hours, period, with_hosts=True)]
    return {"time": csv_text(by_date), "time-per-host": csv_text(by_host)}


def _time_text(found: Statistics, period: Period) -> str:
    tables = []
    for with_hosts in (False, True):
        for kind, hours in _kinds(found):
            names = {"jobs": "Job instance", "invocations": "Invocation"}
            host = ("Host",) if with_hosts else ()
            header = (f"Date{DATES[period]}", *host, "Count", "Runtime (sec)")
            title = f"# {names[kind]} statistics {'by host ' if with_hosts else ''}per {period}"
            tables.append([title, *columns([header, *time_rows(hours, period, with_hosts=with_hosts)])])
    return "\n".join("\n".join(table) + "\n" for table in tables)


def _kinds(found: Statistics) -> tuple[tuple[str, Sequence[HostHour]], ...]:
    return ("jobs", found.attempt_hours or ()), ("invocations", found.hours or ())


def time_rows(hours: Sequence[HostHour], period: Period, *, with_hosts: bool = False) -> list[Row]:
    """Return how many began in each period, and their total time; by host with `with_hosts`. UTC."""
    counts: defaultdict[tuple[str, ...], int] = defaultdict(int)
    times_s: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for row in hours:
        if with_hosts and not row.host:
            continue
        date = datetime.fromtimestamp(row.hour, timezone.utc).strftime(PATTERNS[period])
        key = (date, row.host) if with_hosts else (date,)
        counts[key] += row.count
        times_s[key] += row.runtime_s
    return [(*key, counts[key], rounded_seconds(times_s[key])) for key in sorted(counts)]
