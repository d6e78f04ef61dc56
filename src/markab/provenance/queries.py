"""The queries of reports: one function each, returning plain values. The same SQL on SQLite and PostgreSQL.

All take an open `Database`. The last attempt of a job decides whether it succeeded;
all attempts count where a function documents it. Durations are seconds, times UTC
epoch seconds, exit codes raw wait statuses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain, pairwise
from typing import Any

from markab.provenance.query_parts import IS_LAST, OF_RUN, all_rows, attempt_span, each_row, one_row, span_of
from markab.provenance.results import (
    AttemptTimes,
    Breakdown,
    Count,
    FailedJobRow,
    HostHour,
    IntegrityCount,
    JobRow,
    RunState,
    Summary,
    TransferTotals,
    TransformationStats,
    WallTimes,
)
from markab.provenance.run_database import Database
from markab.provenance.stampede_text import percent_unescaped, without_marks
from markab.provenance.summary_query import summary

__all__ = [
    "AttemptTimes",
    "Breakdown",
    "Count",
    "FailedJobRow",
    "HostHour",
    "IntegrityCount",
    "JobRow",
    "RunState",
    "Summary",
    "TransferTotals",
    "TransformationStats",
    "WallTimes",
    "attempts",
    "attempts_by_host",
    "breakdown",
    "cpu_seconds",
    "failed_jobs",
    "integrity",
    "integrity_failures",
    "jobs",
    "moved",
    "run_state",
    "summary",
    "time_by_host",
    "transformations",
    "wall_times",
]

_WELL = "(coalesce(i.exitcode, 0) = 0 OR (j.task_count > 1 AND coalesce(v.exitcode, 1) = 0))"
"""A process succeeded if its job did not fail; in a cluster that failed, if its own exit code is 0."""


def run_state(database: Database) -> RunState:
    """Return the state of the run."""
    name = one_row(database, "SELECT dax_label FROM workflow WHERE wf_id = :wf_id")[0]
    rows = all_rows(
        database,
        "SELECT state, timestamp, restart_count, status, reason FROM workflowstate "
        "WHERE wf_id = :wf_id ORDER BY timestamp",
    )
    starts = [row for row in rows if row.state == "WORKFLOW_STARTED"]
    last: Any = rows[-1] if rows else None
    is_over = last is not None and last.state == "WORKFLOW_TERMINATED"
    return RunState(
        workflow=name or "",
        started=float(starts[0].timestamp) if starts else None,
        ended=float(last.timestamp) if is_over else None,
        status=last.status if is_over else None,
        restarts=max((row.restart_count for row in rows), default=0),
        reason=last.reason if is_over else None,
    )


def wall_times(database: Database) -> WallTimes:
    """Return the wall times of the jobs, all attempts."""
    remote = one_row(
        database,
        """SELECT coalesce(sum(v.remote_duration * i.multiplier_factor), 0) AS all_s,
               coalesce(sum(CASE WHEN i.exitcode <> 0 THEN v.remote_duration * i.multiplier_factor END), 0) AS bad_s
        FROM invocation v JOIN job_instance i ON i.job_instance_id = v.job_instance_id
        JOIN job j ON j.job_id = i.job_id
        WHERE v.wf_id = :wf_id AND v.task_submit_seq >= 0 AND j.type_desc NOT IN ('dax', 'dag')""",
    )
    local = one_row(
        database,
        """SELECT coalesce(sum(i.local_duration * i.multiplier_factor), 0) AS all_s,
               coalesce(sum(CASE WHEN i.exitcode <> 0 THEN i.local_duration * i.multiplier_factor END), 0) AS bad_s
        FROM job_instance i JOIN job j ON j.job_id = i.job_id
        WHERE j.wf_id = :wf_id AND j.type_desc NOT IN ('dax', 'dag')""",
    )
    return WallTimes(
        float(remote.all_s),
        float(local.all_s),
        float(remote.bad_s),
        float(local.bad_s),
    )


def cpu_seconds(database: Database, sites: Collection[str]) -> float:
    """Return the processor time that processes used at some sites, all attempts."""
    rows = all_rows(
        database,
        """SELECT i.site, CAST(sum(v.remote_cpu_time) AS DOUBLE PRECISION)
        FROM invocation v JOIN job_instance i ON i.job_instance_id = v.job_instance_id
        WHERE v.wf_id = :wf_id AND v.task_submit_seq >= 0 GROUP BY i.site""",
    )
    return sum(cpu_s or 0.0 for site, cpu_s in rows if site in sites)


def transformations(database: Database) -> list[TransformationStats]:
    """Return the statistics of each transformation, the largest total time first."""
    rows = all_rows(
        database,
        f"""SELECT v.transformation, j.type_desc, count(*),
               sum(CASE WHEN {_WELL} THEN 1 ELSE 0 END), sum(CASE WHEN {_WELL} THEN 0 ELSE 1 END),
               min(v.remote_duration), max(v.remote_duration), avg(v.remote_duration), sum(v.remote_duration),
               sum(v.remote_cpu_time), max(v.maxrss), avg(v.maxrss), avg(v.avg_cpu)
        FROM invocation v JOIN job_instance i ON i.job_instance_id = v.job_instance_id
        JOIN job j ON j.job_id = i.job_id WHERE v.wf_id = :wf_id
        GROUP BY v.transformation, j.type_desc ORDER BY 9 DESC, 1""",
    )
    return [
        TransformationStats(
            transformation=row[0],
            kind=row[1],
            count=row[2],
            succeeded=int(row[3]),
            failed=int(row[4]),
            min_s=float(row[5]),
            max_s=float(row[6]),
            mean_s=float(row[7]),
            total_s=float(row[8]),
            cpu_s=_float(row[9]),
            max_rss_kb=row[10],
            mean_rss_kb=_float(row[11]),
            mean_cpu=_float(row[12]),
        )
        for row in rows
    ]


def breakdown(database: Database) -> list[Breakdown]:
    """Return the statistics of each transformation by name, successful and failed processes apart."""
    rows = all_rows(
        database,
        f"""SELECT v.transformation, CASE WHEN {_WELL} THEN 1 ELSE 0 END, count(*),
               min(v.remote_duration * i.multiplier_factor), max(v.remote_duration * i.multiplier_factor),
               avg(v.remote_duration * i.multiplier_factor), sum(v.remote_duration * i.multiplier_factor),
               min(v.maxrss), max(v.maxrss), avg(v.maxrss), min(v.avg_cpu), max(v.avg_cpu), avg(v.avg_cpu)
        FROM invocation v JOIN job_instance i ON i.job_instance_id = v.job_instance_id
        JOIN job j ON j.job_id = i.job_id WHERE v.wf_id = :wf_id GROUP BY 1, 2 ORDER BY 1, 2""",
    )
    return [
        Breakdown(
            transformation=row[0],
            is_well=bool(row[1]),
            count=row[2],
            min_s=float(row[3]),
            max_s=float(row[4]),
            mean_s=float(row[5]),
            total_s=float(row[6]),
            min_rss_kb=row[7],
            max_rss_kb=row[8],
            mean_rss_kb=_float(row[9]),
            min_cpu=_float(row[10]),
            max_cpu=_float(row[11]),
            mean_cpu=_float(row[12]),
        )
        for row in rows
    ]


def jobs(database: Database, *, all_attempts: bool = False) -> list[JobRow]:
    """Return every job with its last attempt, or with each of its attempts, in the order of the plan."""
    rows: Iterator[Any] = iter(each_row(database, _JOBS, **span_of(database), **attempt_span(database)))
    found: list[JobRow] = []
    attempt, before = 0, None
    for row, following in pairwise(chain(rows, [None])):
        (job_id, seq, job, kind, transformation, site, host, exitcode) = row[:8]
        attempt = attempt + 1 if job_id == before else 1
        before = job_id
        is_last = following is None or following[0] != job_id
        if not is_last and not all_attempts:
            continue
        submitted, executed = row[8:10]
        queue_s = executed - submitted if executed is not None and submitted is not None else None
        number = attempt if seq is not None else 0
        found.append(
            JobRow(
                *(job, kind, transformation, site, host, number, is_last, exitcode),
                *(submitted, executed, row[10], queue_s, *row[11:]),
            )
        )
    return found


_JOBS = f"""
SELECT j.job_id, i.job_submit_seq, j.exec_job_id, j.type_desc, v.transformation, i.site, h.hostname, i.exitcode,
       s.submitted, s.executed, s.ended, CAST(i.local_duration AS DOUBLE PRECISION), v.took, v.cpu, v.rss,
       CAST(i.cluster_duration AS DOUBLE PRECISION), v.process_exitcode
