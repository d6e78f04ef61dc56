"""What reports ask of a run: one function a question, plain values out. The same SQL on SQLite and PostgreSQL.

All take an open `Database`. Only the last attempt of a job decides whether it
succeeded; all attempts count where it says so. Durations are seconds, times UTC
epoch seconds, exit codes raw wait statuses.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from markab.provenance.answers import (
    Count,
    FailedJob,
    HostHour,
    IntegrityCount,
    JobRow,
    Moved,
    RunState,
    Summary,
    TransformationStats,
    WallTimes,
)
from markab.provenance.opening import Database
from markab.provenance.states import unescaped

__all__ = [
    "Count",
    "FailedJob",
    "HostHour",
    "IntegrityCount",
    "JobRow",
    "Moved",
    "RunState",
    "Summary",
    "TransformationStats",
    "WallTimes",
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

_LAST = """
last AS (
    SELECT i.job_id, max(i.job_submit_seq) AS seq, count(*) AS attempts
    FROM job_instance i JOIN job j ON j.job_id = i.job_id WHERE j.wf_id = :wf_id GROUP BY i.job_id
)"""

_WELL = "(i.exitcode = 0 OR (j.task_count > 1 AND coalesce(v.exitcode, 1) = 0))"
"""A process did well when its job did; in a cluster that failed, when it did itself."""


def run_state(database: Database) -> RunState:
    """Return where the run stands."""
    name = _one(database, "SELECT dax_label FROM workflow WHERE wf_id = :wf_id")[0]
    rows = _all(
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


def summary(database: Database) -> Summary:
    """Return how many tasks, jobs and sub-workflows ended how."""
    rows = _all(
        database,
        f"""WITH {_LAST}
        SELECT CASE WHEN j.type_desc IN ('dax', 'dag') THEN 1 ELSE 0 END AS is_sub,
               count(*) AS total,
               sum(CASE WHEN i.exitcode = 0 THEN 1 ELSE 0 END) AS succeeded,
               sum(CASE WHEN i.exitcode <> 0 THEN 1 ELSE 0 END) AS failed,
               sum(CASE WHEN l.attempts > 1 THEN l.attempts - 1 ELSE 0 END) AS retries
        FROM job j LEFT JOIN last l ON l.job_id = j.job_id
        LEFT JOIN job_instance i ON i.job_id = l.job_id AND i.job_submit_seq = l.seq
        WHERE j.wf_id = :wf_id GROUP BY 1""",
    )
    counts = {row.is_sub: _count(row) for row in rows}
    tasks = _one(
        database,
        f"""WITH {_LAST}
        SELECT count(*) AS total,
               sum(CASE WHEN {_WELL} THEN 1 ELSE 0 END) AS succeeded,
               sum(CASE WHEN i.exitcode <> 0 AND NOT ({_WELL})
                        AND (v.exitcode IS NOT NULL OR j.task_count = 1) THEN 1 ELSE 0 END) AS failed,
               sum(CASE WHEN l.attempts > 1 THEN l.attempts - 1 ELSE 0 END) AS retries
        FROM task t JOIN job j ON j.job_id = t.job_id LEFT JOIN last l ON l.job_id = t.job_id
        LEFT JOIN job_instance i ON i.job_id = l.job_id AND i.job_submit_seq = l.seq
        LEFT JOIN invocation v ON v.job_instance_id = i.job_instance_id AND v.abs_task_id = t.abs_task_id
        WHERE t.wf_id = :wf_id AND t.type_desc NOT IN ('dax', 'dag')""",
    )
    none = Count(0, 0, 0, 0)
    return Summary(_count(tasks), counts.get(0, none), counts.get(1, none))


def wall_times(database: Database) -> WallTimes:
    """Return the wall times of the workflow and of its jobs, all attempts."""
    remote = _one(
        database,
        """SELECT coalesce(sum(v.remote_duration * i.multiplier_factor), 0) AS all_s,
               coalesce(sum(CASE WHEN i.exitcode <> 0 THEN v.remote_duration * i.multiplier_factor END), 0) AS bad_s
        FROM invocation v JOIN job_instance i ON i.job_instance_id = v.job_instance_id
        JOIN job j ON j.job_id = i.job_id
        WHERE v.wf_id = :wf_id AND v.task_submit_seq >= 0 AND j.type_desc NOT IN ('dax', 'dag')""",
    )
    local = _one(
        database,
        """SELECT coalesce(sum(i.local_duration * i.multiplier_factor), 0) AS all_s,
               coalesce(sum(CASE WHEN i.exitcode <> 0 THEN i.local_duration * i.multiplier_factor END), 0) AS bad_s
        FROM job_instance i JOIN job j ON j.job_id = i.job_id
        WHERE j.wf_id = :wf_id AND j.type_desc NOT IN ('dax', 'dag')""",
    )
    return WallTimes(
        _workflow_wall_s(database),
        float(remote.all_s),
        float(local.all_s),
        float(remote.bad_s),
        float(local.bad_s),
    )


def _workflow_wall_s(database: Database) -> float | None:
    rows = _all(
        database, "SELECT state, timestamp FROM workflowstate WHERE wf_id = :wf_id ORDER BY timestamp"
    )
    total_s, began = 0.0, None
    for state, time in rows:
        if state == "WORKFLOW_TERMINATED":
            total_s += float(time) - began if began is not None else 0.0
            began = None
            continue
        if (
            began is not None
        ):  # the engine before was killed: it worked at least until it last wrote something
            total_s += _last_sign(database, began, float(time)) - began
        began = float(time)
    return total_s if rows and began is None else None


def _last_sign(database: Database, after: float, before: float) -> float:
    row = database.connection.execute(
        text(
            "SELECT max(s.timestamp) FROM jobstate s JOIN job_instance i "
            "ON i.job_instance_id = s.job_instance_id JOIN job j ON j.job_id = i.job_id "
            "WHERE j.wf_id = :wf_id AND s.timestamp >= :after AND s.timestamp < :before"
        ),
        {"wf_id": database.wf_id, "after": after, "before": before},
    ).one()
    return after if row[0] is None else float(row[0])


def transformations(database: Database) -> list[TransformationStats]:
    """Return what each transformation took, the most time in all first."""
    rows = _all(
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


def jobs(database: Database, *, all_attempts: bool = False) -> list[JobRow]:
    """Return every job with its last attempt, or with each of its attempts, in the order of the plan."""
    ends = _one(
        database,
        "SELECT min(i.job_instance_id), max(i.job_instance_id) FROM job_instance i "
        "JOIN job j ON j.job_id = i.job_id WHERE j.wf_id = :wf_id",
    )
    rows = _all(
        database,
        """SELECT j.exec_job_id, j.type_desc, v.transformation, i.site, h.hostname, i.job_submit_seq,
               i.exitcode, s.submitted, s.executed, s.ended, i.local_duration, v.took, v.cpu, v.rss, j.job_id
        FROM job j LEFT JOIN job_instance i ON i.job_id = j.job_id
        LEFT JOIN host h ON h.host_id = i.host_id
        LEFT JOIN (
            SELECT job_instance_id,
                   min(CASE WHEN state = 'SUBMIT' THEN timestamp END) AS submitted,
                   min(CASE WHEN state = 'EXECUTE' THEN timestamp END) AS executed,
                   min(CASE WHEN state IN ('JOB_TERMINATED', 'JOB_ABORTED') THEN timestamp END) AS ended
            FROM jobstate WHERE job_instance_id BETWEEN :first AND :last GROUP BY job_instance_id
        ) s ON s.job_instance_id = i.job_instance_id
        LEFT JOIN (
            SELECT job_instance_id, min(transformation) AS transformation, sum(remote_duration) AS took,
                   sum(remote_cpu_time) AS cpu, max(maxrss) AS rss
            FROM invocation WHERE job_instance_id BETWEEN :first AND :last GROUP BY job_instance_id
        ) v ON v.job_instance_id = i.job_instance_id
        WHERE j.wf_id = :wf_id ORDER BY j.job_id, i.job_submit_seq""",
        # Attempts of other runs in the same database may lie between: they are looked at for nothing.
        first=ends[0] or 0,
        last=ends[1] or 0,
    )
    found: list[JobRow] = []
    attempt, before = 0, None
    for n, row in enumerate(rows):
        attempt = attempt + 1 if row[14] == before else 1
        before = row[14]
        is_last = n + 1 == len(rows) or rows[n + 1][14] != before
        if not is_last and not all_attempts:
            continue
        submitted, executed, ended = map(_float, row[7:10])
        queued = executed - submitted if executed is not None and submitted is not None else None
        found.append(
            JobRow(
                job=row[0],
                kind=row[1],
                transformation=row[2],
                site=row[3],
                host=row[4],
                attempt=attempt if row[5] is not None else 0,
                is_last=is_last,
                exitcode=row[6],
                submitted=submitted,
                executed=executed,
                ended=ended,
                queue_s=queued,
                runtime_s=_float(row[10]),
                invocation_s=_float(row[11]),
                cpu_s=_float(row[12]),
                max_rss_kb=row[13],
            )
        )
    return found


def time_by_host(database: Database) -> list[HostHour]:
    """Return the processes that each host ran, by the hour in which they began."""
    hour = "CAST(floor(v.start_time / 3600) AS INTEGER)"
    if database.connection.dialect.name == "sqlite":
        hour = "CAST(v.start_time / 3600 AS INTEGER)"  # floor() is not in every SQLite
    rows = _all(
        database,
        f"""SELECT h.hostname, h.site, {hour} * 3600 AS hour_start, count(*), sum(v.remote_duration)
        FROM invocation v JOIN job_instance i ON i.job_instance_id = v.job_instance_id
        JOIN host h ON h.host_id = i.host_id WHERE v.wf_id = :wf_id
        GROUP BY h.hostname, h.site, 3 ORDER BY 3, 1, 2""",
    )
    return [HostHour(row[0], row[1], int(row[2]), row[3], float(row[4])) for row in rows]


def integrity(database: Database) -> list[IntegrityCount]:
    """Return how many checksums were compared and made, and how long that took."""
    rows = _all(
        database,
        "SELECT type, file_type, sum(count), sum(duration) FROM integrity WHERE wf_id = :wf_id "
        "GROUP BY type, file_type ORDER BY 1, 2",
    )
    return [IntegrityCount(row[0], row[1], int(row[2]), float(row[3])) for row in rows]


def integrity_failures(database: Database) -> int:
    """Return how many checksums were not what they should have been."""
    row = _one(database, "SELECT sum(count) FROM tag WHERE wf_id = :wf_id AND name = 'int.error'")
    return int(row[0] or 0)


def moved(database: Database) -> list[Moved]:
    """Return what was moved by which kind of job, all attempts."""
    rows = _all(
        database,
        """SELECT j.type_desc, sum(a.files_moved), sum(a.bytes_moved), sum(a.move_duration)
        FROM markab_attempt a JOIN job_instance i ON i.job_instance_id = a.job_instance_id
        JOIN job j ON j.job_id = i.job_id WHERE j.wf_id = :wf_id AND a.files_moved > 0
        GROUP BY j.type_desc ORDER BY 1""",
    )
    return [Moved(row[0], int(row[1]), int(row[2]), float(row[3])) for row in rows]


def failed_jobs(database: Database, limit: int | None = None) -> list[FailedJob]:
    """Return the jobs whose last attempt failed, the first to fail first."""
    rows = _all(
        database,
        f"""WITH {_LAST}
        SELECT j.exec_job_id, j.type_desc, i.site, h.hostname, l.attempts, i.exitcode,
               a.error_kind, s.reason, s.state, s.timestamp, i.work_dir,
               coalesce(v.executable, j.executable), coalesce(v.argv, j.argv),
               i.stdout_text, i.stderr_text, i.stdout_file, i.stderr_file, a.journal_start, a.journal_bytes
        FROM last l JOIN job_instance i ON i.job_id = l.job_id AND i.job_submit_seq = l.seq
        JOIN job j ON j.job_id = i.job_id LEFT JOIN host h ON h.host_id = i.host_id
        LEFT JOIN markab_attempt a ON a.job_instance_id = i.job_instance_id
        LEFT JOIN jobstate s ON s.job_instance_id = i.job_instance_id
             AND s.state IN ('JOB_FAILURE', 'POST_SCRIPT_FAILED')
        LEFT JOIN invocation v ON v.job_instance_id = i.job_instance_id AND v.task_submit_seq = (
             SELECT max(w.task_submit_seq) FROM invocation w WHERE w.job_instance_id = i.job_instance_id)
        WHERE i.exitcode <> 0 ORDER BY s.timestamp, j.job_id {"" if limit is None else f"LIMIT {int(limit)}"}""",
    )
    return [
        FailedJob(
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
            stdout=unescaped(row[13] or ""),
            stderr=unescaped(row[14] or ""),
            stdout_file=row[15],
            stderr_file=row[16],
            journal_start=row[17],
            journal_bytes=row[18],
        )
        for row in rows
    ]


def _count(row: Any) -> Count:
    total, succeeded, failed = row.total, int(row.succeeded or 0), int(row.failed or 0)
    return Count(succeeded, failed, total - succeeded - failed, int(row.retries or 0))


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _all(database: Database, sql: str, **values: object) -> list[Any]:
    return list(database.connection.execute(text(sql), {"wf_id": database.wf_id, **values}).all())


def _one(database: Database, sql: str) -> Any:
    return database.connection.execute(text(sql), {"wf_id": database.wf_id}).one()
