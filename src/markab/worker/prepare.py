"""Make everything ready for an attempt of a compute job: its directory, its inputs, its environment.

What a worker is told (`spec`) is a JSON object; a key that has its default is left out:

    job                object  the job as it stands in the plan
    attempt            int     1 for the first try
    scratch            str     absolute directory of the run: the file `lfn` stands at `scratch/lfn`
    work               str     absolute directory in which attempts get directories of their own
    uuid, workflow     str     of the run
    submit_dir         str     absolute; captured output that is long goes below it
    directory          str     where below it, e.g. "00/0a"
    integrity          str     "full" (default), "nosymlink" or "none"
    checksums          object  lfn -> sha256, as far as known
    transfer_threads   int     files that are moved at the same time
    transfer_attempts  int
    catalog            str     absolute path of the output replica catalog
    keep_failed        bool    leave the directory of a failed attempt for the user to look at
    links              str     "copy" or "link": how large inputs get into the directory

With the data configurations `condorio` and `nonsharedfs` an attempt has a directory of its
own that holds exactly the declared inputs; with `sharedfs` it runs in `scratch` itself.
"""

import errno
import os
import stat
import time
from typing import Any, Callable, Dict, List, Mapping, Optional

from markab.errors import ChecksumMismatch, MarkabError
from markab.transfers.base import Stop
from markab.transfers.checksum import Verified
from markab.worker.bring import bring, ways
from markab.worker.directories import Directories
from markab.worker.trouble import Trouble, sorted_out, storage_trouble, trouble_of

Spec = Dict[str, Any]

HOST = os.uname().nodename


class Guard(object):
    """What a file looked like before the task ran, to see whether the task changed it."""

    __slots__ = ("lfn", "path", "seen", "sha256")

    def __init__(self, lfn: str, path: str, status: os.stat_result, sha256: Optional[str]) -> None:
        self.lfn = lfn
        self.path = path
        self.seen = (status.st_ino, status.st_size, status.st_mtime_ns)
        self.sha256 = sha256

    def is_changed(self) -> bool:
        """Say whether it is another file now, or has other contents."""
        try:
            now = os.stat(self.path)
        except OSError:
            return True
        return (now.st_ino, now.st_size, now.st_mtime_ns) != self.seen


class Prepared(object):
    """An attempt under way: what `prepare` made, and what happened since. Owned by one thread at a time."""

    __slots__ = (
        "attempt_key",
        "base_environ",
        "checked",
        "checked_s",
        "cwd",
        "directories",
        "environ",
        "guards",
        "invocations",
        "job",
        "own",
        "redirected",
        "spec",
        "start",
        "transfers",
        "troubles",
        "verified",
    )

    def __init__(
        self, spec: Spec, verified: Verified, base_environ: Mapping[str, str], directories: Directories
    ) -> None:
        job = spec["job"]
        self.spec = spec
        self.job: Dict[str, Any] = job
        self.verified = verified
        self.directories = directories
        self.start = time.time()
        self.own = job.get("data", "condorio") != "sharedfs"
        """It has a directory of its own."""
        self.cwd: str = attempt_directory(spec) if self.own else spec["scratch"]
        self.attempt_key = "%s/%s/%d" % (spec["uuid"], job["id"], spec["attempt"])
        self.base_environ = base_environ
        self.environ = {
            "PEGASUS_WF_UUID": spec["uuid"],
            "PEGASUS_WF_LABEL": spec["workflow"],
            "PEGASUS_DAG_JOB_ID": job["id"],
            "PEGASUS_SITE": job["site"],
            "_PEGASUS_INITIAL_DIR": spec["scratch"],
            "MARKAB_ATTEMPT": self.attempt_key,
        }
        """What the tasks get on top of `base_environ`; each adds its own."""
        self.troubles: List[Trouble] = []
        """Why it fails: the first is the reason, the rest is told as well."""
        self.guards: List[Guard] = []
        self.checked = 0
        self.checked_s = 0.0
        self.transfers: List[Dict[str, Any]] = []
        self.invocations: List[Dict[str, Any]] = []
        self.redirected: List[str] = []
        """Paths that the tasks' stdout and stderr were connected to."""


def attempt_directory(spec: Spec) -> str:
    """Return the absolute path of an attempt's own directory."""
    return "%s/%s.%d" % (spec["work"], file_name(spec["job"]["id"]), spec["attempt"])


