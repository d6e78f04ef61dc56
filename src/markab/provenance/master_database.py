"""The master database: every run of a user, where it is, and how it ended.

`~/.pegasus/workflow.db`, or the database that `pegasus.catalog.master.url`
names. Dashboards read it. It is a convenience: its errors never stop a run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, inspect, select

from markab.errors import MarkabError, NotARun
from markab.plan.braindump import Braindump, read_braindump
from markab.plan.submit_dir import SubmitDir
from markab.provenance import schema
from markab.provenance.database import connected, create_tables, transaction
from markab.provenance.database_location import Target, master_target
from markab.provenance.projection import workflow_values

PATIENCE_S = 2.0
"""Short, because the run's own database waits as well."""

State = tuple[str, float, int, int | None, str | None]
"""Columns of `workflowstate` after the first."""


_BY_DIRECTORY = "name its submit directory, without `-u`"


class MasterRun(NamedTuple):
    """A run in the master database."""

    submit_dir: Path
    workflow: str
    uuid: str
    planned: float
    """When it was planned, in seconds since the epoch; 0: unknown."""


def read_runs() -> list[MasterRun]:
    """Return the runs of the user that are not archived; none if there is no master database.

    Raises:
        StorageError: it cannot be read.
    """
    runs = schema.master_workflow.c
    with _opened() as connection:
        if connection is None:
            return []
        columns = select(runs.submit_dir, runs.dax_label, runs.wf_uuid, runs.timestamp)
        rows = connection.execute(columns.where(~runs.archived)).all()
    return [MasterRun(Path(row[0]), row[1] or "", row[2], float(row[3] or 0)) for row in rows if row[0]]


def directory_of_uuid(uuid: str) -> Path:
    """Return the submit directory of one of the user's runs.

    Raises:
        NotARun: it is not in the master database.
        StorageError: the master database cannot be read.
    """
    runs = schema.master_workflow.c
    with _opened() as connection:
        if connection is None:
            raise NotARun(f"no run has the UUID {uuid!r}: there is no list of your runs yet", _BY_DIRECTORY)
        found = connection.execute(select(runs.submit_dir).where(runs.wf_uuid == uuid)).scalar_one_or_none()
    if found is None:
        raise NotARun(f"no run in the list of your runs has the UUID {uuid!r}", _BY_DIRECTORY)
    return Path(found)


@contextmanager
def _opened() -> Iterator[Connection | None]:
    """Open the master database at its default place; None: there is none, or its tables are still being made."""
    target = master_target(SubmitDir(Path()), {})
    if target.file is None or not target.file.exists():
        yield None
        return
    with connected(target, read_only=True) as connection:
        yield connection if inspect(connection).has_table(schema.master_workflow.name) else None


def states_of(connection: Connection, wf_id: int) -> list[State]:
    """Return the workflow states of a run, from its own database."""
    states = schema.workflowstate
    columns = (
        states.c.state,
        states.c.timestamp,
        states.c.restart_count,
        states.c.status,
        states.c.reason,
    )
    rows = connection.execute(select(*columns).where(states.c.wf_id == wf_id).order_by(states.c.timestamp))
    return [(row[0], float(row[1]), row[2], row[3], row[4]) for row in rows]


def record_run(directory: SubmitDir, braindump: Braindump, own: Target, states: list[State]) -> str:
    """Write a run and its states into the master database; return the error, or nothing.

    May be called again at any time: existing rows are updated. A copy of a directory leaves those of the original.
    """
    try:
        target = master_target(directory, braindump)
        if target.file is not None:
            target.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with connected(target, patience_s=PATIENCE_S) as connection:
            _record(connection, workflow_values(braindump, own), states)
    except MarkabError as error:
        return f"the list of all your runs was not updated: {error}"
    except OSError as error:
        return f"the list of all your runs was not updated: {error.filename}: {error.strerror}"
    return ""


def _record(connection: Connection, values: dict[str, object], states: list[State]) -> None:
    runs, table = schema.master_workflow, schema.master_workflowstate
    with transaction(connection):
        create_tables(connection)
        if connection.dialect.name != "sqlite":
            connection.exec_driver_sql("LOCK TABLE master_workflow IN SHARE ROW EXCLUSIVE MODE")
        row = connection.execute(
            select(runs.c.wf_id, runs.c.submit_dir).where(runs.c.wf_uuid == values["wf_uuid"])
        ).one_or_none()
        wf_id, recorded = row or (None, None)
        if is_copy(recorded, Path(str(values["submit_dir"])), str(values["wf_uuid"])):
            return
        if wf_id is None:
            done = connection.execute(runs.insert().values(**values, archived=False))
            (wf_id,) = done.inserted_primary_key or (None,)
        else:
            here = {"submit_dir": values["submit_dir"], "db_url": values["db_url"]}
            connection.execute(runs.update().where(runs.c.wf_id == wf_id).values(here))
        known = connection.execute(select(table.c.state, table.c.timestamp).where(table.c.wf_id == wf_id))
        there = {(state, _written(at)) for state, at in known}
        rows = [
            dict(zip(_COLUMNS, (wf_id, state, Decimal(_written(at)), *rest), strict=True))
            for state, at, *rest in states
            if (state, _written(at)) not in there
        ]
        if rows:
            connection.execute(table.insert(), rows)


def is_copy(recorded: str | None, place: Path, uuid: str) -> bool:
    """Return whether a run is still where a database has it, and that is not `place`, by whichever links: what is there is a copy."""
    if not recorded or os.path.realpath(recorded) == os.path.realpath(place):
        return False
    try:
        return read_braindump(Path(recorded) / "braindump.yml").get("wf_uuid") == uuid
    except MarkabError:
        return False


def _written(at: float) -> str:
    """Return a time for the column. A server keeps 15 digits of a float, and a time needs 16."""
    return f"{at:.6f}"


_COLUMNS = ("wf_id", "state", "timestamp", "restart_count", "status", "reason")
