"""Bring the inputs of an attempt into its directory, each checked against what was recorded of it."""

import errno
import os
import stat
import time
from typing import Any, Callable, Dict, List, Optional

from markab.errors import ChecksumMismatch, MarkabError
from markab.transfers.base import Stop
from markab.worker.attempt import Guard, Prepared, Spec, known_checksum, place_of
from markab.worker.failure import Trouble, sorted_out, storage_trouble
from markab.worker.place_input import bring, ways

Item = Dict[str, Any]
Fetch = Callable[..., List[Dict[str, Any]]]

UNKNOWN_BYTES = 1 << 62
"""More than any file has: of what may come over a network."""


def bring_inputs(prepared: Prepared, stop: Stop, fetch: Optional[Fetch]) -> None:
    """Bring all inputs in, those that were staged and those that come from a URL; what is wrong goes to `troubles`.

    Raises:
        Trouble, OSError, MarkabError: it makes no sense to go on.
    """
    fetched = []
    for item in prepared.job.get("inputs") or ():
        if item.get("sources"):
            fetched.append(item)
        else:
            _bring_in(prepared, item, stop)
    if fetched and not prepared.troubles:
        _fetch(prepared, fetched, stop, fetch)


def _bring_in(prepared: Prepared, item: Item, stop: Stop) -> None:
    lfn = item["lfn"]
    staged = place_of(prepared.spec["scratch"], lfn)
    try:
        status = os.stat(staged)
    except OSError as error:
        if item.get("optional") and error.errno in (errno.ENOENT, errno.ENOTDIR):
            return
        prepared.troubles.append(_missing(prepared, lfn, staged, error))
        return
    if not stat.S_ISREG(status.st_mode):
        what = "a directory" if stat.S_ISDIR(status.st_mode) else "no regular file"
        hint = "declare each file in it, or pack it with tar" if stat.S_ISDIR(status.st_mode) else ""
        prepared.troubles.append(
            Trouble(
                "missing-input",
                "input '%s' of job '%s' is %s: '%s'" % (lfn, prepared.job["id"], what, staged),
                hint,
            )
        )
        return
    is_symlink = os.path.islink(staged)
    sha256 = _verify(prepared, item, staged, is_symlink, stop)
    if prepared.troubles:
        return
    place = place_of(prepared.cwd, lfn)
    private = any(output["lfn"] == lfn for output in prepared.job.get("outputs") or ())
    way = "in place"
    if place != staged:
        way = _bring_to(prepared, item, staged, place, status, is_symlink, private, stop)
        if way == "link" and sha256:
            # A new link changes the time stamps of the inode, not its contents.
            linked = Guard(lfn, staged, status, sha256)
            if not linked.is_changed():
                prepared.verified.know(staged, sha256)
    elif item.get("executable") and not status.st_mode & 0o100:
        os.chmod(staged, stat.S_IMODE(status.st_mode) | 0o111)
    if way in ("link", "symlink", "in place") and not private:
        prepared.guards.append(Guard(lfn, staged, status, sha256))


def _bring_to(
    prepared: Prepared,
    item: Item,
    staged: str,
    place: str,
    status: os.stat_result,
    is_symlink: bool,
    private: bool,
    stop: Stop,
) -> str:
    order = ways(status.st_size, os.geteuid() == 0, is_symlink, private, prepared.spec.get("links"))
    try:
        if "/" in item["lfn"]:
            os.makedirs(os.path.dirname(place), exist_ok=True)
        return bring(staged, place, status, order, bool(item.get("executable")), stop)
    except OSError as error:
        raise storage_trouble("cannot bring input '%s' to '%s'" % (item["lfn"], place), error) from error


def _missing(prepared: Prepared, lfn: str, staged: str, error: OSError) -> Trouble:
    reason = os.strerror(error.errno or 0) if error.errno != errno.ENOENT else "it is not there"
    return Trouble(
        "missing-input",
        "input '%s' of job '%s' cannot be read at '%s': %s" % (lfn, prepared.job["id"], staged, reason),
        "somebody removed it after the job that made it had ended; `markab run` on the run makes it again",
    )


def _verify(prepared: Prepared, item: Item, path: str, is_symlink: bool, stop: Stop) -> Optional[str]:
    """Check an input against the checksum on record; return the checksum when it was checked."""
    integrity = prepared.spec.get("integrity", "full")
    expected = known_checksum(prepared.spec, item)
    if expected is None or integrity == "none" or (integrity == "nosymlink" and is_symlink):
        return None
    start = time.time()
    try:
        prepared.verified.verify(path, expected, stop)
    except ChecksumMismatch as error:
        # The message says which file: name the job's word for it as well.
        message = "input '%s' of job '%s' is not what was recorded: %s" % (
            item["lfn"],
            prepared.job["id"],
            error,
        )
        hint = "put the right file back and run again, or plan and run the workflow anew"
        prepared.troubles.append(Trouble("checksum", message, hint))
    except MarkabError as error:
        if stop is not None and stop.is_set():
            raise
        prepared.troubles.append(Trouble("missing-input", str(error), error.hint))
    prepared.checked += 1
    prepared.checked_s += time.time() - start
    return expected


def _fetch(
    prepared: Prepared,
    inputs: List[Item],
    stop: Stop,
    fetch: Optional[Fetch],
) -> None:
    """Bring inputs that were not staged from where they are, straight into the directory."""
    if fetch is None:
        from markab.transfers.batch import move_all

        fetch = move_all
    spec = prepared.spec
    site = prepared.job["site"]
    items = []
    for item in inputs:
        transfer = {
            "lfn": item["lfn"],
            "sources": item["sources"],
            "destinations": [{"site": site, "url": place_of(prepared.cwd, item["lfn"])}],
            "executable": bool(item.get("executable")),
        }
        sha256 = known_checksum(spec, item)
        if sha256 and spec.get("integrity", "full") != "none":
            transfer["sha256"] = sha256
            prepared.checked += 1
        items.append(transfer)
    moved = fetch(
        items,
        spec.get("transfer_threads", 2),
        spec.get("transfer_attempts", 3),
        stop,
        False,
        prepared.verified if spec.get("integrity", "full") != "none" else None,
        durable=False,
    )
    arrived, failed = sorted_out(moved)
    prepared.transfers.extend(arrived)
    prepared.troubles.extend(failed)


def input_bytes(spec: Spec) -> int:
    """Return about how many bytes `prepare` would have to read, to see whether that is quick."""
    total = 0
    for item in spec["job"].get("inputs") or ():
        if item.get("sources"):
            return UNKNOWN_BYTES
        try:
            total += os.stat(os.path.join(spec["scratch"], item["lfn"])).st_size
        except OSError:
            continue  # `prepare` says what is wrong with it
    return total
