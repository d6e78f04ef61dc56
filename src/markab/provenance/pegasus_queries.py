"""What Pegasus' own statistics ask of its database, counted as `pegasus-statistics` counts.

A job ended as its last attempt did, a task as its process in that attempt. All attempts
count for times. Rows of post scripts (negative `task_submit_seq`) count as processes of
a transformation, but not for the wall time of jobs. The same SQL on SQLite and PostgreSQL.

Where a function returns a map, its keys are the `wf_id` of the workflows of the tree.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from sqlalchemy import text

from markab.provenance.pegasus_database import PegasusDatabase
from markab.provenance.query_parts import IS_LAST, IS_SUB
from markab.provenance.results import (
    AttemptTimes,
    Breakdown,
    Count,
    HostHour,
    IntegrityCount,
    JobRow,
    RunState,
    Summary,
    TransformationStats,
    WallTimes,
)

_NO_SUB = "j.type_desc NOT IN ('dax', 'dag')"


def rows_of(database: PegasusDatabase, sql: str, *, alone: bool = False) -> list[Any]:
    """Return the rows of a query; `{tree}` stands for the condition on a `wf_id`: in the tree, or `alone`."""
    ids = [one.wf_id for one in database.members[: 1 if alone else None]]
    condition = f"= {ids[0]:d}" if len(ids) == 1 else f"IN ({', '.join(f'{one:d}' for one in ids)})"
    words = sql.replace("{tree}", condition)
    for column in ("maxrss", "avg_cpu"):
        if column in database.absent:
            words = words.replace(f"v.{column}", "NULL")
    rows: list[Any] = list(database.connection.execute(text(words)).all())
    return rows


def run_states(database: PegasusDatabase) -> dict[int, RunState]:
    """Return the state of each workflow."""
    rows = rows_of(
        database,
        "SELECT wf_id, state, timestamp, restart_count, status, reason FROM workflowstate "
        "WHERE wf_id {tree} ORDER BY restart_count, timestamp, state",
    )
    grouped: defaultdict[int, list[Any]] = defaultdict(list)
    for row in rows:
        grouped[row.wf_id].append(row)
    return {one.wf_id: _run_state(one.name, grouped[one.wf_id]) for one in database.members}


def _run_state(name: str, rows: list[Any]) -> RunState:
    starts = [row.timestamp for row in rows if row.state == "WORKFLOW_STARTED"]
    last: Any = rows[-1] if rows else None
    is_over = last is not None and last.state == "WORKFLOW_TERMINATED"
    return RunState(
        workflow=name,
        started=float(min(starts)) if starts else None,
        ended=float(last.timestamp) if is_over else None,
        status=last.status if is_over else None,
        restarts=max((row.restart_count for row in rows), default=0),
        reason=last.reason if is_over else None,
    )


def spans(database: PegasusDatabase) -> list[tuple[float, float | None]]:
    """Return start and end of each DAGMan of the workflow, oldest first; None: no end is recorded."""
    rows = rows_of(
        database,
        "SELECT state, timestamp FROM workflowstate WHERE wf_id {tree} ORDER BY restart_count, timestamp, state",
        alone=True,
    )
    found: list[tuple[float, float | None]] = []
    for state, moment in rows:
        if state == "WORKFLOW_STARTED":
            found.append((float(moment), None))
        elif found and found[-1][1] is None:
            found[-1] = (found[-1][0], float(moment))
    return found


def summaries(database: PegasusDatabase) -> dict[int, Summary]:
    """Return the counts of tasks, jobs and sub-workflows of each workflow by how they ended."""
    found: Counter[tuple[int, str, str]] = Counter()
    for wf_id, is_sub, number in rows_of(database, _JOBS):
        found[wf_id, "sub-workflows" if is_sub else "jobs", "all"] = number
    for wf_id, is_sub, is_last, is_well, number in rows_of(database, _ATTEMPTS):
        word = {1: "succeeded", 0: "failed", None: "open"}[is_well] if is_last else "again"
        found[wf_id, "sub-workflows" if is_sub else "jobs", word] += number
    for wf_id, number in rows_of(database, _TASKS):
        found[wf_id, "tasks", "all"] = number
    for wf_id, succeeded, failed, again in rows_of(database, _TASKS_BY_END):
        found[wf_id, "tasks", "succeeded"], found[wf_id, "tasks", "failed"] = succeeded, failed
        found[wf_id, "tasks", "again"] = again

    def count(wf_id: int, what: str) -> Count:
        succeeded, failed = found[wf_id, what, "succeeded"], found[wf_id, what, "failed"]
        unfinished = found[wf_id, what, "all"] - succeeded - failed
        return Count(succeeded, failed, unfinished, found[wf_id, what, "again"])

    return {
        one.wf_id: Summary(*(count(one.wf_id, what) for what in ("tasks", "jobs", "sub-workflows")))
        for one in database.members
    }


_JOBS = f"SELECT j.wf_id, {IS_SUB} AS is_sub, count(*) FROM job j WHERE j.wf_id {{tree}} GROUP BY 1, 2"

_ATTEMPTS = f"""
SELECT j.wf_id, {IS_SUB} AS is_sub, CASE WHEN {IS_LAST} THEN 1 ELSE 0 END AS is_last,
       CASE WHEN i.exitcode = 0 THEN 1 WHEN i.exitcode <> 0 THEN 0 END AS is_well, count(*)
