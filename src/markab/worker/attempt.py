"""An attempt of a compute job: what the worker was told, and what it has found out so far.

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
"""

import os
import time
from typing import Any, Dict, List, Mapping, Optional

from markab.transfers.checksum import Verified
from markab.worker.attempt_directories import Directories
from markab.worker.failure import Trouble

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
        "hashed_s",
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
        self.hashed_s = 0.0
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


def place_of(directory: str, lfn: str) -> str:
    """Return the path of `lfn` in `directory`.

    Raises:
        Trouble: it would stand outside.
    """
    if ".." in lfn and ".." in lfn.split("/"):
        raise Trouble("internal", "file name '%s' leaves its directory" % lfn)
    return os.path.join(directory, lfn)


def known_checksum(spec: Spec, item: Dict[str, Any]) -> Optional[str]:
    """Return the sha256 that `item` must have, if somebody knows it."""
    found = (spec.get("checksums") or {}).get(item["lfn"]) or item.get("sha256")
    return found if isinstance(found, str) else None