FROM job j LEFT JOIN job_instance i ON i.job_id = j.job_id
LEFT JOIN host h ON h.host_id = i.host_id
LEFT JOIN (
    SELECT job_instance_id,
           CAST(min(CASE WHEN state = 'SUBMIT' THEN timestamp END) AS DOUBLE PRECISION) AS submitted,
           CAST(min(CASE WHEN state = 'EXECUTE' THEN timestamp END) AS DOUBLE PRECISION) AS executed,
           CAST(min(CASE WHEN state IN ('JOB_TERMINATED', 'JOB_ABORTED') THEN timestamp END)
                AS DOUBLE PRECISION) AS ended
    FROM jobstate WHERE job_instance_id BETWEEN :first_attempt AND :last_attempt GROUP BY job_instance_id
) s ON s.job_instance_id = i.job_instance_id
LEFT JOIN (
    SELECT job_instance_id, min(transformation) AS transformation,
           CAST(sum(remote_duration) AS DOUBLE PRECISION) AS took,
           CAST(sum(remote_cpu_time) AS DOUBLE PRECISION) AS cpu, max(maxrss) AS rss,
           max(exitcode) AS process_exitcode
    FROM invocation
    WHERE job_instance_id BETWEEN :first_attempt AND :last_attempt AND task_submit_seq >= 0 GROUP BY job_instance_id
) v ON v.job_instance_id = i.job_instance_id
WHERE j.job_id {OF_RUN} ORDER BY j.job_id, i.job_submit_seq"""


def attempts(database: Database) -> list[AttemptTimes]:
    """Return the times of every attempt, in order of submission."""
    sql = f"""
    SELECT i.job_id - :first_job,
           CAST(min(CASE WHEN s.state = 'SUBMIT' THEN s.timestamp END) AS DOUBLE PRECISION),
           CAST(min(CASE WHEN s.state = 'EXECUTE' THEN s.timestamp END) AS DOUBLE PRECISION),
           CAST(min(CASE WHEN s.state IN ('JOB_TERMINATED', 'JOB_ABORTED') THEN s.timestamp END)
                AS DOUBLE PRECISION)
    FROM job_instance i JOIN jobstate s ON s.job_instance_id = i.job_instance_id
    WHERE i.job_instance_id BETWEEN :first_attempt AND :last_attempt AND +i.job_id {OF_RUN}
    GROUP BY i.job_instance_id ORDER BY i.job_instance_id"""  # "+" keeps SQLite from using the index, which needs a sort
    found: list[Any] = all_rows(database, sql, **span_of(database), **attempt_span(database))
    return found


def time_by_host(database: Database) -> list[HostHour]:
    """Return the processes of each host, by the hour of their start."""
    return _by_host(
        database,
        """SELECT h.hostname, h.site, v.start_time AS began, v.remote_duration AS took
        FROM invocation v JOIN job_instance i ON i.job_instance_id = v.job_instance_id
        JOIN host h ON h.host_id = i.host_id WHERE v.wf_id = :wf_id""",
    )


def attempts_by_host(database: Database) -> list[HostHour]:
    """Return the attempts of each host, by the hour of their start."""
    return _by_host(
        database,
        f"""SELECT h.hostname, h.site, s.timestamp AS began, i.local_duration AS took
        FROM job_instance i JOIN host h ON h.host_id = i.host_id
        JOIN jobstate s ON s.job_instance_id = i.job_instance_id AND s.state = 'EXECUTE'
        WHERE i.job_id {OF_RUN}""",
    )


def _by_host(database: Database, began: str) -> list[HostHour]:
    hour = "CAST(floor(began / 3600) AS INTEGER)"
    if database.connection.dialect.name == "sqlite":
        hour = "CAST(began / 3600 AS INTEGER)"  # floor() is not in every SQLite
    rows = all_rows(
        database,
        f"""SELECT hostname, site, {hour} * 3600, count(*), sum(took) FROM ({began}) b
        GROUP BY hostname, site, 3 ORDER BY 3, 1, 2""",
        **span_of(database),
    )
    return [HostHour(row[0], row[1], int(row[2]), row[3], float(row[4])) for row in rows]


def integrity(database: Database) -> list[IntegrityCount]:
    """Return how many checksums were compared and computed, and how long that took."""
    rows = all_rows(
        database,
        "SELECT type, file_type, sum(count), sum(duration) FROM integrity WHERE wf_id = :wf_id "
        "GROUP BY type, file_type ORDER BY 1, 2",
    )
    return [IntegrityCount(row[0], row[1], int(row[2]), float(row[3])) for row in rows]


def integrity_failures(database: Database) -> int:
    """Return how many checksums did not match."""
    row = one_row(database, "SELECT sum(count) FROM tag WHERE wf_id = :wf_id AND name = 'int.error'")
    return int(row[0] or 0)


def moved(database: Database) -> list[TransferTotals]:
    """Return the files and bytes moved by each kind of job, all attempts."""
    rows = all_rows(
        database,
        """SELECT j.type_desc, sum(a.files_moved), sum(a.bytes_moved), sum(a.move_duration)
        FROM markab_attempt a JOIN job_instance i ON i.job_instance_id = a.job_instance_id
        JOIN job j ON j.job_id = i.job_id WHERE j.wf_id = :wf_id AND a.files_moved > 0
        GROUP BY j.type_desc ORDER BY 1""",
    )
    return [TransferTotals(row[0], int(row[1]), int(row[2]), float(row[3])) for row in rows]


def failed_jobs(database: Database, limit: int | None = None) -> list[FailedJobRow]:
    """Return the jobs whose last attempt failed, the first to fail first; those that were done in part are none."""
    rows = all_rows(
        database,
        f"""SELECT j.exec_job_id, j.type_desc, i.site, h.hostname,
               (SELECT count(*) FROM job_instance n WHERE n.job_id = i.job_id), i.exitcode,
               a.error_kind, s.reason, s.state, s.timestamp, i.work_dir,
               coalesce(v.executable, j.executable), coalesce(v.argv, j.argv),
               i.stdout_text, i.stdout_file, i.stderr_file, a.journal_start, a.journal_bytes
        FROM job_instance i JOIN job j ON j.job_id = i.job_id LEFT JOIN host h ON h.host_id = i.host_id
        LEFT JOIN markab_attempt a ON a.job_instance_id = i.job_instance_id
        LEFT JOIN jobstate s ON s.job_instance_id = i.job_instance_id
             AND s.state IN ('JOB_FAILURE', 'POST_SCRIPT_FAILED')
        LEFT JOIN invocation v ON v.job_instance_id = i.job_instance_id AND v.task_submit_seq = (
             SELECT max(w.task_submit_seq) FROM invocation w WHERE w.job_instance_id = i.job_instance_id)
        WHERE i.job_id {OF_RUN} AND i.exitcode <> 0 AND {IS_LAST}
        ORDER BY s.timestamp, j.job_id {"" if limit is None else f"LIMIT {int(limit)}"}""",
        **span_of(database),
    )
    return [
        FailedJobRow(
            job=row[0],
            kind=row[1],
            site=row[2],
            host=row[3],
            attempts=row[4],
            exitcode=row[5],
            error_kind=row[6] or "",
            reason=row[7] or "",
            state=row[8] or "",
            ended=_float(row[9]),
            work_dir=row[10],
            executable=row[11] or "",
            argv=row[12] or "",
            stdout=out,
            stderr=err,
            stdout_file=row[14],
            stderr_file=row[15],
            journal_start=row[16],
            journal_bytes=row[17],
        )
        for row in rows
        for out, err in [without_marks(percent_unescaped(row[13] or ""))]
    ]


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