FROM job_instance i JOIN job j ON j.job_id = i.job_id WHERE j.wf_id {{tree}} GROUP BY 1, 2, 3, 4"""

_TASKS = """
SELECT t.wf_id, count(*) FROM task t JOIN job j ON j.job_id = t.job_id
WHERE t.wf_id {tree} AND t.type_desc NOT IN ('dax', 'dag') GROUP BY 1"""

_TASKS_BY_END = f"""
SELECT wf_id, count(DISTINCT CASE WHEN is_last = 1 AND exitcode = 0 THEN abs_task_id END),
       count(DISTINCT CASE WHEN is_last = 1 AND exitcode <> 0 THEN abs_task_id END),
       count(abs_task_id) - count(DISTINCT abs_task_id)
FROM (
    SELECT j.wf_id, v.exitcode, v.abs_task_id, CASE WHEN {IS_LAST} THEN 1 ELSE 0 END AS is_last
    FROM job_instance i JOIN job j ON j.job_id = i.job_id
    JOIN invocation v ON v.job_instance_id = i.job_instance_id AND v.abs_task_id IS NOT NULL
    WHERE j.wf_id {{tree}} AND {_NO_SUB}
) p GROUP BY wf_id"""


def wall_times(database: PegasusDatabase) -> WallTimes:
    """Return the wall times of the jobs of the whole tree, all attempts."""
    (remote,) = rows_of(
        database,
        """SELECT coalesce(sum(v.remote_duration * i.multiplier_factor), 0) AS all_s,
               coalesce(sum(CASE WHEN v.exitcode > 0 THEN v.remote_duration * i.multiplier_factor END), 0) AS bad_s
        FROM invocation v JOIN job_instance i ON i.job_instance_id = v.job_instance_id
        WHERE v.wf_id {tree} AND v.task_submit_seq >= 0 AND v.transformation <> 'condor::dagman'""",
    )
    (local,) = rows_of(
        database,
        f"""SELECT coalesce(sum(i.local_duration * i.multiplier_factor), 0) AS all_s,
               coalesce(sum(CASE WHEN i.exitcode > 0 THEN i.local_duration * i.multiplier_factor END), 0) AS bad_s
        FROM job_instance i JOIN job j ON j.job_id = i.job_id
        WHERE j.wf_id {{tree}} AND ({_NO_SUB} OR i.subwf_id IS NULL)""",
    )
    return WallTimes(*(float(number) for number in (remote.all_s, local.all_s, remote.bad_s, local.bad_s)))


def transformations(database: PegasusDatabase) -> list[TransformationStats]:
    """Return the statistics of each transformation of the tree, the largest total time first."""
    rows = rows_of(
        database,
        """SELECT v.transformation, j.type_desc, count(*),
               sum(CASE WHEN v.exitcode = 0 THEN 1 ELSE 0 END), sum(CASE WHEN v.exitcode = 0 THEN 0 ELSE 1 END),
               min(v.remote_duration), max(v.remote_duration), avg(v.remote_duration), sum(v.remote_duration),
               sum(v.remote_cpu_time), max(v.maxrss), avg(v.maxrss), avg(v.avg_cpu)
        FROM invocation v JOIN job_instance i ON i.job_instance_id = v.job_instance_id
        JOIN job j ON j.job_id = i.job_id WHERE v.wf_id {tree}
        GROUP BY v.transformation, j.type_desc ORDER BY 9 DESC, 1""",
    )
    return [
        TransformationStats(
            transformation=row[0],
            kind=row[1],
            count=row[2],
            succeeded=int(row[3]),
            failed=int(row[4]),
            min_s=float(row[5] or 0),
            max_s=float(row[6] or 0),
            mean_s=float(row[7] or 0),
            total_s=float(row[8] or 0),
            cpu_s=_float(row[9]),
            max_rss_kb=row[10],
            mean_rss_kb=_float(row[11]),
            mean_cpu=_float(row[12]),
        )
        for row in rows
    ]


def breakdowns(database: PegasusDatabase) -> dict[int | None, list[Breakdown]]:
    """Return the statistics of each transformation by its name and how it ended; None is the whole tree."""
    found: dict[int | None, list[Breakdown]] = {}
    own = database.workflow.wf_id
    for column in ("v.wf_id", "NULL") if len(database.members) > 1 else ("v.wf_id",):
        for row in rows_of(database, _BREAKDOWN.replace("{of}", column)):
            one = Breakdown(
                transformation=row[1],
                is_well=bool(row[2]),
                count=row[3],
                min_s=float(row[4] or 0),
                max_s=float(row[5] or 0),
                mean_s=float(row[6] or 0),
                total_s=float(row[7] or 0),
                min_rss_kb=row[8],
                max_rss_kb=row[9],
                mean_rss_kb=_float(row[10]),
                min_cpu=_float(row[11]),
                max_cpu=_float(row[12]),
                mean_cpu=_float(row[13]),
            )
            found.setdefault(row[0], []).append(one)
    return {None: found.get(own, []), **found}


_BREAKDOWN = """
SELECT {of}, v.transformation, CASE WHEN v.exitcode = 0 THEN 1 ELSE 0 END, count(*),
       min(v.remote_duration * i.multiplier_factor), max(v.remote_duration * i.multiplier_factor),
       avg(v.remote_duration * i.multiplier_factor), sum(v.remote_duration * i.multiplier_factor),
       min(v.maxrss), max(v.maxrss), avg(v.maxrss), min(v.avg_cpu), max(v.avg_cpu), avg(v.avg_cpu)
