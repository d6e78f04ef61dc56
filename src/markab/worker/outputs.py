"""The declared outputs of an attempt: found, hashed, and put into the run's scratch.

Where the scratch is mounted, an output appears there complete, by one rename (or a copy that is
renamed, from another file system). Where it is not, outputs are put to its URL.
"""

import errno
import os
import stat
import time
from typing import Any, Dict, FrozenSet, List, Optional, Sequence

from markab.errors import MarkabError
from markab.transfers.base import Stop
from markab.transfers.beneath import Beneath, name_inside
from markab.transfers.error_kinds import ErrorKind
from markab.transfers.local_copy import copy_open
from markab.transfers.own_directories import NOT_AS_MADE, OwnDirectories, open_own, why_not_as_made
from markab.transfers.tree_names import declared_name, directory_name, is_tree
from markab.worker.attempt import Prepared
from markab.worker.attempt_spec import place_of, scratch_place, staging_site
from markab.worker.declared_directories import pack_output
from markab.worker.failure import AttemptFailed, arrived_and_failed, storage_error, transfer_error
from markab.worker.record import output_entry

_UNKNOWN_BYTES = 1 << 62
"""More than any file has: for a directory, which would have to be read as a whole."""

UNDECLARED_NAMED = 10
"""How many undeclared files a record names."""

_NO_RESULTS = frozenset(("__pycache__",))
"""Names that programs leave by the way, and nothing is lost with: compiled modules of Python beside a staged script."""


class FoundOutput(object):
    """An output that exists, and may be moved."""

    __slots__ = ("is_checkpoint", "lfn", "name", "sha256", "size_bytes", "through_link")

    def __init__(self, lfn: str, name: str, size_bytes: int, is_checkpoint: bool, through_link: bool) -> None:
        self.lfn = lfn
        self.name = name
        """Where it is in the directory of the attempt: at `lfn`, or where links in the directory lead."""
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
        if is_tree(output["lfn"]):
            return _UNKNOWN_BYTES
        try:
            total += _directory(prepared).status(output["lfn"]).st_size
        except OSError:
            continue  # `finish` reports it
    return total


def _directory(prepared: Prepared) -> Beneath:
    assert prepared.directory is not None, "its tasks ran there"
    return prepared.directory


def find_outputs(prepared: Prepared, stop: Stop = None) -> List[FoundOutput]:
    """Return the declared outputs that exist, directories packed; add those that are missing to `errors`.

    After an error, the outputs of tasks that were never started are not said to be missing.
    """
    found = []
    unstarted = _of_unstarted_tasks(prepared) if prepared.errors else frozenset()
    for output in prepared.job.get("outputs") or ():
        is_checkpoint = bool(output.get("checkpoint"))
        try:
            found.append(_find(prepared, output["lfn"], is_checkpoint, stop))
        except AttemptFailed as error:
            if not is_checkpoint and output["lfn"] not in unstarted:
                prepared.errors.append(error)
    return found


def _of_unstarted_tasks(prepared: Prepared) -> FrozenSet[str]:
    started = {entry["task"] for entry in prepared.invocations}
    tasks = prepared.job.get("tasks") or ()
    return frozenset(lfn for task in tasks if task["id"] not in started for lfn in task.get("makes") or ())


def _find(prepared: Prepared, lfn: str, is_checkpoint: bool, stop: Stop) -> FoundOutput:
    name, status = lfn, None
    output = "output '%s' of job '%s'" % (declared_name(lfn), prepared.job["id"])
    try:
        try:
            status = pack_output(prepared, lfn, stop) if is_tree(lfn) else _directory(prepared).status(lfn)
        except NotADirectoryError:
            pass  # perhaps a link to a directory
        if status is None or stat.S_ISLNK(status.st_mode):
            name = _behind_links(prepared, lfn, output)
            status = _directory(prepared).status(name)
    except OSError as error:
        reason = (
            "is missing"
            if error.errno in (errno.ENOENT, errno.ENOTDIR)
            else "cannot be read: %s" % error.strerror
        )
        names = names_in(_directory(prepared)) if prepared.has_directory else []
        others = undeclared_files(prepared, names)
        wrote = "; it wrote %s" % ", ".join("'%s'" % name for name in others) if others else ""
        raise AttemptFailed(
            ErrorKind.MISSING_OUTPUT,
            "%s %s" % (output, reason),
            "the task must write it to '%s' in its directory%s" % (directory_name(lfn), wrote),
        ) from error
    if stat.S_ISDIR(status.st_mode):
        raise AttemptFailed(
            ErrorKind.MISSING_OUTPUT,
            "%s is a directory, not a file" % output,
            "declare it as '%s/', or each file in it" % lfn,
        )
    if not stat.S_ISREG(status.st_mode):
        raise AttemptFailed(ErrorKind.MISSING_OUTPUT, "%s is no regular file" % output)
    return FoundOutput(lfn, name, status.st_size, is_checkpoint, name != lfn)


