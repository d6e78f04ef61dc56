"""An attempt as a directory that is sent to a node without the submit host's files, and brought back.

    worker.zip     the packed worker; the node runs `python3 worker.zip spec.json -o record.json` here
    spec.json      the worker's spec; every path in it is relative to this directory
    scratch/       on the way out the inputs, on the way back the outputs too, under their lfns
    work/          where the worker makes the attempt's own directory; empty before and after
    attachments/   output that is too long for the record
    passwords.json the run's private file, mode 600; only where the worker moves files over a network
    record.json    the worker's record; written last and by rename, so it is whole or absent

What comes back is not trusted: only what the job declares is taken, only plain files that are
reached without a symbolic link, and only those whose checksum is the one in the record.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from markab.errors import MarkabError
from markab.executors.base import Attempt, Record
from markab.executors.worker_protocol import keep_attachments, spec_of
from markab.journal.attempt_record import AttemptRecord, MadeFile
from markab.plan.model import Input, Kind, Output
from markab.transfers.base import is_local, path_of
from markab.transfers.checksum import Verified, compare
from markab.transfers.error_kinds import ErrorKind
from markab.transfers.local_copy import copy, copy_open
from markab.transfers.own_directories import OwnDirectories, open_own, why_not_as_made
from markab.transfers.partial_file import part_stem
from markab.transfers.run_passwords import read_passwords, write_passwords
from markab.worker.attempt_spec import place_of
from markab.worker.failure import AttemptFailed, storage_error, transfer_error
from markab.worker.inputs import open_staged
from markab.worker.record import STREAMS, output_entry, unseen_record
from markab.worker.worker_zip import pack

COMMAND = ("worker.zip", "spec.json", "-o", "record.json")
"""Arguments of a Python interpreter of the node, in the sandbox."""

LONGEST_RECORD_BYTES = 64 * 1024 * 1024


class _Returned(NamedTuple):
    """An output that came back as the record describes it."""

    lfn: str
    path: str
    status: os.stat_result
    sha256: str | None
    is_checkpoint: bool


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The directory of one attempt, while it is on a file system of the submit host.

    The node must have ended, or have a copy of its own, when `collect` is called.
    """

    path: Path

    @property
    def record(self) -> Path:
        """The worker's record: once it is there, the attempt is over."""
        return self.path / "record.json"

    # -- on the way out ------------------------------------------------------------------------

    def fill(
        self,
        attempt: Attempt,
        worker_zip: Path | None = None,
        *,
        brings_worker: bool = True,
        is_mounted: bool = False,
        makes_directories: bool = True,
    ) -> None:
        """Make the directory, with all that the node needs; it appears complete or not at all.

        What an earlier call left is removed. Inputs that are on the submit host come along; those
        that are at other URLs are left for the worker to fetch. One that is missing is left out:
        the worker reports it, as on any other node.

        Args:
            worker_zip: a packed worker to copy. None: it is packed now.
            brings_worker: False: the worker gets to the node otherwise, and is left out.
            is_mounted: the node sees the run's scratch, so a job may work there (data configuration `sharedfs`).
            makes_directories: False: the node makes those that would be empty.

        Raises:
            AttemptFailed: the attempt cannot run in a sandbox, or its files cannot be copied.
        """
        _check_travels(attempt, is_mounted)
        part = self.path.with_name(self.path.name + ".part")
        self.remove()
        try:
            _fill(part, attempt, makes_directories)
            if worker_zip is not None:
                shutil.copyfile(worker_zip, part / "worker.zip")
            elif brings_worker:
                pack(str(part / "worker.zip"))
            part.rename(self.path)
        except OSError as error:
            raise storage_error(f"cannot make the sandbox '{self.path}'", error) from error
        except MarkabError as error:
            raise transfer_error(error) from error
        finally:
            if os.path.lexists(part):
                shutil.rmtree(part, ignore_errors=True)

    # -- on the way back -----------------------------------------------------------------------

    def collect(self, attempt: Attempt, verified: Verified) -> Record | None:
        """Put what came back in place, and return the record; None if there is none.

        Outputs appear in the run's scratch complete, each by a rename. An output that did not
        come back as the record describes it makes the attempt a failed one, of which only checkpoints
        are kept. May be done again, after a crash in the middle.

        Args:
            verified: gets the checksums of the outputs.
        """
        try:
            record, read = read_record(str(self.record))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError, msgspec.DecodeError) as error:
            return unseen_record(ErrorKind.TRANSFER, f"the record that came back cannot be read: {error}")
        self._keep_attachments(record, attempt)
        fetched = {file.lfn for file in attempt.job.inputs if file.sources or not attempt.scratch}
        made = {output.lfn for output in attempt.job.outputs}
        known = fetched if _brings_files(attempt) else fetched | made
        record["transfers"] = [entry for entry in record.get("transfers", ()) if entry["lfn"] in known]
        if _brings_files(attempt):
            self._collect_outputs(record, read, attempt, verified)
        else:  # the worker has put them into the scratch
            record["outputs"] = [entry for entry in record.get("outputs", ()) if entry["lfn"] in made]
        return {key: value for key, value in record.items() if value != []}

    def remove(self) -> None:
        """Remove the directory. May be called twice."""
        if os.path.lexists(self.path):
            shutil.rmtree(self.path, ignore_errors=True)

    def _keep_attachments(self, record: Record, attempt: Attempt) -> None:
        received = self.path / "attachments"
        if received.is_symlink():
            for stream in STREAMS:
                if record.pop(stream + "_file", None) is not None:
                    record[stream] = "[the file did not come back: its directory is a symbolic link]\n"
        keep_attachments(record, str(received), attempt)

    def _collect_outputs(
        self, record: Record, read: AttemptRecord, attempt: Attempt, verified: Verified
    ) -> None:
        """Check all outputs, then put them in place; errors are added to the record."""
        came = {entry.lfn: entry for entry in read.outputs}
        returned: list[_Returned] = []
        errors: list[AttemptFailed] = []
        for output in attempt.job.outputs:
            # Of a failed attempt, and of a checkpoint, the worker need not have sent anything.
            if output.lfn not in came and (output.checkpoint or not read.ok):
                continue
            doing = f"output '{output.lfn}' of job '{attempt.job.id}' did not come back"
            with _noting(errors, ErrorKind.TRANSFER, doing):
                returned.append(
                    self._check(output, came.get(output.lfn), attempt.context.integrity, verified)
                )
        ok = read.ok and not errors
        record["outputs"] = []
        kept = {lfn for task in read.done for lfn in task.makes}
        for one in returned:
            if ok or one.is_checkpoint or one.lfn in kept:
                doing = f"cannot put output '{one.lfn}' at '{attempt.scratch}/{one.lfn}'"
                with _noting(errors, ErrorKind.STORAGE, doing):
                    record["outputs"].append(_place(one, attempt, verified))
        if errors:
            record.pop("done", None)
        _add_errors(record, errors)

    def _check(self, output: Output, entry: MadeFile | None, integrity: str, verified: Verified) -> _Returned:
        if entry is None:
            raise OSError("the record does not have it")
        path, status = _plain_file(self.path / "scratch", output.lfn)
        if status.st_size != entry.size:
            raise OSError(f"it has {status.st_size} bytes, and {entry.size} in the record")
        if integrity == "none":
            return _Returned(output.lfn, path, status, None, output.checkpoint)
        if not entry.sha256:
            raise OSError("the record has no checksum of it")
        sha256 = verified.checksum(path)
        compare(path, entry.sha256, sha256)
        return _Returned(output.lfn, path, status, sha256, output.checkpoint)