FROM invocation v JOIN job_instance i ON i.job_instance_id = v.job_instance_id
WHERE v.wf_id {tree} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""


def jobs(database: PegasusDatabase) -> dict[int, list[JobRow]]:
    """Return each attempt of the jobs of each workflow, in order of submission, then the jobs without any."""
    found: dict[int, list[JobRow]] = {one.wf_id: [] for one in database.members}
    rows = rows_of(database, _ATTEMPT_ROWS)
    last = {row[1]: row[2] for row in rows}
    number: dict[int, int] = {}
    for row in rows:
        wf_id, job_id, attempt_id = row[:3]
        number[job_id] = tries = number.get(job_id, 0) + 1
        found[wf_id].append(JobRow(*(*row[3:8], tries, last[job_id] == attempt_id, *row[8:])))
    for wf_id, name, kind in rows_of(database, _UNSTARTED):
        found[wf_id].append(JobRow(name, kind, None, None, None, 0, True, *_NOTHING))
    return found


_NOTHING = (None, None, None, None, None, None, None, None, None, None)


def _number(sql: str) -> str:
    return f"CAST({sql} AS DOUBLE PRECISION)"


_STATES = ("SUBMIT", "EXECUTE", "GRID_SUBMIT", "GLOBUS_SUBMIT", "JOB_TERMINATED", "JOB_ABORTED")
_POST_STATES = ("POST_SCRIPT_STARTED", "POST_SCRIPT_TERMINATED")


