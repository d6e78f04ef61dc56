"""An attempt of a compute job: its spec, and its state so far."""

import os
from typing import Any, Dict, List, Mapping, Optional, Tuple

from markab.transfers.beneath import Beneath
from markab.transfers.checksum import Verified
from markab.worker.attempt_directories import AttemptDirectories
from markab.worker.attempt_spec import Spec, attempt_directory, attempt_key
from markab.worker.failure import AttemptFailed
from markab.worker.job_scripts import JobScripts
from markab.worker.steady_time import steady_time
from markab.worker.task_order import order_of

_OF_THE_STARTER = ("OLDPWD", "_")
"""Variables that name the place from which the engine was started; tasks have their own PWD."""


def inherited_environ(environ: Mapping[str, str]) -> Dict[str, str]:
    """Return what tasks get of the environment of the engine or worker."""
    return {name: value for name, value in environ.items() if name not in _OF_THE_STARTER}


class Guard(object):
    """The identity of a file before the task ran, to find out whether the task changed it."""

    __slots__ = ("lfn", "path", "sha256", "version")

    def __init__(self, lfn: str, path: str, status: os.stat_result, sha256: Optional[str]) -> None:
        self.lfn = lfn
        self.path = path
        self.version = (status.st_ino, status.st_size, status.st_mtime_ns)
        self.sha256 = sha256

    def is_changed(self) -> bool:
        """Return whether it is another file now, or has other contents."""
        try:
            now = os.stat(self.path)
        except OSError:
            return True
        return (now.st_ino, now.st_size, now.st_mtime_ns) != self.version


class Prepared(object):
    """An attempt under way: what `prepare` made, and the results since. Owned by one thread at a time."""

    __slots__ = (
        "apart",
        "attempt_key",
        "base_environ",
        "bounded_containers",
        "checked",
        "checked_s",
        "containers",
        "cwd",
        "directories",
        "directory",
        "environ",
        "environments",
        "errors",
        "guards",
        "has_directory",
        "hashed_s",
        "images",
        "invocations",
        "job",
        "left_containers",
        "leftovers",
        "order",
        "redirected",
        "scripts",
        "spec",
        "start",
        "transfers",
        "verified",
    )

    def __init__(
        self, spec: Spec, verified: Verified, base_environ: Mapping[str, str], directories: AttemptDirectories
    ) -> None:
        job = spec["job"]
        self.spec = spec
        self.job: Dict[str, Any] = job
        self.verified = verified
        self.start = steady_time()
        self.has_directory = job["data"] != "sharedfs"
        """It has a directory of its own."""
        self.cwd: str = attempt_directory(spec) if self.has_directory else spec["scratch"]
        self.directories = directories
        self.leftovers = True
        """A process of it may still be alive after the last task ended."""
        self.directory: Optional[Beneath] = None
        """What was at `cwd` when the attempt began, held open; None: that could not be made."""
        self.attempt_key = attempt_key(spec["uuid"], job["id"], spec["attempt"])
        self.base_environ = base_environ
        self.environ = {
            "PWD": self.cwd,
            "PEGASUS_WF_UUID": spec["uuid"],
            "PEGASUS_WF_LABEL": spec["workflow"],
            "PEGASUS_DAG_JOB_ID": job["id"],
            "PEGASUS_SITE": job["site"],
            "_PEGASUS_INITIAL_DIR": spec["scratch"] or spec["work"],
            "MARKAB_ATTEMPT": self.attempt_key,
        }
        """What the tasks get on top of `base_environ`; each adds its own."""
        self.errors: List[AttemptFailed] = []
        """Why it fails: the first is the reason, the record lists the others too."""
        self.guards: List[Guard] = []
        self.checked = 0
        self.checked_s = 0.0
        self.hashed_s = 0.0
        self.environments: List[Dict[str, Any]] = []
        """What the record says of the software environments of the tasks."""
        self.transfers: List[Dict[str, Any]] = []
        self.invocations: List[Dict[str, Any]] = []
        self.images: Dict[str, Tuple[str, str]] = {}
        """Lfn of the image of a container → its path, which may be outside of `directory`, and its sha256."""
        self.containers: Dict[str, Any] = {}
        """Name → the container whose image is ready: a `worker/container_images.py:ReadyContainer`."""
        self.apart = False
        """Each task has a container of its own: the image has no shell that starts several."""
        self.left_containers: List[str] = []
        """Names of containers that may still be there, as their command did not end by itself."""
        self.bounded_containers: List[str] = []
        """Those of them with a bound on memory, of which a task failed."""
        self.order = order_of(job)
        self.scripts = JobScripts(spec)
        self.redirected: List[str] = []
        """Files that the tasks' stdout and stderr were connected to; relative to `directory`."""
