"""The record of an attempt whose job in HTCondor is over, and of which no worker made one. Pure."""

from __future__ import annotations

from markab.executors.base import Record, Seen
from markab.executors.htcondor.tracked_job import TrackedJob
from markab.executors.remote.refusal import refused_record
from markab.transfers.error_kinds import ErrorKind
from markab.worker.record import unseen_record


def missing_record(job: TrackedJob, words: str) -> Record:
    """Return the record; `words` is what the program that starts the worker printed."""
    where = f"job {job.id} of HTCondor" + (f" on {job.host}" if job.host else "")
    if job.is_cancelled:
        return unseen_record(ErrorKind.CANCELLED, f"cancelled: {where} was removed")
    if job.removed:
        if job.failure or job.seen is Seen.HELD:
            why = f"{where} was held: {job.reason}"
            if job.failure == ErrorKind.REFUSED:
                return refused_record(job.attempt.job.site, why)
            return unseen_record(job.failure or ErrorKind.HELD, why)
        return unseen_record(ErrorKind.CANCELLED, f"{where} was removed: {job.removed}")
    more = f"; it printed: {words}" if words else ""
    ended = f"{where} ended with {job.exit_text or 'no record'} and brought no record of the worker{more}"
    if job.exit_text == "exit code 127":
        return unseen_record(ErrorKind.NO_PROGRAM, f"{ended}; the node has no program python3")
    return unseen_record(ErrorKind.SIGNAL if job.exit_signal else ErrorKind.LOST, ended)
