"""All runs of a user: those in the database of runs, and those below a directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from markab.errors import MarkabError
from markab.operations.questions import read_braindump, read_status
from markab.operations.run_names import runs_below


class ListedRun(NamedTuple):
    """A run, and how far it is."""

    submit_dir: Path
    workflow: str
    uuid: str
    planned: float
    """When it was planned, in seconds since the epoch; 0: not known."""
    state: str
    """As `Status.state`; `Gone` when the submit directory is not there, `Unreadable` when it cannot be read."""
    succeeded: int = 0
    failed: int = 0
    total: int = 0


def list_runs(below: Path | None = None) -> tuple[list[ListedRun], str]:
    """Return every run of this user that is in the database of runs or below a directory, the newest first.

    None is the current directory. Beside it a warning, or nothing: the database is a
    convenience, and without it the runs below the directory are still found.
    """
    known, warning = _known()
    found = {path.resolve(): path for path in runs_below(below or Path.cwd())}
    runs = {run.submit_dir: run for run in (_look(path) for path in found)}
    for run in known:
        if run.submit_dir not in runs:
            runs[run.submit_dir] = _look(run.submit_dir, run)
    return sorted(runs.values(), key=lambda run: (-run.planned, str(run.submit_dir))), warning


def _look(submit_dir: Path, known: ListedRun | None = None) -> ListedRun:
    """Return a run as it is now; what is `known` of it stands when its directory is gone."""
    from markab.plan.submit_dir import PLAN

    if known is not None and not (submit_dir / PLAN).exists():
        return known
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
    )


def _seconds(stamp: str) -> float:
    from datetime import datetime

    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%S%z").timestamp()
    except ValueError:
        return 0.0


def _known() -> tuple[list[ListedRun], str]:
    from markab.plan.submit_dir import SubmitDir
    from markab.provenance.database import connected
    from markab.provenance.database_location import master_target

    try:
        target = master_target(SubmitDir(Path()), {})
        if target.file is None or not target.file.exists():
            return [], ""
        with connected(target, read_only=True) as connection:
            rows = connection.exec_driver_sql(
                "SELECT submit_dir, dax_label, wf_uuid, timestamp FROM master_workflow WHERE NOT archived"
            )
            return [*_listed(rows)], ""
    except MarkabError as error:
        return [], f"the database of runs cannot be read: {error}"


def _listed(rows: object) -> Iterator[ListedRun]:
    for submit_dir, workflow, uuid, planned in rows:  # type: ignore[attr-defined]
        if submit_dir:
            yield ListedRun(Path(submit_dir), workflow or "", uuid, float(planned or 0), "Gone")
