"""Which run answered a request last: a table of the index of results, which older files of it lack."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from markab.reuse.result_index import ResultIndex

if TYPE_CHECKING:
    import sqlite3

USE_NOTED_S = 3600.0
"""How exact the time of the last use of a run is: so most look-ups write nothing."""


class AnsweredBy(NamedTuple):
    """The run that answered a request."""

    uuid: str
    submit_dir: str


def save_request(index: ResultIndex, key: str, uuid: str) -> None:
    """Note that a run has answered a request, in place of any other."""

    def insert(connection: sqlite3.Connection) -> None:
        connection.execute(_TABLE)
        connection.execute("INSERT OR REPLACE INTO request VALUES (?, ?)", (bytes.fromhex(key), uuid))
        connection.execute("DELETE FROM request WHERE uuid NOT IN (SELECT uuid FROM run)")

    index.database.write(insert, None)


def forget_requests(index: ResultIndex) -> None:
    """Forget all requests: when results were forgotten or made anew, it is not certain what a plan would find."""

    def forget(connection: sqlite3.Connection) -> None:
        connection.execute(FORGET_REQUESTS)

    index.database.write(forget, None)


def find_request(index: ResultIndex, key: str) -> AnsweredBy | None:
    """Return the run that answered a request last; None if there is none, or it was pruned."""

    def select(connection: sqlite3.Connection) -> AnsweredBy | None:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'request'").fetchone():
            return None
        row = connection.execute(_FIND, (bytes.fromhex(key),)).fetchone()
        return AnsweredBy(row[0], os.fsdecode(row[1])) if row else None

    return index.database.read(select, None)


def use_runs(index: ResultIndex, uuids: Iterable[str]) -> bool:
    """Return whether the results of all these runs are in the index; if so, they are in use now."""
    wanted = sorted(set(uuids))

    def last_used(connection: sqlite3.Connection) -> float | None:
        rows = [connection.execute(_USED, (uuid,)).fetchone() for uuid in wanted]
        return None if None in rows else min((row[0] for row in rows), default=0.0)

    def use(connection: sqlite3.Connection) -> None:
        rows = [(time.time(), uuid) for uuid in wanted]
        connection.executemany("UPDATE run SET used_s = ? WHERE uuid = ?", rows)

    used_s = index.database.read(last_used, None)
    if used_s is not None and used_s < time.time() - USE_NOTED_S:
        index.database.write(use, None)
    return used_s is not None


FORGET_REQUESTS = "DROP TABLE IF EXISTS request"
"""The statement of `forget_requests`, for transactions that forget more."""
_TABLE = """
CREATE TABLE IF NOT EXISTS request (
    key BLOB PRIMARY KEY,               -- of the request (planner/request_key.py)
    uuid TEXT NOT NULL                  -- of the run
) WITHOUT ROWID
"""
_FIND = """
SELECT CAST(request.uuid AS TEXT), CAST(run.submit_dir AS BLOB) FROM request JOIN run ON run.uuid = request.uuid
WHERE request.key = ?
"""
_USED = "SELECT CAST(used_s AS REAL) FROM run WHERE uuid = ? AND is_over"
