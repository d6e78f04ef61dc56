"""The submit directory: its files, and who writes them.

    plan.jsonl            the executable workflow                    planner
    braindump.yml         identity of the run, who planned it        planner
    sources.json          where it was planned, paths of documents   planner
    reused.jsonl          tasks left out, as earlier runs made their outputs; if there are any   planner
    request.json          all that it was planned from, as it was then; with reuse by content       planner
    finished.json         where its results are, if it succeeded; with reuse by content             engine
    catalogs/             copies of the documents it was made from   planner
    pegasus.<n>.properties  merged properties                        planner
    passwords.json        passwords of URLs, mode 600; if there are any   planner
    journal.jsonl         the history of the run                     engine
    status.json           progress of the run; a convenience         engine
    lock                  pid of the engine; locked while it runs    engine
    control/              halt and remove requests, as empty files   any process
    00/00/ …              output of tasks that is too long for the journal
    <workflow>-0.replicas.db   output replica catalog
    <workflow>-0.stampede.db   plan and journal as tables, for SQL; can be rebuilt from them
    jobstate.log          the journal in the form of Pegasus' monitord; derived from it
    monitord.started, monitord.done   for Pegasus' tools: whether the database is complete
    hooks.jsonl           which hooks were started, and how they ended; if the run has any
    run.log               output of a detached engine
    htcondor/             submit files, log and sandboxes of jobs in an HTCondor pool; if there are any
    <workflow>-0.dag, dagman/  the DAG and its submit files; of a plan that DAGMan runs
    archive.tar.gz        most of the others, after `pegasus-submitdir archive`

No file in a submit directory contains its path, but for those in `htcondor/`, so it can be moved while no job is in a pool;
one that DAGMan runs cannot.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from markab.errors import NotARun, StorageError

PLAN = "plan.jsonl"
ARCHIVE = "archive.tar.gz"
DAGMAN = "dagman"
"""Its directory for what DAGMan needs (`dagman/dag_layout.py`)."""


@dataclass(frozen=True, slots=True)
class SubmitDir:
    """Paths in one submit directory; does not access the disk."""

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
    def sources(self) -> Path:
        """Where the planner was called, and the paths of the documents (`plan/sources.py`)."""
        return self.path / "sources.json"

    @property
    def reused(self) -> Path:
        """The tasks that are left out because earlier runs made their outputs (`plan/reused_tasks.py`)."""
        return self.path / "reused.jsonl"

    @property
    def request(self) -> Path:
        """All that it was planned from, as it was then (`reuse/request_file.py`)."""
        return self.path / "request.json"

    @property
    def finished(self) -> Path:
        """Where its results are, as they were when it had succeeded (`reuse/request_file.py`)."""
        return self.path / "finished.json"

    @property
    def catalogs(self) -> Path:
        """Copies of the documents."""
        return self.path / "catalogs"

    @property
    def passwords(self) -> Path:
        """The passwords of URLs, which no other file has (`transfers/run_passwords.py`); not there if there are none."""
        return self.path / "passwords.json"

    @property
    def journal(self) -> Path:
        """The history of the run."""
        return self.path / "journal.jsonl"

    @property
    def status(self) -> Path:
        """The progress of the run, as of the engine's last update."""
        return self.path / "status.json"

    @property
    def lock(self) -> Path:
        """Locked by the engine while it runs."""
        return self.path / "lock"

    @property
    def control(self) -> Path:
        """Requests to the engine."""
        return self.path / "control"

    @property
    def archive(self) -> Path:
        """Everything else, when the directory is packed (`plan/run_archive.py`)."""
        return self.path / ARCHIVE

    @property
    def log(self) -> Path:
        """Output of a detached engine."""
        return self.path / "run.log"


def find_submit_dir(path: str | os.PathLike[str] | None = None) -> SubmitDir:
    """Return the submit directory named by the user, or the current directory if it is one.

    Raises:
        NotARun: it has no plan.
        StorageError: it cannot be read.
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
        if (directory / ARCHIVE).exists():
            raise NotARun(
                f"{str(directory)!r} is archived", hint=f"pegasus-submitdir extract {quote(str(directory))}"
            ) from None
        what = f"{str(directory)!r} is not" if path is not None else "the current directory is not"
        raise NotARun(
            f"{what} a submit directory: {why}",
            hint="name the directory that `markab plan` printed, such as …/run0001",
        ) from None
    except OSError as error:
        raise StorageError(
            f"cannot read {str(directory)!r}: {error.strerror}", hint="ask its owner for read permission"
        ) from error
    return SubmitDir(directory.resolve())


def job_directory(position: int) -> str:
    """Return the directory, relative to the submit directory, for files of a job: two levels of two hex digits.

    256 jobs share a directory; after 16,777,216 jobs the names repeat.
    """
    return f"{position >> 16 & 0xFF:02x}/{position >> 8 & 0xFF:02x}"
