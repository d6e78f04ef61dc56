"""All that is in the index of results, and forgetting what is old: for `markab cache`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from markab.reuse.finished_requests import FORGET_REQUESTS
from markab.reuse.result_index import ResultEntry, ResultIndex, entry_of
from markab.reuse.top_directories import unpacked_directories

if TYPE_CHECKING:
    import sqlite3


class IndexedRun(NamedTuple):
    """A run in the index, with what can be found of it: of results that were made again, only the newest counts."""

    uuid: str
    submit_dir: str
    workflow: str
    planned_s: float
    """Seconds since the epoch."""
    used_s: float
    """When it was made, or a plan last found one of its results."""
    jobs: int
    files: int
    size_bytes: int
    where: list[str]
    """The topmost directories in which its results were put."""
    is_over: bool
    """Its end is recorded."""


class IndexedAmounts(NamedTuple):
    """How much is in an index."""

    runs: int
    results: int
    """Jobs whose results can be found."""
    places: int


def indexed_runs(index: ResultIndex) -> list[IndexedRun]:
    """Return all runs, the newest first. Reads every entry: some seconds of 10 million."""

    def select(connection: sqlite3.Connection) -> list[IndexedRun]:
        rows = connection.execute(_RUNS)
        return [
            IndexedRun(
                uuid,
                os.fsdecode(submit_dir),
                workflow,
                planned_s,
                used_s,
                jobs,
                files,
                size_bytes,
                [os.fsdecode(one) for one in unpacked_directories(places)],
                bool(is_over),
            )
            for uuid, submit_dir, workflow, planned_s, used_s, places, is_over, jobs, files, size_bytes in rows
        ]

    return index.database.read(select, [])


def indexed_amounts(index: ResultIndex) -> IndexedAmounts:
    """Return how much is in an index."""

    def select(connection: sqlite3.Connection) -> IndexedAmounts:
        counts = (connection.execute(f"SELECT count(*) FROM {table}") for table in ("run", "entry", "place"))
        return IndexedAmounts(*(count.fetchone()[0] for count in counts))

    return index.database.read(select, IndexedAmounts(0, 0, 0))


def entries_after(index: ResultIndex, number: int, most: int = 1000) -> list[tuple[int, ResultEntry]]:
    """Return the entries after the one with a number, 0 for all, in the order of recording, each with its number.

    A part at a time, so that no other process waits while the caller reads their files.
    """

    def select(connection: sqlite3.Connection) -> list[tuple[int, ResultEntry]]:
        rows = connection.execute(_ENTRIES, (number, most))
        return [(id, entry_of(key.hex(), uuid, job, made)) for id, key, uuid, job, made in rows]

    return index.database.read(select, [])


def forget_runs(index: ResultIndex, before_s: float, *, dry_run: bool = False) -> list[IndexedRun]:
    """Forget what runs made that were neither made nor used since a time; return them.

    A run that may still be under way stays: its end is not recorded, and its directory exists. Files are not touched.
    """
    old = [run for run in indexed_runs(index) if run.used_s < before_s and _is_ended(run)]
    if dry_run or not old:
        return old

    def delete(connection: sqlite3.Connection) -> bool:
        connection.execute("CREATE TEMP TABLE old (id INTEGER PRIMARY KEY)")
        connection.executemany(_OLD, ((run.uuid, before_s) for run in old))
        for table, column in (("entry", "run"), ("place", "run"), ("run", "id")):
            connection.execute(f"DELETE FROM {table} WHERE {column} IN (SELECT id FROM temp.old)")
        connection.execute("DELETE FROM directory WHERE id NOT IN (SELECT directory FROM place)")
        connection.execute("DELETE FROM checksum WHERE read_s < ?", (before_s,))
        connection.execute("DELETE FROM content_use WHERE used_s < ?", (before_s,))
        connection.execute("DROP TABLE temp.old")
        connection.execute(FORGET_REQUESTS)
        return True

    if not index.database.write(delete, False):
        return []
    index.database.give_space_back()
    return old


_RUNS = """
SELECT CAST(uuid AS TEXT), CAST(submit_dir AS BLOB), CAST(workflow AS TEXT), CAST(planned_s AS REAL),
    CAST(used_s AS REAL), CAST(places AS BLOB), is_over,
    coalesce(jobs, 0), CAST(coalesce(all_files, 0) AS INTEGER), CAST(coalesce(all_bytes, 0) AS INTEGER)
FROM run LEFT JOIN (
    SELECT run, count(*) AS jobs, sum(files) AS all_files, sum(size_bytes) AS all_bytes FROM entry GROUP BY run
) ON run = id
ORDER BY planned_s DESC, id DESC
"""
_ENTRIES = """
SELECT entry.id, CAST(key AS BLOB), CAST(uuid AS TEXT), CAST(job AS TEXT), CAST(made AS BLOB) FROM entry JOIN run ON run.id = entry.run
WHERE entry.id > ? ORDER BY entry.id LIMIT ?
"""
_OLD = "INSERT INTO temp.old SELECT id FROM run WHERE uuid = ? AND used_s < ?"


def _is_ended(run: IndexedRun) -> bool:
    return run.is_over or not os.path.isdir(run.submit_dir)
