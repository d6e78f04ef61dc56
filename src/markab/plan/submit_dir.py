"""The submit directory: what stands where.

    plan.jsonl            the executable workflow                    planner
    braindump.yml         what the run is called, who planned it     planner
    catalogs/             copies of the documents it was made from   planner
    pegasus.<n>.properties  merged properties                        planner
    journal.jsonl         everything that happened                   engine
    status.json           how far it is; a convenience               engine
    lock                  pid of the engine; locked while it lives   engine
    control/              halt and remove requests, as empty files   anybody
    00/00/ …              output of tasks that is too long for the journal
    <workflow>-0.replicas.db   output replica catalog
    <workflow>-0.stampede.db   plan and journal as tables, for SQL; made from them, also anew
    jobstate.log          the journal as Pegasus' monitord tells it; made from it
    run.log               what a detached engine prints

No path inside a submit directory names the directory itself, so it can be moved.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from markab.errors import NotARun, StorageError

PLAN = "plan.jsonl"


@dataclass(frozen=True, slots=True)
class SubmitDir:
    """Paths of one submit directory; touches no disk."""

    path: Path

    @property
    def plan(self) -> Path:
        """The executable workflow."""
        return self.path / PLAN

    @property
    def braindump(self) -> Path:
        """Name, uuid, user, times."""
        return self.path / "braindump.yml"

    @property
    def catalogs(self) -> Path:
        """Copies of the documents."""
        return self.path / "catalogs"

    @property
    def journal(self) -> Path:
        """The history of the run."""
        return self.path / "journal.jsonl"

    @property
    def status(self) -> Path:
        """The engine's last word on how far it is."""
        return self.path / "status.json"

    @property
    def lock(self) -> Path:
        """Locked by the engine while it lives."""
        return self.path / "lock"

    @property
    def control(self) -> Path:
        """Requests to the engine."""
        return self.path / "control"

    @property
    def log(self) -> Path:
        """Output of a detached engine."""
        return self.path / "run.log"


def find_submit_dir(path: str | os.PathLike[str] | None = None) -> SubmitDir:
    """Return the submit directory named by the user, or the current directory if it is one.

    Raises:
        NotARun: it has no plan.
        StorageError: it may not be looked into.
    """
    directory = Path(path) if path is not None else Path()
    if directory.name == PLAN:
        directory = directory.parent
    try:
        os.stat(directory / PLAN)
    except (FileNotFoundError, NotADirectoryError):
        why = "it is a file" if directory.exists() else "there is no such directory"
        if directory.is_dir():
            why = f"it has no {PLAN}"
        what = f"{str(directory)!r} is not" if path is not None else "the current directory is not"
        raise NotARun(
            f"{what} a submit directory: {why}",
            hint="name the directory that `markab plan` printed, such as …/run0001",
        ) from None
    except OSError as error:
        raise StorageError(
            f"cannot look into {str(directory)!r}: {error.strerror}", hint="ask its owner to let you read it"
        ) from error
    return SubmitDir(directory.resolve())


def job_directory(position: int) -> str:
    """Return the directory, relative to the submit directory, for files of a job: two levels of two hex digits.

    256 jobs share a directory; past 16,777,216 jobs the names come round again.
    """
    return f"{position >> 16 & 0xFF:02x}/{position >> 8 & 0xFF:02x}"


def captured_name(job_id: str, stream: str, attempt: int) -> str:
    """Return the name of a captured stream (`out` or `err`) of an attempt: the first is `.000`, as under Pegasus."""
    return f"{job_id}.{stream}.{attempt - 1:03d}"
