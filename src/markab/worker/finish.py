"""Judge an attempt of a compute job, put its outputs in place, and write its record.

Nothing hides anything: an exit code, a failure message and five missing outputs are all told.
Outputs appear in the run's scratch only when the attempt succeeded, complete, each by one
rename; checkpoints appear there also when it failed.
"""

import errno
import os
import stat
import time
from typing import Any, Dict, List, Optional, Sequence

from markab.errors import MarkabError
from markab.transfers.base import Stop
from markab.transfers.local import copy
from markab.worker.attempt import HOST, Prepared, file_name, place_of
from markab.worker.captured_output import (
    IN_RECORD_BYTES,
    KEPT_BYTES,
    Capture,
    found_messages,
    keep,
    open_all,
    short_text,
)
from markab.worker.failure import Trouble, storage_trouble, trouble_of

Record = Dict[str, Any]


class _Made(object):
    """An output that is there, and may be moved."""

    __slots__ = ("is_checkpoint", "lfn", "path", "sha256", "size_bytes", "through_link")

    def __init__(self, lfn: str, path: str, size_bytes: int, is_checkpoint: bool, through_link: bool) -> None:
        self.lfn = lfn
        self.path = path
        self.size_bytes = size_bytes
        self.is_checkpoint = is_checkpoint
        self.through_link = through_link
        self.sha256: Optional[str] = None


def finish(prepared: Prepared, out: Optional[Capture], err: Optional[Capture], stop: Stop = None) -> Record:
    """Return the record of an attempt whose last process has ended; its own directory is gone then.

    To be called once for everything that `prepare` returned. Never raises for what is wrong
    with the attempt.

    Args:
        out, err: what the tasks printed. None: nothing could have been.
    """
    troubles = prepared.troubles
    job = prepared.job
    ran = bool(prepared.invocations)
    made: List[_Made] = []
    if ran:
        if job.get("success_messages") or job.get("failure_messages"):
            _judge_messages(prepared, out, err)
        if prepared.guards:
            _judge_inputs(prepared)
        if job.get("outputs"):
            made = _find_outputs(prepared)
    placed: List[_Made] = []
    wanted = [output for output in made if output.is_checkpoint or not troubles]
    if wanted:
        placed = _place_outputs(prepared, wanted, stop)
    if prepared.own and not (troubles and prepared.spec.get("keep_failed")):
        prepared.directories.empty(prepared.cwd)
    record = _make_record(prepared, placed)
    _keep_streams(prepared, record, out, err)
    record["end"] = time.time()
    return record


def failed_record(troubles: Sequence[Trouble], start: float, cwd: str = "") -> Record:
    """Return the record of something that never got to the point where `finish` could be called."""
    record: Record = {"ok": False, "error": troubles[0].entry(), "host": HOST, "start": start}
    if len(troubles) > 1:
        record["also"] = [trouble.entry() for trouble in troubles[1:]]
    if cwd:
        record["cwd"] = cwd
    record["end"] = time.time()
    return record


def output_bytes(prepared: Prepared) -> int:
    """Return how many bytes `finish` would have to read, to see whether that is quick."""
    total = 0
    for output in prepared.job.get("outputs") or ():
        try:
            total += os.stat(os.path.join(prepared.cwd, output["lfn"])).st_size
        except OSError:
            continue  # `finish` says what is wrong with it
    return total


def _judge_messages(prepared: Prepared, out: Optional[Capture], err: Optional[Capture]) -> None:
    success = prepared.job.get("success_messages") or ()
    failure = prepared.job.get("failure_messages") or ()
    fds = [capture.fd for capture in (out, err) if capture is not None]
    opened = open_all(prepared.redirected)
    try:
        found = found_messages(list(success) + list(failure), fds + opened)
    finally:
        for fd in opened:
            os.close(fd)
    name = prepared.job["id"]
    for message in failure:
        if message in found:
            text = "job '%s' printed the failure message '%s'" % (name, message)
            prepared.troubles.append(Trouble("failure-message", text))
    for message in success:
        if message not in found:
            text = "job '%s' did not print the success message '%s'" % (name, message)
            prepared.troubles.append(Trouble("success-message", text))


def _judge_inputs(prepared: Prepared) -> None:
    for guard in prepared.guards:
        if guard.is_changed():
            prepared.troubles.append(
                Trouble(
                    "input-changed",
                    "job '%s' changed its input '%s', which other jobs may read, at '%s'"
                    % (prepared.job["id"], guard.lfn, guard.path),
                    "let the task write to a copy, and restore the file",
                )
            )


def _find_outputs(prepared: Prepared) -> List[_Made]:
    """Return the declared outputs that are there; every one that is not becomes a trouble."""
    made = []
    for output in prepared.job["outputs"]:
        lfn = output["lfn"]
        is_checkpoint = bool(output.get("checkpoint"))
        try:
            found = _look_at(prepared, lfn, is_checkpoint)
        except Trouble as trouble:
            if not is_checkpoint:
                prepared.troubles.append(trouble)
            continue
        made.append(found)
    return made


