"""Put the inputs of an attempt into its directory, each verified by the checksum recorded for it."""

import errno
import os
import stat
import time
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from markab.errors import ChecksumMismatch, MarkabError
from markab.transfers.base import Stop
from markab.transfers.beneath import Beneath, name_inside
from markab.transfers.error_kinds import ErrorKind
from markab.transfers.own_directories import NOT_AS_MADE, open_own, why_not_as_made
from markab.transfers.tree_names import is_tree
from markab.worker.attempt import Guard, Prepared
from markab.worker.attempt_spec import Spec, expected_checksum, place_of, scratch_place, staging_site
from markab.worker.declared_directories import unpack_input
from markab.worker.failure import AttemptFailed, arrived_and_failed, storage_error
from markab.worker.place_input import place_input, ways

Item = Dict[str, Any]
Fetch = Callable[..., List[Dict[str, Any]]]

UNKNOWN_BYTES = 1 << 62
"""More than any file has: for inputs that may come over a network."""


def place_inputs(prepared: Prepared, stop: Stop, fetch: Optional[Fetch]) -> None:
    """Place all inputs: from the scratch if it is mounted here, else from URLs; add what is wrong to `errors`.

    Raises:
        AttemptFailed, OSError, MarkabError: the attempt cannot go on.
    """
    staged: List[Item] = []
    fetched: List[Item] = []
    for item in prepared.job.get("inputs") or ():
        (fetched if item.get("sources") or not prepared.spec["scratch"] else staged).append(item)
    if staged and prepared.directory is not None:
        scratch = open_own(prepared.spec["scratch"]) if prepared.has_directory else prepared.directory
        try:
            for item in staged:
                _place_staged(prepared, item, scratch, stop)
        finally:
            if scratch is not prepared.directory:
                scratch.close()
    if fetched and not prepared.errors:
        _fetch(prepared, fetched, stop, fetch)


def _place_staged(prepared: Prepared, item: Item, scratch: Beneath, stop: Stop) -> None:
    lfn = item["lfn"]
    path = place_of(prepared.spec["scratch"], lfn)
    try:
        fd, is_symlink = open_staged(scratch, prepared.spec["scratch"], lfn, bool(item.get("link")))
    except OSError as error:
        if not item.get("optional") or error.errno not in (errno.ENOENT, errno.ENOTDIR):
            prepared.errors.append(_missing(prepared, lfn, path, error))
        return
    try:
        _place_open(prepared, item, fd, path, is_symlink, stop)
    finally:
        os.close(fd)


def open_staged(scratch: Beneath, top: str, lfn: str, may_be_link: bool) -> Tuple[int, bool]:
    """Open a staged file; return whether it is a symbolic link.

    A file that a transfer brought may be a link to a file of the user's. Other links, also in place of
    directories, are followed only if they stay in the scratch. Raises OSError.
    """
    try:
        return scratch.open(lfn), False
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        folder, _, last = lfn.rpartition("/")
        followed = folder if may_be_link else lfn
        inside = name_inside(top, followed) if followed else ""
        if inside is None:
            raise
        if not may_be_link:
            return scratch.open(inside), False
        name = os.path.join(inside, last)
        return scratch.open_linked(name), stat.S_ISLNK(scratch.status(name).st_mode)


def _place_open(prepared: Prepared, item: Item, fd: int, path: str, is_symlink: bool, stop: Stop) -> None:
    lfn = item["lfn"]
    status = os.fstat(fd)
    sha256 = _verify(prepared, item, fd, path, is_symlink, stop)
    if prepared.errors:
        return
    if is_tree(lfn):
        unpack_input(prepared, lfn, fd, stop)
        return
    if item.get("image"):
        prepared.images[lfn] = path, sha256 or prepared.verified.checksum_of_open(fd, path, stop)
        return
    private = any(output["lfn"] == lfn for output in prepared.job.get("outputs") or ())
    way = "in place"
    if prepared.has_directory:
        way = _place(prepared, item, fd, status, is_symlink, private, stop)
        if way == "link" and sha256:
            # A new link changes the time stamps of the inode, not its contents.
            now = os.fstat(fd)
            if (now.st_size, now.st_mtime_ns) == (status.st_size, status.st_mtime_ns):
                prepared.verified.remember_status(now, sha256)
    elif item.get("executable") and not status.st_mode & 0o100:
        os.fchmod(fd, stat.S_IMODE(status.st_mode) | 0o111)
    if way in ("link", "symlink", "in place") and not private:
        prepared.guards.append(Guard(lfn, path, status, sha256))


def _place(
    prepared: Prepared,
    item: Item,
    fd: int,
    status: os.stat_result,
    is_symlink: bool,
    private: bool,
    stop: Stop,
) -> str:
    order = ways(status.st_size, os.geteuid() == 0, is_symlink, private)
    lfn, directory = item["lfn"], prepared.directory
    assert directory is not None, "it has just been made"
    try:
        if "/" in lfn:
            directory.make_directory(os.path.dirname(lfn))
        return place_input(fd, directory, lfn, status, order, bool(item.get("executable")), stop)
    except OSError as error:
        place = place_of(prepared.cwd, lfn)
        raise storage_error("cannot place input '%s' at '%s'" % (lfn, place), error) from error


