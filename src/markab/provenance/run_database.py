"""`open_database`: the database of a run, brought up to date, wherever it can be kept.

The database of the user's own run: in its submit directory, or where its properties
place it. Of another user's run, or if the directory cannot be written: in a cache
directory of the reader, or in memory. `Database.notes` reports that.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from sqlalchemy import Connection

from markab.errors import MarkabError, StorageError
from markab.plan.braindump import read_braindump
from markab.plan.child_directory import root_directory
from markab.plan.submit_dir import SubmitDir
from markab.provenance.database import DatabaseLocked, connected
from markab.provenance.database_location import Target, cache_file, file_target, memory_target
from markab.provenance.projection import Projector

PATIENCE_S = 30.0


@dataclass(slots=True)
class Database:
    """An open database; query it with the functions of `queries.py`, or with SQL. Close it, or use `with`."""

    connection: Connection
    wf_id: int
    uuid: str
    target: Target
    submit_dir: Path
    notes: list[str] = field(default_factory=list)
    """For the user: it is not at its default place, or not up to date."""
    _stack: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        """Close it; may be called twice."""
        self._stack.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_database(submit_dir: str | os.PathLike[str], *, patience_s: float = PATIENCE_S) -> Database:
    """Open the database of a run, after projecting the new records of its journal.

    May be called by any number of processes at once, during the run or after it.
    If another one writes for longer than `patience_s`, the database is opened as it
    is, and `notes` reports that.

    Raises:
        NotARun, CorruptPlan, CorruptJournal: there is nothing to be projected.
        StorageError: the database cannot be reached.
        NewerFormat: it belongs to another version.
    """
    asked = SubmitDir(Path(submit_dir).resolve())
    root = root_directory(asked)
    projector = Projector(root)
    uuid = projector.uuid if root == asked.path else read_braindump(asked.braindump).get("wf_uuid") or ""
    try:
        problem = ""
        for target in _places(projector):
            projector.target = target
            try:
                notes = [note for note in (problem, target.note) if note]
                return _opened(projector, asked.path, uuid, patience_s, notes)
            except StorageError as error:
                if target.file is None or not target.is_ours:
                    raise
                problem = str(error)
        raise AssertionError("a database in memory can always be made")
    finally:
        projector.close()


def _opened(
    projector: Projector, directory: Path, uuid: str, patience_s: float, notes: list[str]
) -> Database:
    target = projector.target
    stack = ExitStack()
    try:
        if target.file is None and target.url.get_backend_name() == "sqlite":
            connection = stack.enter_context(connected(target))
            projector.project(connection)
        else:
            if not _is_current(projector):
                _update(projector, patience_s, notes)
            connection = stack.enter_context(connected(target, read_only=True))
        return Database(
            connection,
            projector.find(connection, uuid),
            uuid,
            target,
            directory,
            notes,
            stack,
        )
    except BaseException:
        stack.close()
        raise


def _is_current(projector: Projector) -> bool:
    """Return whether the database is up to date; False if it cannot be read."""
    if projector.target.file is not None and not projector.target.file.exists():
        return False
    try:
        with connected(projector.target, read_only=True, patience_s=1.0) as connection:
            return projector.is_current(connection)
    except MarkabError:
        return False


def _update(projector: Projector, patience_s: float, notes: list[str]) -> None:
    try:
        projector.update(patience_s=patience_s)
    except DatabaseLocked as error:
        # A writer that blocks readers too has been waited for long enough.
        with connected(projector.target, read_only=True, patience_s=1.0) as connection:
            if not projector.find(connection):
                raise
        notes.append(f"not up to date: {error}")


def _places(projector: Projector) -> list[Target]:
    """Return where the database may be kept, best first; all but the first only if that fails."""
    target = projector.target
    if target.file is None or not target.is_ours:
        return [target]
    directory = projector.directory.path
    why = _not_ours(directory)
    places = [] if why else [target]
    since = f"{why}; " if why else ""
    if elsewhere := _cache_file(projector.uuid or "unknown"):
        note = f"{since}the database of the run is kept in {str(elsewhere)!r}"
        places.append(file_target(elsewhere, note=note))
    places.append(memory_target(f"{since}the database of the run is made in memory for each command"))
    return places


def _not_ours(directory: Path) -> str:
    """Return why a directory should not be written to: it belongs to another user, or is read-only."""
    try:
        if directory.stat().st_uid != os.geteuid():
            return f"{str(directory)!r} belongs to another user"
    except OSError as error:
        raise StorageError(f"cannot read {str(directory)!r}: {error.strerror}") from error
    return "" if os.access(directory, os.W_OK | os.X_OK) else f"{str(directory)!r} cannot be written"


def _cache_file(uuid: str) -> Path | None:
    """Return the file in the reader's cache directory, which is created; None if that is not possible."""
    try:
        file = cache_file(uuid)
        file.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, StorageError):
        return None
    return file if os.access(file.parent, os.W_OK | os.X_OK) else None
