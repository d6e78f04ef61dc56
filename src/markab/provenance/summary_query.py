"""Counts of tasks, jobs and sub-workflows by how they ended. The same SQL on SQLite and PostgreSQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from markab.provenance.query_parts import IS_LAST, IS_SUB, OF_RUN, all_rows, span_of
from markab.provenance.results import Count, Summary
from markab.provenance.run_database import Database


def summary(database: Database, undone: Mapping[int, int] = MappingProxyType({})) -> Summary:
    """Return the counts of tasks, jobs and sub-workflows by how they ended.

    `undone`, which is not in the database: position of a job in the plan → its attempt
    that succeeded and no longer counts. As soon as another one has started, that one
    counts.
    """
    span = span_of(database)
    found: Counter[tuple[str, str]] = Counter()

    def add(number: int, row: Any, word: str, task_word: str) -> None:
        found["sub-workflows" if row.is_sub else "jobs", word] += number
        if not row.is_sub:
            found["tasks", task_word] += number * row.task_count

    for row in all_rows(database, _JOBS_BY_TASKS, **span):
        add(row.number, row, "all", "all")
    for row in all_rows(database, _ATTEMPTS_BY_END, **span):
        word = _ENDS[row.is_well] if row.is_last else "again"
        # In a cluster that failed, each task ended like its own process; all others end like their job.
        add(row.number, row, word, "" if word == "failed" and row.task_count > 1 else word)
    for word, number in all_rows(database, _IN_FAILED_CLUSTERS, **span):
        found["tasks", word] += number
    if undone:
        some = {
            name: span["first_job"] + end(undone) for name, end in (("first_job", min), ("last_job", max))
        }
        for row in all_rows(database, _ATTEMPTS_OF_JOBS, **some):
            if undone.get(row.job_id - span["first_job"]) == row.number:
                add(-1, row, "succeeded", "succeeded")

    def count(what: str) -> Count:
        succeeded, failed = found[what, "succeeded"], found[what, "failed"]
        return Count(succeeded, failed, found[what, "all"] - succeeded - failed, found[what, "again"])

    return Summary(count("tasks"), count("jobs"), count("sub-workflows"))


_ENDS = {1: "succeeded", 0: "failed", None: "open"}

_JOBS_BY_TASKS = f"""
SELECT {IS_SUB} AS is_sub, j.task_count, count(*) AS number
FROM job j WHERE j.job_id {OF_RUN} GROUP BY 1, 2"""

_ATTEMPTS_BY_END = f"""
SELECT {IS_SUB} AS is_sub, j.task_count,
       CASE WHEN i.exitcode = 0 THEN 1 WHEN i.exitcode <> 0 THEN 0 END AS is_well,
       CASE WHEN {IS_LAST} THEN 1 ELSE 0 END AS is_last, count(*) AS number
FROM job_instance i JOIN job j ON j.job_id = i.job_id
WHERE i.job_id {OF_RUN} GROUP BY 1, 2, 3, 4"""

_ATTEMPTS_OF_JOBS = f"""
SELECT j.job_id, {IS_SUB} AS is_sub, j.task_count, count(*) AS number
FROM job_instance i JOIN job j ON j.job_id = i.job_id
WHERE i.job_id {OF_RUN} GROUP BY j.job_id, j.type_desc, j.task_count"""

_IN_FAILED_CLUSTERS = f"""
SELECT CASE WHEN v.exitcode = 0 THEN 'succeeded' ELSE 'failed' END, count(*)
FROM job_instance i JOIN job j ON j.job_id = i.job_id AND j.task_count > 1
JOIN invocation v ON v.job_instance_id = i.job_instance_id AND v.abs_task_id IS NOT NULL
WHERE i.job_id {OF_RUN} AND i.exitcode <> 0 AND {IS_LAST} GROUP BY 1"""
