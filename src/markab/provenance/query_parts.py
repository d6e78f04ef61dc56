"""Running queries on the database of a run, and SQL fragments that many of them share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import text

from markab.provenance.run_database import Database

IS_SUB = "CASE WHEN j.type_desc IN ('dax', 'dag') THEN 1 ELSE 0 END"
IS_LAST = """NOT EXISTS (
    SELECT 1 FROM job_instance n WHERE n.job_id = i.job_id AND n.job_submit_seq > i.job_submit_seq)"""
"""Attempt `i` is the last of its job. Many times faster than taking the maximum number of each job."""
OF_RUN = "BETWEEN :first_job AND :last_job"
"""The jobs of one run have consecutive numbers, so a shared database need not be searched."""


def each_row(database: Database, sql: str, **values: object) -> Iterable[Any]:
    """Iterate over the rows of a query, once; `:wf_id` is the run's own number."""
    return database.connection.execute(text(sql), {"wf_id": database.wf_id, **values})


def all_rows(database: Database, sql: str, **values: object) -> list[Any]:
    """Return all rows of a query, as `each_row`."""
    return list(each_row(database, sql, **values))


def one_row(database: Database, sql: str, **values: object) -> Any:
    """Return the only row of a query, as `each_row`."""
    (row,) = each_row(database, sql, **values)
    return row


def span_of(database: Database) -> dict[str, int]:
    """Return the numbers of the first and the last job of the run; all between belong to it."""
    row = one_row(database, "SELECT first_job_id, jobs FROM markab_projection WHERE wf_id = :wf_id")
    return {"first_job": row.first_job_id, "last_job": row.first_job_id + row.jobs - 1}


def attempt_span(database: Database) -> dict[str, int]:
    """Return the numbers of the first and the last attempt of the run; attempts of other runs may lie between."""
    sql = f"SELECT min(i.job_instance_id), max(i.job_instance_id) FROM job_instance i WHERE i.job_id {OF_RUN}"
    first, last = one_row(database, sql, **span_of(database))
    return {"first_attempt": first or 0, "last_attempt": last or 0}