def _moment(*states: str, latest: bool = False) -> str:
    """Return the time of the first of these states of an attempt; of the last, if `latest`."""
    condition = f"state IN ({_listed(states)})" if len(states) > 1 else f"state = '{states[0]}'"
    return _number(f"{'max' if latest else 'min'}(CASE WHEN {condition} THEN timestamp END)")


def _listed(states: tuple[str, ...]) -> str:
    return ", ".join(f"'{state}'" for state in states)


_ATTEMPT_ROWS = f"""
SELECT j.wf_id, j.job_id, i.job_instance_id, j.exec_job_id, j.type_desc, v.transformation, i.site, h.hostname,
       i.exitcode, s.submitted, s.executed, s.ended, s.left_queue - s.submitted,
       {_number("i.local_duration")}, v.took, v.cpu, v.rss, {_number("i.cluster_duration")},
       v.process_exitcode, i.multiplier_factor, s.post_ended - s.post_started, s.executed - s.granted
FROM job_instance i JOIN job j ON j.job_id = i.job_id LEFT JOIN host h ON h.host_id = i.host_id
LEFT JOIN (
    SELECT job_instance_id, {_moment("SUBMIT")} AS submitted, {_moment("EXECUTE")} AS executed,
           {_moment("GRID_SUBMIT", "GLOBUS_SUBMIT")} AS granted,
           {_moment("GRID_SUBMIT", "GLOBUS_SUBMIT", "EXECUTE")} AS left_queue,
           {_moment("JOB_TERMINATED", "JOB_ABORTED")} AS ended,
           {_moment("POST_SCRIPT_STARTED", "JOB_TERMINATED", latest=True)} AS post_started,
           {_moment("POST_SCRIPT_TERMINATED", latest=True)} AS post_ended
    FROM jobstate WHERE state IN ({_listed((*_STATES, *_POST_STATES))}) GROUP BY job_instance_id
) s ON s.job_instance_id = i.job_instance_id
LEFT JOIN (
    SELECT v.job_instance_id, min(CASE WHEN v.task_submit_seq >= 0 THEN v.transformation END) AS transformation,
           {_number("sum(CASE WHEN v.task_submit_seq >= 0 THEN v.remote_duration END)")} AS took,
           {_number("sum(CASE WHEN v.task_submit_seq >= 0 THEN v.remote_cpu_time END)")} AS cpu,
           max(v.maxrss) AS rss, max(CASE WHEN v.task_submit_seq >= -1 THEN v.exitcode END) AS process_exitcode
    FROM invocation v WHERE v.wf_id {{tree}} GROUP BY v.job_instance_id
) v ON v.job_instance_id = i.job_instance_id
WHERE j.wf_id {{tree}} ORDER BY j.wf_id, i.job_submit_seq, i.job_instance_id"""

_UNSTARTED = """
SELECT j.wf_id, j.exec_job_id, j.type_desc FROM job j
WHERE j.wf_id {tree} AND NOT EXISTS (SELECT 1 FROM job_instance i WHERE i.job_id = j.job_id) ORDER BY j.job_id"""


def job_ids(database: PegasusDatabase) -> list[Any]:
    """Return number, name, kind, number of retries of the jobs of the workflow, in their order."""
    return rows_of(
        database,
        "SELECT job_id, exec_job_id, type_desc, max_retries FROM job WHERE wf_id {tree} ORDER BY job_id",
        alone=True,
    )


def transformations_of_jobs(database: PegasusDatabase) -> dict[str, list[str]]:
    """Return the transformations of the tasks of each job of the workflow, each once; auxiliary jobs have none."""
    rows = rows_of(
        database,
        "SELECT DISTINCT j.exec_job_id, t.transformation FROM task t JOIN job j ON j.job_id = t.job_id "
        "WHERE t.wf_id {tree} ORDER BY 1, 2",
        alone=True,
    )
    found: dict[str, list[str]] = {}
    for job, transformation in rows:
        found.setdefault(job, []).append(transformation)
    return found


def edges(database: PegasusDatabase) -> list[Any]:
    """Return the dependencies between jobs of the workflow: parent, child."""
    return rows_of(
        database,
        "SELECT parent_exec_job_id, child_exec_job_id FROM job_edge WHERE wf_id {tree} ORDER BY 1, 2",
        alone=True,
    )


