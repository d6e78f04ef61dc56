"""Metadata of a workflow, its tasks and its files: the user's, and what runs recorded (size, checksum)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import text

from markab.errors import MarkabError
from markab.provenance.run_database import Database
from markab.spec.suggestions import did_you_mean


class Metadata(msgspec.Struct, frozen=True):
    """The metadata of one workflow, task or file."""

    kind: str
    """`workflow`, `task` or `file`."""
    name: str
    """UUID of the workflow, id of the task, name of the file."""
    metadata: dict[str, str]

    def text(self) -> str:
        """Return it as lines: the name, and below it each key with its value."""
        width = max(map(len, self.metadata), default=0)
        lines = [f"{self.kind.capitalize()} {self.name}"]
        lines += [f"    {key:<{width}} : {value}" for key, value in sorted(self.metadata.items())]
        return "\n".join(lines) + "\n"


def of_workflow(database: Database) -> Metadata:
    """Return the metadata of the workflow."""
    sql = "SELECT key, value FROM workflow_meta WHERE wf_id = :wf_id"
    return Metadata("workflow", database.uuid, _pairs(database, sql))


def of_task(database: Database, task: str) -> Metadata:
    """Return the metadata of a task, by its id in the workflow.

    Raises:
        MarkabError: there is none.
    """
    found = _rows(
        database, "SELECT task_id FROM task WHERE wf_id = :wf_id AND abs_task_id = :name", name=task
    )
    if not found:
        known = [row[0] for row in _rows(database, "SELECT abs_task_id FROM task WHERE wf_id = :wf_id")]
        raise MarkabError(
            f"the workflow has no task {task!r}",
            hint=did_you_mean(task, known, "use the id that the task has in the workflow document"),
        )
    sql = "SELECT key, value FROM task_meta WHERE task_id = :task_id"
    return Metadata("task", task, _pairs(database, sql, task_id=found[0][0]))


def of_file(database: Database, lfn: str) -> Metadata:
    """Return the metadata of a file.

    Raises:
        MarkabError: no task uses it.
    """
    return Metadata("file", lfn, _pairs(database, _FILE_META, lfn_id=_file(database, lfn)))


def of_files(database: Database) -> Iterator[Metadata]:
    """Yield the metadata of all files that tasks use, by name."""
    rows = _rows(
        database,
        """SELECT l.lfn, m.key, m.value
        FROM (SELECT DISTINCT lfn_id FROM workflow_files WHERE wf_id = :wf_id) f
        JOIN rc_lfn l ON l.lfn_id = f.lfn_id LEFT JOIN rc_meta m ON m.lfn_id = f.lfn_id
        ORDER BY l.lfn, m.key""",
    )
    name: str | None = None
    metadata: dict[str, str] = {}
    for lfn, key, value in rows:
        if lfn != name:
            if name is not None:
                yield Metadata("file", name, metadata)
            name, metadata = lfn, {}
        if key is not None:
            metadata[key] = value
    if name is not None:
        yield Metadata("file", name, metadata)


def trace_of_file(database: Database, lfn: str) -> list[Metadata]:
    """Return the metadata of the workflow, of each task that makes a file, and of the file.

    Raises:
        MarkabError: no task uses it.
    """
    makers = _rows(
        database,
        """SELECT t.abs_task_id FROM workflow_files f JOIN task t ON t.task_id = f.task_id
        WHERE f.wf_id = :wf_id AND f.lfn_id = :lfn_id AND f.file_type <> 'input' ORDER BY t.task_id""",
        lfn_id=_file(database, lfn),
    )
    tasks = [of_task(database, row[0]) for row in makers]
    return [of_workflow(database), *tasks, of_file(database, lfn)]


_FILE_META = "SELECT key, value FROM rc_meta WHERE lfn_id = :lfn_id"


def _file(database: Database, lfn: str) -> int:
    found = _rows(
        database,
        """SELECT l.lfn_id FROM rc_lfn l WHERE l.lfn = :lfn AND EXISTS (
        SELECT 1 FROM workflow_files f WHERE f.wf_id = :wf_id AND f.lfn_id = l.lfn_id)""",
        lfn=lfn,
    )
    if not found:
        known = [row[0] for row in _rows(database, _LFNS)]
        raise MarkabError(
            f"no task of the workflow uses a file {lfn!r}",
            hint=did_you_mean(lfn, known, "`markab metadata file --list` names all files"),
        )
    return int(found[0][0])


_LFNS = """SELECT DISTINCT l.lfn FROM workflow_files f JOIN rc_lfn l ON l.lfn_id = f.lfn_id
WHERE f.wf_id = :wf_id"""


def _pairs(database: Database, sql: str, **values: Any) -> dict[str, str]:
    return {row[0]: row[1] for row in _rows(database, sql, **values)}


def _rows(database: Database, sql: str, **values: Any) -> list[Any]:
    bound: Mapping[str, Any] = {"wf_id": database.wf_id, **values}
    known = {key: value for key, value in bound.items() if f":{key}" in sql}
    return list(database.connection.execute(text(sql), known).all())
