"""Which tasks of a job of several (a cluster) need not run again after an attempt that failed.

A task is done if its process ended well and left all its outputs, and the tasks before it that it needs are
done. These outputs are put into the run's
scratch although the attempt failed, and the next attempt has them as inputs and runs the other tasks.
"""

from typing import Any, Dict, List, Sequence, Set

from markab.transfers.error_kinds import ErrorKind
from markab.worker.attempt import Prepared
from markab.worker.outputs import FoundOutput

OF_TASKS = frozenset(
    [
        ErrorKind.EXIT,
        ErrorKind.SIGNAL,
        ErrorKind.MEMORY,
        ErrorKind.NO_PROGRAM,
        ErrorKind.NOT_EXECUTABLE,
        ErrorKind.ARGUMENTS,
        ErrorKind.CONTAINER,
        ErrorKind.MISSING_OUTPUT,
        ErrorKind.TIMEOUT,
        ErrorKind.CANCELLED,
    ]
)
"""Errors that say nothing against the other tasks of the job. After any other, no task counts as done."""


def done_tasks(prepared: Prepared, found: Sequence[FoundOutput]) -> List[Dict[str, Any]]:
    """Return the tasks that are done, of an attempt that failed: {"task", "makes"}, those of earlier attempts first.

    A job whose output is searched for messages runs as a whole: it is not known which task printed what.
    """
    job = prepared.job
    if job.get("success_messages") or job.get("failure_messages") or not prepared.invocations:
        return []
    if any(error.kind not in OF_TASKS for error in prepared.errors):
        return []
    before: List[Dict[str, Any]] = list(prepared.spec["done"])
    tasks: List[Dict[str, Any]] = job.get("tasks") or []
    there = {output.lfn for output in found}
    if len(before) + len(tasks) == 1 or not there.issuperset(made_by(before)):
        return []
    ended_well = {entry["task"] for entry in prepared.invocations if entry["status"] == 0}
    done: Dict[str, Dict[str, Any]] = {}
    for task in tasks:
        makes = task.get("makes") or []
        if (
            task["id"] in ended_well
            and there.issuperset(makes)
            and done.keys() >= set(task.get("after") or ())
        ):
            done[task["id"]] = {"task": task["id"], "makes": makes}
    return before + list(done.values())


def made_by(done: Sequence[Dict[str, Any]]) -> Set[str]:
    """Return the lfns of the files that these tasks made."""
    return {lfn for task in done for lfn in task.get("makes") or ()}  # an empty list is not passed on