def _look_at(prepared: Prepared, lfn: str, is_checkpoint: bool) -> _Made:
    path = place_of(prepared.cwd, lfn)
    name = "output '%s' of job '%s'" % (lfn, prepared.job["id"])
    try:
        status = os.lstat(path)
        through_link = stat.S_ISLNK(status.st_mode)
        if through_link:
            target = os.path.realpath(path)
            if not target.startswith(os.path.realpath(prepared.cwd) + "/"):
                raise Trouble(
                    "missing-output",
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
        raise Trouble(
            "missing-output",
            "%s %s" % (name, reason),
            "the task must write it to '%s' in its directory" % lfn,
        ) from error
    if stat.S_ISDIR(status.st_mode):
        raise Trouble(
            "missing-output",
            "%s is a directory, not a file" % name,
            "declare each file in it, or pack it with tar",
        )
    if not stat.S_ISREG(status.st_mode):
        raise Trouble("missing-output", "%s is no regular file" % name)
    return _Made(lfn, path, status.st_size, is_checkpoint, through_link)


def _place_outputs(prepared: Prepared, made: List[_Made], stop: Stop) -> List[_Made]:
    """Hash the outputs, then move them to the run's scratch; return those that are there now."""
    placed: List[_Made] = []
    try:
        if prepared.spec.get("integrity", "full") != "none":
            began = time.monotonic()
            for output in made:
                output.sha256 = _checksum(prepared, output, stop)
            prepared.hashed_s = time.monotonic() - began
        # What is reached through a link is copied, before its target may be moved away.
        for output in sorted(made, key=lambda output: not output.through_link):
            destination = place_of(prepared.spec["scratch"], output.lfn)
            if destination != output.path and prepared.own:
                _move(output, destination, stop)
                if output.sha256:
                    prepared.verified.know(destination, output.sha256)
            placed.append(output)
    except Trouble as trouble:
        prepared.troubles.append(trouble)
    except OSError as error:
        prepared.troubles.append(
            storage_trouble("cannot put the outputs of job '%s' in place" % prepared.job["id"], error)
        )
    except MarkabError as error:
        prepared.troubles.append(trouble_of(error))
    return placed


def _checksum(prepared: Prepared, output: _Made, stop: Stop) -> str:
    try:
        return prepared.verified.checksum(output.path, stop)
    except PermissionError:
        # The task made its own output unreadable; it is ours to open.
        os.chmod(output.path, 0o600)
        return prepared.verified.checksum(output.path, stop)


def _move(output: _Made, destination: str, stop: Stop) -> None:
    try:
        if output.through_link:
            copy(output.path, destination, stop, durable=False, digest=False)
            return
        try:
            os.rename(output.path, destination)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(destination), exist_ok=True)
            os.rename(output.path, destination)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            copy(output.path, destination, stop, durable=False, digest=False)
    except OSError as error:
        raise storage_trouble("cannot put output '%s' at '%s'" % (output.lfn, destination), error) from error


def _make_record(prepared: Prepared, placed: List[_Made]) -> Record:
    troubles = prepared.troubles
    record: Record = {"ok": not troubles, "host": HOST, "cwd": prepared.cwd, "start": prepared.start}
    if troubles:
        record["error"] = troubles[0].entry()
        if len(troubles) > 1:
            record["also"] = [trouble.entry() for trouble in troubles[1:]]
    if prepared.invocations:
        record["invocations"] = prepared.invocations
    if prepared.checked:
        failed = sum(trouble.kind == "checksum" for trouble in troubles)
        duration_s = round(prepared.checked_s, 6)
        record["checked"] = {"count": prepared.checked, "failed": failed, "duration_s": duration_s}
    if placed:
        record["outputs"] = [_describe(output) for output in placed]
        hashed = sum(output.sha256 is not None for output in placed)
        if hashed:
            record["hashed"] = {"count": hashed, "duration_s": round(prepared.hashed_s, 6)}
    if prepared.transfers:
        record["transfers"] = prepared.transfers
    return record


def _describe(output: _Made) -> Dict[str, Any]:
    entry: Dict[str, Any] = {"lfn": output.lfn, "size": output.size_bytes}
    if output.sha256:
        entry["sha256"] = output.sha256
    if output.is_checkpoint:
        entry["checkpoint"] = True
    return entry


def _keep_streams(prepared: Prepared, record: Record, out: Optional[Capture], err: Optional[Capture]) -> None:
    """Put what was printed into the record, or into files of the submit directory when it is long."""
    for stream, capture in (("stdout", out), ("stderr", err)):
        size_bytes = capture.size() if capture is not None else 0
        if capture is None or not size_bytes:
            continue
        if size_bytes <= IN_RECORD_BYTES:
            record[stream] = short_text(capture.fd, size_bytes)
            continue
        spec = prepared.spec
        name = "%s.%s.%03d" % (file_name(spec["job"]["id"]), stream[3:], spec["attempt"] - 1)
        relative = os.path.join(spec.get("directory", ""), name)
        if size_bytes > KEPT_BYTES:
            record[stream + "_bytes"] = size_bytes
        try:
            keep(capture.fd, size_bytes, os.path.join(spec["submit_dir"], relative))
            record[stream + "_file"] = relative
        except OSError as error:
            # The task did its work: losing what it printed is worth telling, not worth doing it again.
            record[stream + "_bytes"] = size_bytes
            record[stream] = short_text(capture.fd, IN_RECORD_BYTES)
            record[stream] += "\n[the rest could not be kept: %s]\n" % error.strerror
