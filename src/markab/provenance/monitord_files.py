"""`monitord.started` and `monitord.done`: what Pegasus' tools look at before they trust the database of a run.

    monitord.started   pid <of the process that updates the database>
                       timestamp <when the first engine opened the run>
    monitord.done      <when the last engine ended> <seconds since the first opened it>

Both are there: the database is complete. Only the first: the run goes on, or its engine was killed.
Times are ISO 8601 in UTC.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from markab.errors import StorageError
from markab.plan.atomic_file import replacing
from markab.provenance.master_database import State

STARTED = "monitord.started"
DONE = "monitord.done"


def write_monitord_files(submit_dir: Path, states: Sequence[State]) -> None:
    """Write them, so that they say what `states`, the workflow states of a run in the order of time, say.

    Raises:
        StorageError: they cannot be written.
    """
    if not states:
        return
    first_s, (last, last_s, *_) = states[0][1], states[-1]
    done = submit_dir / DONE
    if last == "WORKFLOW_STARTED":
        _remove(done)
    _write(submit_dir / STARTED, f"pid {os.getpid()}\ntimestamp {_iso(first_s)}\n")
    if last != "WORKFLOW_STARTED":
        _write(done, f"{_iso(last_s)} {last_s - first_s:.3f}\n")


def _write(path: Path, text: str) -> None:
    with replacing(path, durable=False) as file:
        file.write(text.encode())


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot remove {str(path)!r}: {error.strerror}") from error


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
