"""What is recorded of an attempt that was a sub-workflow, when its run has ended."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from markab.engine.open_run import OpenRun
from markab.engine.recovery import Recovery
from markab.executors.base import Attempt, Record
from markab.transfers.error_kinds import ErrorKind, error_entry
from markab.worker.failure import AttemptFailed
from markab.worker.record import make_record, unseen_record

NAMED = 3


def success_record(attempt: Attempt, run: OpenRun) -> Record:
    """Return the record of a sub-workflow that succeeded: its outputs are in the scratch of the parent."""
    record = make_record(_start(run))
    record["outputs"] = list(_outputs(attempt, run.history))
    missing = {output.lfn for output in attempt.job.outputs} - {made["lfn"] for made in record["outputs"]}
    if missing:
        error = AttemptFailed(
            ErrorKind.MISSING_OUTPUT, f"the sub-workflow did not make {', '.join(map(repr, sorted(missing)))}"
        )
        return make_record(_start(run), [error])
    return record


def _start(run: OpenRun) -> float:
    """Return when its part of the attempt began."""
    return run.meter.engine_started


def _outputs(attempt: Attempt, history: Recovery) -> Iterator[Mapping[str, Any]]:
    for output in attempt.job.outputs:
        try:
            size = os.stat(f"{attempt.scratch}/{output.lfn}").st_size
        except OSError:
            continue
        made = {"lfn": output.lfn, "size": size}
        if sha256 := history.checksums.get(output.lfn):
            made["sha256"] = sha256
        yield made


def failure_record(attempt: Attempt, run: OpenRun) -> Record:
    """Return the record of a sub-workflow of which jobs failed."""
    failures = [failure for _, failure in sorted(run.failures.items())]
    shown = "; ".join(f"job {one.id!r}: {one.error.get('message', '')}" for one in failures[:NAMED])
    more = f"; and {len(failures) - NAMED} more" if len(failures) > NAMED else ""
    what = f"{len(failures)} jobs" if len(failures) > 1 else "a job" if failures else "not all"
    record = make_record(_start(run))
    record["ok"] = False
    directory = os.path.relpath(run.journal.path.parent, attempt.context.submit_dir)
    record["error"] = error_entry(
        ErrorKind.SUB_WORKFLOW,
        f"{what} of the sub-workflow failed{': ' if shown else ''}{shown}{more}",
        f"`markab analyze` shows them; its submit directory is {directory}",
    )
    return record


def stopped_record(why: str) -> Record:
    """Return the record of a sub-workflow that was stopped."""
    return unseen_record(ErrorKind.STOPPED, f"the sub-workflow was {why}")