def _missing(prepared: Prepared, lfn: str, staged: str, error: OSError) -> AttemptFailed:
    job = prepared.job["id"]
    if error.errno in NOT_AS_MADE:
        what = why_not_as_made(prepared.spec["scratch"], lfn)
        if what is not None:
            message = "input '%s' of job '%s' cannot be read: %s" % (lfn, job, what)
            return AttemptFailed(ErrorKind.MISSING_INPUT, message, what.hint)
    reason = os.strerror(error.errno or 0) if error.errno != errno.ENOENT else "it does not exist"
    return AttemptFailed(
        ErrorKind.MISSING_INPUT,
        "input '%s' of job '%s' cannot be read at '%s': %s" % (lfn, job, staged, reason),
        "it was removed after the job that made it had ended; continuing the run makes it again",
    )


def _verify(
    prepared: Prepared, item: Item, fd: int, path: str, is_symlink: bool, stop: Stop
) -> Optional[str]:
    """Check an input against the checksum on record; return the checksum when it was checked."""
    integrity = prepared.spec["integrity"]
    expected = expected_checksum(prepared.spec, item)
    if expected is None or integrity == "none" or (integrity == "nosymlink" and is_symlink):
        return None
    start = time.monotonic()
    try:
        prepared.verified.verify_open(fd, path, expected, stop)
    except ChecksumMismatch as error:
        # The message of the error has the path only.
        message = "input '%s' of job '%s' is not what was recorded: %s" % (
            item["lfn"],
            prepared.job["id"],
            error,
        )
        hint = "put the right file back and run again, or plan and run the workflow anew"
        prepared.errors.append(AttemptFailed(ErrorKind.CHECKSUM, message, hint))
    except MarkabError as error:
        if stop is not None and stop.is_set():
            raise
        prepared.errors.append(AttemptFailed(ErrorKind.MISSING_INPUT, str(error), error.hint))
    prepared.checked += 1
    prepared.checked_s += time.monotonic() - start
    return expected


def _fetch(
    prepared: Prepared,
    inputs: List[Item],
    stop: Stop,
    fetch: Optional[Fetch],
) -> None:
    """Fetch inputs that have a URL straight into the directory."""
    if fetch is None:
        from markab.transfers.batch import move_all

        fetch = move_all
    spec = prepared.spec
    is_checked = spec["integrity"] != "none"
    items = [_transfer(prepared, item) for item in inputs]
    if is_checked:
        prepared.checked += sum("sha256" in item for item in items)
    moved = fetch(
        items,
        spec["transfer_threads"],
        spec["transfer_attempts"],
        stop,
        False,
        prepared.verified if is_checked else None,
        durable=False,
        own=(prepared.cwd,),
    )
    optional = {item["lfn"] for item in inputs if item.get("optional")}
    arrived, failed = arrived_and_failed([entry for entry in moved if not _may_be_missing(entry, optional)])
    prepared.transfers.extend(arrived)
    prepared.errors.extend(failed)
    images = {item["lfn"] for item in inputs if item.get("image")}
    for entry in arrived:
        if entry["lfn"] in images:
            path = place_of(prepared.cwd, entry["lfn"])
            prepared.images[entry["lfn"]] = (
                path,
                entry.get("sha256") or prepared.verified.checksum(path, stop),
            )
        if is_tree(entry["lfn"]):
            _unpack_fetched(prepared, entry["lfn"], stop)


def _unpack_fetched(prepared: Prepared, lfn: str, stop: Stop) -> None:
    directory = prepared.directory
    assert directory is not None, "it was fetched into it"
    fd = directory.open(lfn)
    try:
        unpack_input(prepared, lfn, fd, stop)
    finally:
        os.close(fd)
    directory.unlink(lfn)


def _transfer(prepared: Prepared, item: Item) -> Dict[str, Any]:
    """Return the transfer that fetches `item`: from its sources, or from the scratch's URL if it was staged."""
    spec, job = prepared.spec, prepared.job
    sources = list(item.get("sources") or ())
    if not sources:
        sources = [{"site": staging_site(spec), "url": scratch_place(spec, item["lfn"])}]
    transfer = {
        "lfn": item["lfn"],
        "sources": sources,
        "destinations": [{"site": job["site"], "url": place_of(prepared.cwd, item["lfn"])}],
        "executable": bool(item.get("executable")),
    }
    sha256 = expected_checksum(spec, item)
    if sha256 and spec["integrity"] != "none":
        transfer["sha256"] = sha256
    return transfer


def _may_be_missing(entry: Dict[str, Any], optional: Set[str]) -> bool:
    """Return whether a file that did not arrive is not needed: a checkpoint that was never written."""
    return entry["lfn"] in optional and "error" in entry and entry["error"]["kind"] == ErrorKind.REFUSED


def input_bytes(spec: Spec) -> int:
    """Return about how many bytes `prepare` would have to read, to see whether that is quick."""
    total = 0
    if any(task.get("container") for task in spec["job"].get("tasks") or ()):
        return UNKNOWN_BYTES  # its image may have to be loaded
    for item in spec["job"].get("inputs") or ():
        if item.get("sources") or not spec["scratch"]:
            return UNKNOWN_BYTES
        try:
            total += os.stat(os.path.join(spec["scratch"], item["lfn"])).st_size
        except OSError:
            continue  # `prepare` reports it
    return total
