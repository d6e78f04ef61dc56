"""The runs of a user, whichever script planned them."""

from __future__ import annotations

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


def _seconds(since: datetime | timedelta | None) -> float:
    if since is None:
        return 0.0
    return (datetime.now() - since if isinstance(since, timedelta) else since).timestamp()