def names_in(directory: Beneath) -> Optional[List[str]]:
    """Return the names in a directory; None if it cannot be read."""
    try:
        return os.listdir(directory.fd)
    except OSError:
        return None


def undeclared_files(
    prepared: Prepared, names: Optional[List[str]], found: Sequence[FoundOutput] = ()
) -> List[str]:
    """Return those of the names in the attempt's own directory that are neither inputs nor outputs: they are lost with it."""
    if not names:
        return []
    declared = {_top(item["lfn"]) for key in ("inputs", "outputs") for item in prepared.job.get(key) or ()}
    declared.update([_top(directory_name(name)) for name in declared])
    declared.update(_top(output.name) for output in found)
    declared |= _NO_RESULTS
    others = sorted(name for name in names if name not in declared)
    return [os.fsencode(name).decode("utf-8", "replace") for name in others[:UNDECLARED_NAMED]]


def _top(name: str) -> str:
    return name.split("/", 1)[0]


def _behind_links(prepared: Prepared, lfn: str, output: str) -> str:
    """Return the name, in the same directory, of the file that symbolic links at or above `lfn` lead to."""
    name = name_inside(prepared.cwd, lfn)
    if name is None:
        target = os.path.realpath(os.path.join(prepared.cwd, lfn))
        raise AttemptFailed(
            ErrorKind.MISSING_OUTPUT,
            "%s is reached through a symbolic link out of the job's directory: it is '%s'" % (output, target),
            "let the task copy the file",
        )
    return name


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
    fd = _open(prepared, output)
    try:
        return prepared.verified.checksum_of_open(fd, os.path.join(prepared.cwd, output.name), stop)
    finally:
        os.close(fd)


def _open(prepared: Prepared, output: FoundOutput) -> int:
    directory = _directory(prepared)
    try:
        return directory.open(output.name)
    except PermissionError:
        # The task took the permission to read from its own output.
        directory.allow(output.name, 0o600)
        return directory.open(output.name)


def _move_all(prepared: Prepared, outputs: List[FoundOutput], placed: List[FoundOutput], stop: Stop) -> None:
    top = prepared.spec["scratch"]
    scratch = open_own(top)
    try:
        # What is reached through a link is copied, before its target may be moved away.
        for output in sorted(outputs, key=lambda output: not output.through_link):
            try:
                _move(prepared, output, scratch, stop)
            except OSError as error:
                what = why_not_as_made(top, output.lfn) if error.errno in NOT_AS_MADE else None
                doing = "cannot put output '%s' at '%s'" % (output.lfn, place_of(top, output.lfn))
                if what is not None:
                    raise AttemptFailed(ErrorKind.STORAGE, "%s: %s" % (doing, what), what.hint) from error
                raise storage_error(doing, error) from error
            if output.sha256:
                prepared.verified.remember_status(scratch.status(output.lfn), output.sha256)
            placed.append(output)
    finally:
        scratch.close()


def _move(prepared: Prepared, output: FoundOutput, scratch: Beneath, stop: Stop) -> None:
    if not output.through_link:
        try:
            _directory(prepared).move(output.name, scratch, output.lfn)
            return
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
    fd = _open(prepared, output)
    try:
        name = os.path.join(prepared.cwd, output.name)
        top = prepared.spec["scratch"]
        with OwnDirectories([top]).destination(place_of(top, output.lfn), name) as destination:
            copy_open(fd, name, destination, stop, output.sha256, durable=False, digest=False)
    finally:
        os.close(fd)


def _send_all(prepared: Prepared, outputs: List[FoundOutput], placed: List[FoundOutput], stop: Stop) -> None:
    """Put outputs to the URL of the scratch, as a transfer job would."""
    from markab.transfers.batch import move_all

    spec = prepared.spec
    moved = move_all(
        [
            {
                "lfn": output.lfn,
                "sources": [{"site": prepared.job["site"], "url": os.path.join(prepared.cwd, output.name)}],
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
        own=(prepared.cwd,),
    )
    arrived, errors = arrived_and_failed(moved)
    prepared.transfers.extend(arrived)
    prepared.errors.extend(errors)
    names = {entry["lfn"] for entry in arrived}
    placed += [output for output in outputs if output.lfn in names]