def _check_travels(attempt: Attempt, is_mounted: bool) -> None:
    job = attempt.job
    if job.kind is not Kind.COMPUTE:
        raise AttemptFailed(
            ErrorKind.INTERNAL, f"job '{job.id}' is one of Markab's own, and runs on the submit host only"
        )
    if job.data == "sharedfs" and not is_mounted:
        raise AttemptFailed(
            ErrorKind.INTERNAL,
            f"job '{job.id}' runs in the scratch directory, which is not mounted at site '{job.site}'",
            "plan with -Dpegasus.data.configuration=condorio",
        )


def _brings_files(attempt: Attempt) -> bool:
    """Return whether inputs and outputs travel with the sandbox; otherwise the worker reaches the run's scratch."""
    return bool(attempt.scratch) and attempt.job.data != "sharedfs"


def _fill(path: Path, attempt: Attempt, makes_directories: bool) -> None:
    if os.path.lexists(path):
        shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700, parents=True)
    if makes_directories:
        for name in ("scratch", "work", "attachments"):
            (path / name).mkdir()
    elif attempt.job.inputs:
        (path / "scratch").mkdir()
    spec = spec_of(attempt, "attachments")
    spec.update(catalog=None, passwords="", keep_failed=False)
    if attempt.job.data != "sharedfs":
        spec.update(work="work")
    if _brings_files(attempt):
        spec.update(scratch="scratch", scratch_url="")
        for file, item in zip(attempt.job.inputs, spec["job"].get("inputs", ()), strict=True):
            if _bring(file, attempt, place_of(str(path / "scratch"), file.lfn)):
                item.pop("sources", None)
    moves_files = not attempt.scratch or any("sources" in item for item in spec["job"].get("inputs", ()))
    if moves_files and (passwords := read_passwords(attempt.context.passwords)):
        spec["passwords"] = "passwords.json"
        write_passwords(str(path / "passwords.json"), passwords)
    (path / "spec.json").write_bytes(msgspec.json.encode(spec))