def attempts(database: PegasusDatabase) -> list[AttemptTimes]:
    """Return the times of every attempt of the workflow, in order of submission; jobs by their `job_id`."""
    return rows_of(
        database,
        f"""SELECT i.job_id, s.submitted, s.executed, s.ended
        FROM job_instance i JOIN job j ON j.job_id = i.job_id
        JOIN (
            SELECT job_instance_id, {_moment("SUBMIT")} AS submitted, {_moment("EXECUTE")} AS executed,
                   {_moment("JOB_TERMINATED", "JOB_ABORTED")} AS ended
            FROM jobstate WHERE state IN ({_listed(_STATES)}) GROUP BY job_instance_id
        ) s ON s.job_instance_id = i.job_instance_id
        WHERE j.wf_id {{tree}} ORDER BY i.job_submit_seq, i.job_instance_id""",
        alone=True,
    )


def last_attempts(database: PegasusDatabase) -> list[Any]:
    """Return job, exit code, site, number of attempts, last state and its time of each job that was started."""
    return rows_of(database, _LAST_ATTEMPTS, alone=True)


_LAST_ATTEMPTS = f"""
SELECT j.exec_job_id, i.job_instance_id, i.exitcode, i.site,
       (SELECT count(*) FROM job_instance n WHERE n.job_id = i.job_id) AS attempts,
       s.state, s.timestamp
FROM job_instance i JOIN job j ON j.job_id = i.job_id
LEFT JOIN jobstate s ON s.job_instance_id = i.job_instance_id AND s.jobstate_submit_seq = (
     SELECT max(t.jobstate_submit_seq) FROM jobstate t WHERE t.job_instance_id = i.job_instance_id)
WHERE j.wf_id {{tree}} AND {IS_LAST} ORDER BY j.job_id"""


def failed_attempts(database: PegasusDatabase) -> list[Any]:
    """Return the last attempts of the tree that failed, the first to end first: number, workflow, job, kind."""
    return rows_of(
        database,
        f"""SELECT i.job_instance_id, j.wf_id, j.exec_job_id, j.type_desc, i.exitcode
        FROM job_instance i JOIN job j ON j.job_id = i.job_id
        WHERE j.wf_id {{tree}} AND i.exitcode <> 0 AND {IS_LAST} ORDER BY j.wf_id, i.job_submit_seq""",
    )


def held_jobs(database: PegasusDatabase) -> int:
    """Return how many jobs of the workflow did not succeed, and were held in their last attempt."""
    ((number,),) = rows_of(
        database,
        f"""SELECT count(DISTINCT i.job_id) FROM job_instance i JOIN job j ON j.job_id = i.job_id
        JOIN jobstate s ON s.job_instance_id = i.job_instance_id AND s.state = 'JOB_HELD'
        WHERE j.wf_id {{tree}} AND {IS_LAST} AND coalesce(i.exitcode, 1) <> 0""",
        alone=True,
    )
    return int(number)


def attempt_details(database: PegasusDatabase, attempt: int) -> Any:
    """Return everything recorded about one attempt, but its processes."""
    (row,) = rows_of(
        database,
        f"""SELECT j.exec_job_id, j.type_desc, i.site, h.hostname, i.work_dir, j.submit_file, i.stdout_file,
               i.stderr_file, j.executable, j.argv, i.stdout_text, i.stderr_text, i.exitcode,
               w.submit_dir, u.submit_dir AS subwf_dir, s.state, s.reason,
               (SELECT count(*) FROM job_instance n WHERE n.job_id = i.job_id) AS attempts
        FROM job_instance i JOIN job j ON j.job_id = i.job_id JOIN workflow w ON w.wf_id = j.wf_id
        LEFT JOIN host h ON h.host_id = i.host_id LEFT JOIN workflow u ON u.wf_id = i.subwf_id
        LEFT JOIN jobstate s ON s.job_instance_id = i.job_instance_id AND s.jobstate_submit_seq = (
             SELECT max(t.jobstate_submit_seq) FROM jobstate t WHERE t.job_instance_id = i.job_instance_id)
        WHERE i.job_instance_id = {attempt:d} LIMIT 1""",
    )
    return row


