"""The declared outputs of an attempt: found, hashed, and put into the run's scratch.

Where the scratch is mounted, an output appears there complete, by one rename (or a copy that is
renamed, from another file system). Where it is not, outputs are put to its URL.
"""

import errno
import os
import stat
import time
from typing import Any, Dict, List, Optional

from markab.errors import MarkabError
from markab.transfers.base import Stop
from markab.transfers.error_kinds import ErrorKind
from markab.transfers.local_copy import copy
from markab.worker.attempt import Prepared
from markab.worker.attempt_spec import place_of, scratch_place, staging_site
from markab.worker.failure import AttemptFailed, arrived_and_failed, storage_error, transfer_error
from markab.worker.record import output_entry


class FoundOutput(object):
    """An output that exists, and may be moved."""

    __slots__ = ("is_checkpoint", "lfn", "path", "sha256", "size_bytes", "through_link")

    def __init__(self, lfn: str, path: str, size_bytes: int, is_checkpoint: bool, through_link: bool) -> None:
        self.lfn = lfn
        self.path = path
        self.size_bytes = size_bytes
        self.is_checkpoint = is_checkpoint
        self.through_link = through_link
        self.sha256: Optional[str] = None

    def entry(self) -> Dict[str, Any]:
        """Return it as the record has it."""
        return output_entry(self.lfn, self.size_bytes, self.sha256, self.is_checkpoint)


def output_bytes(prepared: Prepared) -> int:
    """Return how many bytes `finish` would have to read, to see whether that is quick."""
    total = 0
    for output in prepared.job.get("outputs") or ():
        try:
            total += os.stat(os.path.join(prepared.cwd, output["lfn"])).st_size
        except OSError:
            continue  # `finish` reports it
    return total


def find_outputs(prepared: Prepared) -> List[FoundOutput]:
    """Return the declared outputs that exist; add those that are missing to `errors`."""
    found = []
    for output in prepared.job.get("outputs") or ():
        is_checkpoint = bool(output.get("checkpoint"))
        try:
            found.append(_find(prepared, output["lfn"], is_checkpoint))
        except AttemptFailed as error:
            if not is_checkpoint:
                prepared.errors.append(error)
    return found


def _find(prepared: Prepared, lfn: str, is_checkpoint: bool) -> FoundOutput:
    path = place_of(prepared.cwd, lfn)
    name = "output '%s' of job '%s'" % (lfn, prepared.job["id"])
    try:
        status = os.lstat(path)
        through_link = stat.S_ISLNK(status.st_mode)
        if through_link:
            target = os.path.realpath(path)
            if not target.startswith(os.path.realpath(prepared.cwd) + "/"):
                raise AttemptFailed(
                    ErrorKind.MISSING_OUTPUT,
                    "%s is a symbolic link out of the job's directory, to '%s'" % (name, os.readlink(path)),
                    "let the task copy the file",
                )
            path = target
            status = os.stat(path)
    except OSError as error:
        reason = (
            "is missing"
            if error.errno in (errno.ENOENT, errno.ENOTDIR)
            else "cannot be read: %s" % error.strerror
        )
        raise AttemptFailed(
            ErrorKind.MISSING_OUTPUT,
            "%s %s" % (name, reason),
            "the task must write it to '%s' in its directory" % lfn,
        ) from error
    if stat.S_ISDIR(status.st_mode):
        raise AttemptFailed(
            ErrorKind.MISSING_OUTPUT,
            "%s is a directory, not a file" % name,
            "declare each file in it, or pack it with tar",
        )
    if not stat.S_ISREG(status.st_mode):
        raise AttemptFailed(ErrorKind.MISSING_OUTPUT, "%s is no regular file" % name)
    return FoundOutput(lfn, path, status.st_size, is_checkpoint, through_link)


def place_outputs(prepared: Prepared, outputs: List[FoundOutput], stop: Stop) -> List[FoundOutput]:
    """Hash outputs, then put them into the run's scratch; return those that are in place."""
    placed: List[FoundOutput] = []
    try:
        if prepared.spec["integrity"] != "none":
            began = time.monotonic()
            for output in outputs:
                output.sha256 = _checksum(prepared, output, stop)
            prepared.hashed_s = time.monotonic() - began
        if not prepared.has_directory:
            placed += outputs  # the tasks ran in the scratch
        elif prepared.spec["scratch"]:
            _move_all(prepared, outputs, placed, stop)
        else:
            _send_all(prepared, outputs, placed, stop)
    except AttemptFailed as error:
        prepared.errors.append(error)
    except OSError as error:
        prepared.errors.append(
            storage_error("cannot put the outputs of job '%s' in place" % prepared.job["id"], error)
        )
    except MarkabError as error:
        prepared.errors.append(transfer_error(error))
    return placed


def _checksum(prepared: Prepared, output: FoundOutput, stop: Stop) -> str:
    try:
        return prepared.verified.checksum(output.path, stop)
    except PermissionError:
        # The task took the permission to read from its own output.
        os.chmod(output.path, 0o600)
        return prepared.verified.checksum(output.path, stop)


def _move_all(prepared: Prepared, outputs: List[FoundOutput], placed: List[FoundOutput], stop: Stop) -> None:
    # What is reached through a link is copied, before its target may be moved away.
    for output in sorted(outputs, key=lambda output: not output.through_link):
        destination = place_of(prepared.spec["scratch"], output.lfn)
        if destination != output.path:
            _move(output, destination, stop)
            if output.sha256:
                prepared.verified.remember(destination, output.sha256)
        placed.append(output)


def _move(output: FoundOutput, destination: str, stop: Stop) -> None:
    try:
        if output.through_link:
            _copy(output, destination, stop)
            return
        try:
            os.rename(output.path, destination)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(destination), exist_ok=True)
            os.rename(output.path, destination)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy(output, destination, stop)
    except OSError as error:
        raise storage_error("cannot put output '%s' at '%s'" % (output.lfn, destination), error) from error


def _copy(output: FoundOutput, destination: str, stop: Stop) -> None:
    copy(output.path, destination, stop, output.sha256, durable=False, digest=False)


def _send_all(prepared: Prepared, outputs: List[FoundOutput], placed: List[FoundOutput], stop: Stop) -> None:
    """Put outputs to the URL of the scratch, as a transfer job would."""
    from markab.transfers.batch import move_all

    spec = prepared.spec
    moved = move_all(
        [
            {
                "lfn": output.lfn,
                "sources": [{"site": prepared.job["site"], "url": output.path}],
                "destinations": [{"site": staging_site(spec), "url": scratch_place(spec, output.lfn)}],
                "sha256": output.sha256,
                "size_bytes": output.size_bytes,
            }
            for output in outputs
        ],
        spec["transfer_threads"],
        spec["transfer_attempts"],
        stop,
        allow_links=False,
        verified=prepared.verified if spec["integrity"] != "none" else None,
        durable=False,
    )
    arrived, errors = arrived_and_failed(moved)
    prepared.transfers.extend(arrived)
    prepared.errors.extend(errors)
    names = {entry["lfn"] for entry in arrived}
    placed += [output for output in outputs if output.lfn in names]