def file_name(job_id: str) -> str:
    """Return a job's id as it may stand in a file name."""
    return job_id.replace("/", "_")


def prepare(
    spec: Spec,
    verified: Verified,
    base_environ: Mapping[str, str],
    stop: Stop = None,
    directories: Optional[Directories] = None,
    fetch: Optional[Callable[..., List[Dict[str, Any]]]] = None,
) -> Prepared:
    """Make the directory of an attempt and bring its inputs in, all of them verified.

    Never raises for what is wrong with the attempt: then `troubles` of the result says so, no
    task may be started, and `finish` is still to be called.

    Args:
        directories: where directories of attempts come from. None: it is made, and removed at the end.
        fetch: moves files from URLs, as `markab.transfers.moving.move_all` does (the default).
    """
    prepared = Prepared(spec, verified, base_environ, directories or Directories(keep=0))
    try:
        inputs = prepared.job.get("inputs") or ()
        if prepared.own:
            prepared.directories.make(prepared.cwd)
        else:
            _remove_leftovers(prepared)
        fetched = []
        for item in inputs:
            if item.get("sources"):
                fetched.append(item)
            else:
                _bring_in(prepared, item, stop)
        if fetched and not prepared.troubles:
            _fetch(prepared, fetched, stop, fetch)
        if prepared.own or prepared.job.get("outputs"):
            _make_parents(prepared)
    except Trouble as trouble:
        prepared.troubles.append(trouble)
    except OSError as error:
        prepared.troubles.append(storage_trouble("cannot prepare directory '%s'" % prepared.cwd, error))
    except MarkabError as error:
        prepared.troubles.append(trouble_of(error))
    return prepared


def _remove_leftovers(prepared: Prepared) -> None:
    """Remove declared outputs that a failed attempt left in the shared directory, but not its checkpoints."""
    os.makedirs(prepared.cwd, exist_ok=True)
    inputs = {item["lfn"] for item in prepared.job.get("inputs") or ()}
    for output in prepared.job.get("outputs") or ():
        if output.get("checkpoint") or output["lfn"] in inputs:
            continue
        path = place_of(prepared.cwd, output["lfn"])
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            if not os.path.isdir(path):
                raise storage_trouble("cannot remove the old '%s'" % path, error) from error


def place_of(directory: str, lfn: str) -> str:
    """Return the path of `lfn` in `directory`.

    Raises:
        Trouble: it would stand outside.
    """
    if ".." in lfn and ".." in lfn.split("/"):
        raise Trouble("internal", "file name '%s' leaves its directory" % lfn)
    return os.path.join(directory, lfn)


def _bring_in(prepared: Prepared, item: Dict[str, Any], stop: Stop) -> None:
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
    item: Dict[str, Any],
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
        "somebody removed it after the job that made it had ended; plan and run the workflow again",
    )


def known_checksum(spec: Spec, item: Dict[str, Any]) -> Optional[str]:
    """Return the sha256 that `item` must have, if somebody knows it."""
    found = (spec.get("checksums") or {}).get(item["lfn"]) or item.get("sha256")
    return found if isinstance(found, str) else None


def _verify(
    prepared: Prepared, item: Dict[str, Any], path: str, is_symlink: bool, stop: Stop
) -> Optional[str]:
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
    inputs: List[Dict[str, Any]],
    stop: Stop,
    fetch: Optional[Callable[..., List[Dict[str, Any]]]],
) -> None:
    """Bring inputs that were not staged from where they are, straight into the directory."""
    if fetch is None:
        from markab.transfers.moving import move_all

        fetch = move_all
    spec = prepared.spec
    site = prepared.job["site"]
    items = []
    for item in inputs:
        transfer = {
            "lfn": item["lfn"],
            "sources": [{"site": site, "url": url} for url in item["sources"]],
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


def _make_parents(prepared: Prepared) -> None:
    for output in prepared.job.get("outputs") or ():
        if "/" in output["lfn"]:
            os.makedirs(os.path.dirname(place_of(prepared.cwd, output["lfn"])), exist_ok=True)


def input_bytes(spec: Spec) -> int:
    """Return about how many bytes `prepare` would have to read, to see whether that is quick."""
    total = 0
    for item in spec["job"].get("inputs") or ():
        if item.get("sources"):
            return 1 << 62  # it may come over a network
        try:
            total += os.stat(os.path.join(spec["scratch"], item["lfn"])).st_size
        except OSError:
            continue  # `prepare` says what is wrong with it
    return total