def processes(database: PegasusDatabase, attempt: int) -> list[Any]:
    """Return the processes of an attempt; a pre script has the number -1, a post script -2."""
    return rows_of(
        database,
        f"""SELECT v.task_submit_seq, v.exitcode, v.executable, v.argv, v.transformation, v.abs_task_id, v.maxrss
        FROM invocation v WHERE v.job_instance_id = {attempt:d} ORDER BY v.task_submit_seq""",
    )


def time_by_host(database: PegasusDatabase) -> list[HostHour]:
    """Return the processes of the tree, by host and hour of their start; those without a host have an empty one."""
    return _by_host(
        database,
        """SELECT h.hostname, h.site, v.start_time AS began, v.remote_duration AS took
        FROM invocation v JOIN job_instance i ON i.job_instance_id = v.job_instance_id
        LEFT JOIN host h ON h.host_id = i.host_id
        WHERE v.wf_id {tree} AND v.transformation <> 'condor::dagman'""",
    )


def attempts_by_host(database: PegasusDatabase) -> list[HostHour]:
    """Return the attempts of jobs of the tree that ended, by host and hour of their start; as `time_by_host`."""
    return _by_host(
        database,
        f"""SELECT h.hostname, h.site, s.timestamp AS began, i.local_duration AS took
        FROM job_instance i JOIN job j ON j.job_id = i.job_id LEFT JOIN host h ON h.host_id = i.host_id
        JOIN jobstate s ON s.job_instance_id = i.job_instance_id AND s.state = 'EXECUTE'
        WHERE j.wf_id {{tree}} AND i.local_duration IS NOT NULL AND {_NO_SUB}""",
    )


def _by_host(database: PegasusDatabase, began: str) -> list[HostHour]:
    hour = "CAST(floor(began / 3600) AS INTEGER)"
    if database.connection.dialect.name == "sqlite":
        hour = "CAST(began / 3600 AS INTEGER)"  # floor() is not in every SQLite
    rows = rows_of(
        database,
        f"""SELECT coalesce(hostname, ''), coalesce(site, ''), {hour} * 3600, count(*), coalesce(sum(took), 0)
        FROM ({began}) b GROUP BY 1, 2, 3 ORDER BY 3, 1, 2""",
    )
    return [HostHour(row[0], row[1], int(row[2]), row[3], float(row[4])) for row in rows]


def integrity(database: PegasusDatabase) -> dict[int | None, list[IntegrityCount]]:
    """Return how many checksums were compared and computed, and how long that took; None is the whole tree."""
    found: dict[int | None, list[IntegrityCount]] = {}
    if "integrity" in database.absent:
        return found
    sql = """SELECT wf_id, type, file_type, sum(count), sum(duration) FROM integrity
        WHERE wf_id {tree} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
    whole: dict[tuple[str, str], tuple[int, float]] = {}
    for wf_id, type_, file_type, number, took_s in rows_of(database, sql):
        one = IntegrityCount(type_, file_type, int(number), float(took_s))
        found.setdefault(wf_id, []).append(one)
        counted, total_s = whole.get((type_, file_type), (0, 0.0))
        whole[type_, file_type] = counted + one.count, total_s + one.duration_s
    found[None] = [IntegrityCount(*key, *number) for key, number in sorted(whole.items())]
    return found


def integrity_failures(database: PegasusDatabase) -> tuple[int, int]:
    """Return how many checksums did not match, and how many jobs failed whose last attempt had such an error."""
    if "tag" in database.absent:
        return 0, 0
    rows = rows_of(
        database,
        f"""SELECT sum(t.count), sum(CASE WHEN i.exitcode <> 0 AND t.count > 0 AND {IS_LAST} THEN 1 ELSE 0 END)
        FROM tag t JOIN job_instance i ON i.job_instance_id = t.job_instance_id
        JOIN job j ON j.job_id = i.job_id WHERE t.wf_id {{tree}} AND t.name = 'int.error'""",
    )
    return int(rows[0][0] or 0), int(rows[0][1] or 0)


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
