"""The cause of a failed attempt, from the worker's record, the output of its tasks and the file of its program.

All reports name causes by this function, so that none says more than another.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from markab.diagnosis.causes import Cause, cause_of
from markab.diagnosis.failure_patterns import CARRIAGE_RETURN
from markab.errors import MarkabError
from markab.formatting import shown_path
from markab.journal.attempt_story import captured, log_texts
from markab.plan.model import Kind, PlannedJob, PlannedTask
from markab.plan.plan_file import PlanFile
from markab.plan.run_command import run_command
from markab.transfers.base import path_of

_BYTES_READ = 1 << 16


def attempt_cause(
    plan: PlanFile, job: PlannedJob, record: dict[str, Any], submit_dir: Path, machine_mb: int = 0
) -> Cause:
    """Return why an attempt failed; `machine_mb` is the memory of its machine for jobs, 0 if not known."""
    stderr, stdout = (captured(record, stream, submit_dir) for stream in ("stderr", "stdout"))
    logs = "\n".join(text for _, text in log_texts(record))
    cause = cause_of(record, job, stderr or logs, stdout, machine_mb)
    if cause.name == CARRIAGE_RETURN:
        remedy = _carriage_return_remedy(*program_source(plan, job, record), submit_dir)
    else:
        remedy = _typed(cause.remedy, submit_dir, job)
    return cause if remedy == cause.remedy else replace(cause, remedy=remedy)


def _typed(remedy: str, submit_dir: Path, job: PlannedJob) -> str:
    """Return a remedy with the names of the run and the job in its commands."""
    if "`markab " not in remedy:
        return remedy
    for option in ("", "--refresh"):
        named = f"{' '.join(['markab run', option]).rstrip()} RUN`"
        if named in remedy:
            remedy = remedy.replace(named, f"{run_command(submit_dir, option)}`")
    return remedy.replace(
        "RUN --debug-job JOB", f"{shown_path(submit_dir)} --debug-job {shlex.quote(job.id)}"
    )


def failed_invocation(record: dict[str, Any]) -> dict[str, Any]:
    """Return the invocation that failed first in an attempt, else the last one; empty if nothing ran."""
    ran = record.get("invocations") or ()
    found: dict[str, Any] = next((one for one in ran if one.get("status")), ran[-1] if ran else {})
    return found


def failed_task(job: PlannedJob, record: dict[str, Any]) -> PlannedTask | None:
    """Return the task that failed in an attempt, which may have run only some of the job's; None for an auxiliary job."""
    task = failed_invocation(record).get("task")
    return next((one for one in job.tasks if one.id == task), job.tasks[0] if job.tasks else None)


def program_source(plan: PlanFile, job: PlannedJob, record: dict[str, Any]) -> tuple[str, bool]:
    """Return the path or URL of the program that failed, and whether the job works with a copy of it."""
    task = failed_task(job, record)
    if task is None:
        return "", False
    executable = task.executable
    lfn = executable.removeprefix("./")
    read = next((one for one in job.inputs if one.executable and one.lfn == lfn), None)
    if read is None:
        return executable, False
    staged = (
        source
        for parent in job.parents
        if plan.outline[parent].kind is Kind.STAGE_IN
        for transfer in plan.job(parent).transfers
        if transfer.lfn == lfn
        for source in transfer.sources
    )
    source = next(staged, None)
    if source is not None:
        return source.url, True
    return (read.sources[0].url if read.sources else executable), False


def _carriage_return_remedy(source: str, is_copied: bool, submit_dir: Path) -> str:
    """Return how carriage returns are removed from a program; from another one that it calls, if it has none."""
    command = r"sed -i 's/\r$//' "
    try:
        path = Path(path_of(source))
        with path.open("rb") as file:
            has_some = b"\r\n" in file.read(_BYTES_READ)
    except (OSError, MarkabError):  # on another machine
        again = "; then plan again, for the run uses a copy" if is_copied else ""
        return f"remove them there: {command}{shlex.quote(source.rpartition('/')[2])}{again}"
    if has_some:
        then = (
            f"; then `{run_command(submit_dir, '--refresh')}`, for the run uses a copy" if is_copied else ""
        )
        return f"remove them: {command}{shown_path(path)}{then}"
    return f"remove them from the program that it calls: {command}FILE"
