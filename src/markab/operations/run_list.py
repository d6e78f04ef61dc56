"""All runs of a user: those in the database of runs, and those below a directory."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from markab.errors import MarkabError
from markab.operations.run_names import is_run, runs_below
from markab.operations.status import read_braindump, read_status
from markab.operations.submit_directories import is_half_deleted

RUN_STATES = {
    "success": "Success",
    "failed": "Failure",
    "halted": "Halted",
    "removed": "Removed",
    "running": "Running",
    "not-started": "Not started",
    "refused": "Refused",
    "unreadable": "Unreadable",
    "gone": "Gone",
    "half-deleted": "Half deleted",
}
"""Word of the command line → state of a run in a list."""


class ListedRun(NamedTuple):
    """A run, and its progress."""

    submit_dir: Path
    workflow: str
    uuid: str
    planned: float
    """When it was planned, in seconds since the epoch; 0: unknown."""
    state: str
    """As `Status.state`; `Gone` if the submit directory does not exist, `Unreadable` if it cannot be read, `Half
    deleted` if its deletion was interrupted."""
    succeeded: int = 0
    failed: int = 0
    total: int = 0
    ended: float = 0.0
    """When its last engine ended; 0: none has."""

    @property
    def last_active(self) -> float:
        """When something last happened to it, as far as that is recorded: it ended, or was planned."""
        return self.ended or self.planned


def list_runs(
    below: Path | None = None, *, states: Collection[str] = (), workflow: str = "", since: float = 0.0
) -> tuple[list[ListedRun], str]:
    """Return every run of this user that is in the database of runs or below a directory, the newest first.

    The second value is a warning, or empty: if the database cannot be read, the runs below
    the directory are still found.

    Args:
        below: None is the current directory.
        states: only runs in these states, each a key of `RUN_STATES`.
        workflow: only runs of workflows with this name, in which `*` and `?` stand for others.
        since: only runs that were planned at this time or later, in seconds since the epoch.

    Raises:
        MarkabError: there is no such state.
    """
    named = states_named(states)
    runs, warning = _all_runs(below)
    wanted = [
        run
        for run in runs
        if (not named or run.state in named)
        and (not workflow or fnmatchcase(run.workflow, workflow))
        and run.planned >= since
    ]
    return wanted, warning


def states_named(words: Collection[str]) -> set[str]:
    """Return the states of runs that these words name.

    Raises:
        MarkabError: there is no such state.
    """
    if wrong := [word for word in words if word not in RUN_STATES]:
        raise MarkabError(
            f"there is no state of a run {wrong[0]!r}", hint=f"the states are: {', '.join(RUN_STATES)}"
        )
    return {RUN_STATES[word] for word in words}


def _all_runs(below: Path | None) -> tuple[list[ListedRun], str]:
    recorded, warning = _recorded_runs()
    from markab.provenance.started_runs import started_runs

    paths = (*started_runs(), *runs_below(below or Path.cwd(), also=is_half_deleted))
    found = {path.resolve(): path for path in paths}
    known = {run.submit_dir: run for run in recorded}
    runs = {path: _current(path, known.get(path)) for path in {**found, **known}}
    return sorted(runs.values(), key=lambda run: (-run.planned, str(run.submit_dir))), warning


def listed_run(submit_dir: Path) -> ListedRun:
    """Return the run in a submit directory, as a list has it.

    Raises:
        NotARun: there is none; the hint has similar names.
    """
    from markab.operations.readable_runs import open_run

    if not is_half_deleted(submit_dir):
        open_run(submit_dir)
    return _current(submit_dir)


def _current(submit_dir: Path, recorded: ListedRun | None = None) -> ListedRun:
    """Return a run in its present state; `recorded` if its directory does not exist."""
    if is_half_deleted(submit_dir):
        known = recorded or ListedRun(submit_dir, submit_dir.name, "", 0.0, "")
        return known._replace(state="Half deleted")
    if recorded is not None and not is_run(submit_dir):
        return recorded
    try:
        status = read_status(submit_dir)
        braindump = read_braindump(submit_dir)
    except MarkabError:
        return ListedRun(submit_dir, submit_dir.name, "", 0.0, "Unreadable")
    return ListedRun(
        submit_dir,
        status.workflow,
        status.uuid,
        _seconds(braindump.get("timestamp") or ""),
        status.state,
        status.succeeded,
        status.failed,
        status.total,
        status.ended,
    )


def _seconds(stamp: str) -> float:
    from datetime import datetime

    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%S%z").timestamp()
    except ValueError:
        return 0.0


def _recorded_runs() -> tuple[list[ListedRun], str]:
    from markab.provenance.master_database import read_runs

    try:
        return [ListedRun(*run, "Gone") for run in read_runs()], ""
    except MarkabError as error:
        return [], f"the database of runs cannot be read: {error}"