def _bring(file: Input, attempt: Attempt, destination: str) -> bool:
    """Copy an input that is on the submit host; return whether there is one."""
    if not file.sources:
        return _bring_staged(attempt.scratch, file, destination)
    for place in [path_of(source.url) for source in file.sources if is_local(source.url)]:
        if os.path.exists(place):
            copy(place, destination, durable=False, digest=False)
            return True
    return False


def _bring_staged(scratch: str, file: Input, destination: str) -> bool:
    lfn = file.lfn
    directory = open_own(scratch)
    try:
        fd, _ = open_staged(directory, scratch, lfn, file.link)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise why_not_as_made(scratch, lfn) or error from error
    finally:
        directory.close()
    try:
        copy_open(fd, place_of(scratch, lfn), destination, durable=False, digest=False)
    finally:
        os.close(fd)
    return True


def read_record(path: str) -> tuple[Record, AttemptRecord]:
    """Return the record as it is, and decoded.

    Raises:
        FileNotFoundError: there is none.
        OSError, ValueError, RecursionError, DecodeError: it is no record.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is not a file")
        if status.st_size > LONGEST_RECORD_BYTES:
            raise OSError(f"it has {status.st_size} bytes, more than {LONGEST_RECORD_BYTES}")
        text = file.read()
    record: Record = msgspec.json.decode(text, type=dict)
    read = msgspec.convert(record, AttemptRecord)
    for entry in (*record.get("outputs", ()), *record.get("transfers", ())):
        if len(bytes.fromhex(entry.get("sha256") or "0" * 64)) != 32 or "lfn" not in entry:
            raise ValueError(f"{entry} describes no file")
    if not read.ok and read.error is None:
        raise ValueError("the attempt failed, and it has no error")
    if not isinstance(record.get("also", []), list):
        raise ValueError("its further errors are no list")
    return record, read


def _plain_file(top: Path, lfn: str) -> tuple[str, os.stat_result]:
    """Return path and status of a file in a directory; raise OSError if it is none, or is reached by a link."""
    path = str(top)
    status = os.lstat(path)
    for part in lfn.split("/"):
        if not stat.S_ISDIR(status.st_mode):
            raise OSError(f"'{path}' is not a directory")
        path = os.path.join(path, part)
        status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"'{path}' is not a plain file")
    return path, status


def _place(one: _Returned, attempt: Attempt, verified: Verified) -> Record:
    """Put an output into the run's scratch, and return its entry."""
    destination = place_of(attempt.scratch, one.lfn)
    with OwnDirectories([attempt.scratch]).destination(destination, one.path) as held:
        if not _link(one, held):
            copy(one.path, held, durable=False, digest=False)
        if one.sha256:
            verified.remember(held, one.sha256)
    return output_entry(one.lfn, one.status.st_size, one.sha256, one.is_checkpoint)


def _link(one: _Returned, destination: str) -> bool:
    """Hard-link an output that is only ours to its destination; return whether that was done."""
    if one.status.st_uid != os.geteuid() or one.status.st_nlink > 1:
        return False
    part = part_stem(destination) + "link"
    try:
        if os.path.lexists(part):
            os.unlink(part)
        os.link(one.path, part)
    except OSError:
        return False  # another file system, or one without links
    try:
        os.chmod(part, stat.S_IMODE(one.status.st_mode) & 0o777)
        os.rename(part, destination)
    except OSError:
        os.unlink(part)
        raise
    return True


@contextmanager
def _noting(errors: list[AttemptFailed], kind: str, doing: str) -> Iterator[None]:
    """Add an error that is raised to `errors`."""
    try:
        yield
    except (MarkabError, OSError) as error:
        errors.append(AttemptFailed(kind, f"{doing}: {error}"))


def _add_errors(record: Record, errors: Sequence[AttemptFailed]) -> None:
    if not errors:
        return
    known = [record["error"], *record.get("also", [])] if "error" in record else []
    all_errors = [*known, *(error.entry() for error in errors)]
    record.update(ok=False, error=all_errors[0], also=all_errors[1:])
