"""What every executor and the worker exchange: a spec goes out, a record and its attachments come back."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Mapping
from typing import Any

import msgspec

from markab.executors.base import Attempt, Record
from markab.plan.submit_dir import job_directory
from markab.worker.attempt_spec import Spec, captured_name, make_spec
from markab.worker.record import STREAMS


def spec_of(attempt: Attempt, attachments: str) -> Spec:
    """Return the spec of an attempt, as a node that sees the directories of the submit host needs it.

    For another node, an executor replaces `scratch`, `work`, `attachments` and `passwords` by paths there,
    absolute or relative to where the worker will start; see `worker/attempt_spec.py`.

    Args:
        attachments: directory into which the worker writes what is too long for the record.
    """
    context = attempt.context
    return make_spec(
        job=msgspec.to_builtins(attempt.job),
        attempt=attempt.id.number,
        uuid=context.uuid,
        workflow=context.workflow,
        work=attempt.work,
        scratch=attempt.scratch,
        scratch_url=attempt.scratch_url,
        attachments=attachments,
        submit_dir=context.submit_dir,
        integrity=context.integrity,
        checksums=attempt.checksums,
        transfer_threads=context.transfer_threads,
        transfer_attempts=context.transfer_attempts,
        catalog=context.catalog,
        keep_failed=context.keep_failed,
        passwords=context.passwords,
        arrived=attempt.arrived,
        incomplete=attempt.incomplete,
        store=context.store,
        done=attempt.done,
        environments=_environments(attempt),
    )


def _environments(attempt: Attempt) -> Mapping[str, Mapping[str, Any]] | None:
    """Return the software environments that the tasks of an attempt use."""
    if not (known := attempt.context.environments):
        return None
    return {name: known[name] for task in attempt.job.tasks if (name := task.environment)}


def attachments_directory(attempt: Attempt) -> str:
    """Return the final directory of the attachments of an attempt: below the submit directory."""
    return f"{attempt.context.submit_dir}/{job_directory(attempt.id.job)}"


def keep_attachments(record: Record, received: str, attempt: Attempt) -> None:
    """Put the attachments that came with a record into the submit directory, and name them in the record.

    What a node sends is not trusted: the name of a file is made here, and what is not a plain
    file is not moved; the record then has a note in place of the text.

    Args:
        received: the directory that has them; may be `attachments_directory` itself.
    """
    for stream in STREAMS:
        sent = record.pop(stream + "_file", None)
        if sent is None:
            continue
        name = captured_name(attempt.job.id, stream[3:], attempt.id.number)
        relative = os.path.join(job_directory(attempt.id.job), name)
        try:
            _keep(
                os.path.join(received, os.path.basename(sent)),
                os.path.join(attempt.context.submit_dir, relative),
            )
        except OSError as error:
            record[stream] = f"[the file {sent!r} did not come back: {error.strerror}]\n"
        else:
            record[stream + "_file"] = relative


def _keep(path: str, destination: str) -> None:
    if not os.path.lexists(path) and os.path.exists(destination):
        return  # kept by an engine that ended before it could record the end
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise OSError(errno.EINVAL, "it is not a file")
    if path != destination:
        os.makedirs(os.path.dirname(destination), exist_ok=True)
        shutil.move(path, destination)
