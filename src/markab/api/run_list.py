"""The runs of a user, whichever script planned them: listed, and deleted when they are old."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

from markab import operations
from markab.api.errors import as_client_error
from markab.api.warnings import warn


def list_runs(
    directory: str | Path | None = None,
    *,
    state: str | Collection[str] = (),
    workflow: str = "",
    since: datetime | timedelta | None = None,
) -> list[operations.ListedRun]:
    """Return your runs, the newest first: those in your database of runs, and those below a directory.

    Each has `submit_dir`, `workflow`, `uuid`, `planned`, `ended` (both in seconds since the epoch), `state`,
    `succeeded`, `failed` and `total`.

    Args:
        directory: None is the current one.
        state: only runs in this state, or one of these, such as `failed`; as `markab runs --state`.
        workflow: only runs of workflows with this name, in which `*` stands for any text.
        since: only runs that were planned since, or so long ago.

    Raises:
        PegasusClientError: there is no such state.
    """
    states = [state] if isinstance(state, str) else state
    with as_client_error("listing the runs failed"):
        runs, warning = operations.list_runs(
            None if directory is None else Path(directory),
            states=states,
            workflow=workflow,
            since=_seconds(since),
        )
    if warning:
        warn(warning)
    return runs


def clean_runs(
    *runs: str | Path,
    older: timedelta | None = None,
    state: str | Collection[str] = (),
    workflow: str = "",
    keep: int | None = None,
    scratch_only: bool = False,
    with_results: bool = False,
    yes: bool = False,
) -> list[operations.OldRun]:
    """Return the runs that go, or must stay, and why; with `yes`, delete the first. Without, nothing is deleted.

    They are chosen among these submit directories, or among all of `list_runs`, by what is given; see `markab clean`.
    Of each there are `run` (an entry of `list_runs`), `bytes` that go, `scratch`, `links`, `why_kept` and `warnings`.

    Args:
        older: nothing has happened to it for so long.
        state, workflow: as for `list_runs`.
        keep: leave so many newest runs of each workflow alone.
        scratch_only: the records stay.
        with_results: scratch directories may go in which the only copies of results are.

    Raises:
        ValueError: nothing says which runs.
        PegasusClientError: a name is not that of a run, or something cannot be deleted; what can be is deleted.
    """
    if not runs and older is None and not state and not workflow and keep is None:
        raise ValueError("name runs, or choose some with older, state, workflow or keep")
    states = [state] if isinstance(state, str) and state else state
    filters = operations.Filters(states, workflow, None if older is None else older.total_seconds(), keep)
    with as_client_error("deleting runs failed"):
        found, warning = operations.find_old_runs(
            runs, filters, now=time.time(), scratch_only=scratch_only, with_results=with_results
        )
        if warning:
            warn(warning)
        ends = [*operations.delete_old_runs(found, scratch_only=scratch_only)] if yes else []
        for error in (error for _, error in ends if error is not None):
            raise error
    return found


def _seconds(since: datetime | timedelta | None) -> float:
    if since is None:
        return 0.0
    return (datetime.now() - since if isinstance(since, timedelta) else since).timestamp()
