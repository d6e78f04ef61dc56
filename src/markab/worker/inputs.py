"""Put the inputs of an attempt into its directory, each verified by the checksum recorded for it."""

import errno
import os
import stat
import time
from typing import Any, Callable, Dict, List, Optional, Set

from markab.errors import ChecksumMismatch, MarkabError
from markab.transfers.base import Stop
from markab.transfers.error_kinds import ErrorKind
from markab.worker.attempt import Guard, Prepared
from markab.worker.attempt_spec import Spec, expected_checksum, place_of, scratch_place, staging_site
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
    fetched = []
    for item in prepared.job.get("inputs") or ():
        if item.get("sources") or not prepared.spec["scratch"]:
            fetched.append(item)
        else:
            _place_staged(prepared, item, stop)
    if fetched and not prepared.errors:
        _fetch(prepared, fetched, stop, fetch)


def _place_staged(prepared: Prepared, item: Item, stop: Stop) -> None:
    lfn = item["lfn"]
    staged = place_of(prepared.spec["scratch"], lfn)
    try:
        status = os.stat(staged)
    except OSError as error:
        if item.get("optional") and error.errno in (errno.ENOENT, errno.ENOTDIR):
            return
        prepared.errors.append(_missing(prepared, lfn, staged, error))
        return
    if not stat.S_ISREG(status.st_mode):
        what = "a directory" if stat.S_ISDIR(status.st_mode) else "no regular file"
        hint = "declare each file in it, or pack it with tar" if stat.S_ISDIR(status.st_mode) else ""
        prepared.errors.append(
            AttemptFailed(
                ErrorKind.MISSING_INPUT,
                "input '%s' of job '%s' is %s: '%s'" % (lfn, prepared.job["id"], what, staged),
                hint,
            )
        )
        return
    is_symlink = os.path.islink(staged)
    sha256 = _verify(prepared, item, staged, is_symlink, stop)
    if prepared.errors:
        return
    place = place_of(prepared.cwd, lfn)
    private = any(output["lfn"] == lfn for output in prepared.job.get("outputs") or ())
    way = "in place"
    if place != staged:
        way = _place(prepared, item, staged, place, status, is_symlink, private, stop)
        if way == "link" and sha256:
            # A new link changes the time stamps of the inode, not its contents.
            linked = Guard(lfn, staged, status, sha256)
            if not linked.is_changed():
                prepared.verified.remember(staged, sha256)
    elif item.get("executable") and not status.st_mode & 0o100:
        os.chmod(staged, stat.S_IMODE(status.st_mode) | 0o111)
    if way in ("link", "symlink", "in place") and not private:
        prepared.guards.append(Guard(lfn, staged, status, sha256))


def _place(
    prepared: Prepared,
    item: Item,
    staged: str,
    place: str,
    status: os.stat_result,
    is_symlink: bool,
    private: bool,
    stop: Stop,
) -> str:
    order = ways(status.st_size, os.geteuid() == 0, is_symlink, private)
    try:
        if "/" in item["lfn"]:
            os.makedirs(os.path.dirname(place), exist_ok=True)
        return place_input(staged, place, status, order, bool(item.get("executable")), stop)
    except OSError as error:
        raise storage_error("cannot place input '%s' at '%s'" % (item["lfn"], place), error) from error


def _missing(prepared: Prepared, lfn: str, staged: str, error: OSError) -> AttemptFailed:
    reason = os.strerror(error.errno or 0) if error.errno != errno.ENOENT else "it does not exist"
    return AttemptFailed(
        ErrorKind.MISSING_INPUT,
        "input '%s' of job '%s' cannot be read at '%s': %s" % (lfn, prepared.job["id"], staged, reason),
        "it was removed after the job that made it had ended; continuing the run makes it again",
    )


def _verify(prepared: Prepared, item: Item, path: str, is_symlink: bool, stop: Stop) -> Optional[str]:
    """Check an input against the checksum on record; return the checksum when it was checked."""
    integrity = prepared.spec["integrity"]
    expected = expected_checksum(prepared.spec, item)
    if expected is None or integrity == "none" or (integrity == "nosymlink" and is_symlink):
        return None
    start = time.monotonic()
    try:
        prepared.verified.verify(path, expected, stop)
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
    )
    optional = {item["lfn"] for item in inputs if item.get("optional")}
    arrived, failed = arrived_and_failed([entry for entry in moved if not _may_be_missing(entry, optional)])
    prepared.transfers.extend(arrived)
    prepared.errors.extend(failed)


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
    for item in spec["job"].get("inputs") or ():
        if item.get("sources") or not spec["scratch"]:
            return UNKNOWN_BYTES
        try:
            total += os.stat(os.path.join(spec["scratch"], item["lfn"])).st_size
        except OSError:
            continue  # `prepare` reports it
    return total
