"""The spec of an attempt: the JSON object that an executor gives to the worker.

Its keys are the parameters of `make_spec`; in a file, a key that has its default may be left out:

    job                object  the job as it stands in the plan (`plan/model.py`)
    attempt            int     1 for the first try
    uuid, workflow     str     of the run
    work               str     directory in which attempts get directories of their own
    scratch            str     directory of the run: the file `lfn` stands at `scratch/lfn`.
                               Empty: it is not mounted where the attempt runs, see `scratch_url`
    scratch_url        str     the same directory as a URL: without `scratch`, staged inputs are
                               fetched from `scratch_url/lfn`, and outputs are put there
    attachments        str     directory for what is too long for the record: captured output
    submit_dir         str     of the run; only recorded, as it may be on another machine
    integrity          str     "full", "nosymlink" or "none"
    checksums          object  lfn -> sha256, as far as known
    transfer_threads   int     files that are moved at the same time
    transfer_attempts  int
    catalog            str     path of the output replica catalog, if it is an SQLite file; null: the properties
                               of the run, in `submit_dir`, name another one
    keep_failed        bool    keep the directory of a failed attempt until the job is tried again
    passwords          str     path of the run's private file (`transfers/run_passwords.py`); empty: it has none
    arrived            object  lfn -> bytes or null, of the files that an earlier attempt of the job moved
    store              str     directory in which cleanup keeps what tasks made, before it is removed; empty: nowhere
    environments       object  name -> software environment of its tasks (`plan/model.py`)
    done               list    {"task", "makes"} of the tasks of the job that an earlier attempt did; `job` has the others,
                               and what these made among its inputs
    fence              str     path of a file that whoever makes it first decides with: the worker before it puts
                               outputs in place, or the executor, after which none are (`fence.py`); empty: none
    incomplete         str     what the job leaves out, and why: it then ends with that as its error

Paths are absolute, or relative to the directory in which the worker starts: a batch system's
sandbox has no known absolute path before that.

In `job` and all that is in it, a key that is left out has the default of `plan/model.py`. Those are
empty, zero or false; those that are not are in `JOB_DEFAULTS`, and `make_spec` fills them in.
"""

import json
import os
from typing import Any, Dict, Mapping, Optional, Sequence

from markab.transfers.base import TRANSFER_ATTEMPTS, TRANSFER_THREADS, url_below
from markab.transfers.error_kinds import ErrorKind
from markab.transfers.run_passwords import read_passwords, with_password
from markab.worker.failure import AttemptFailed

Spec = Dict[str, Any]

JOB_DEFAULTS = {"data": "condorio", "cores": 1}
_PATHS = ("scratch", "work", "attachments", "catalog", "passwords", "fence")


def make_spec(
    job: Mapping[str, Any],
    attempt: int,
    uuid: str,
    workflow: str,
    work: str,
    scratch: str = "",
    scratch_url: str = "",
    attachments: str = ".",
    submit_dir: str = "",
    integrity: str = "full",
    checksums: Optional[Mapping[str, str]] = None,
    transfer_threads: int = TRANSFER_THREADS,
    transfer_attempts: int = TRANSFER_ATTEMPTS,
    catalog: Optional[str] = None,
    keep_failed: bool = False,
    passwords: str = "",
    arrived: Optional[Mapping[str, Optional[int]]] = None,
    incomplete: str = "",
    store: str = "",
    done: Sequence[Mapping[str, Any]] = (),
    environments: Optional[Mapping[str, Mapping[str, Any]]] = None,
    fence: str = "",
) -> Spec:
    """Return a complete spec: every key is there."""
    return {
        "job": dict(JOB_DEFAULTS, **job),
        "attempt": attempt,
        "uuid": uuid,
        "workflow": workflow,
        "work": work,
        "scratch": scratch,
        "scratch_url": scratch_url,
        "attachments": attachments,
        "submit_dir": submit_dir,
        "integrity": integrity,
        "checksums": checksums or {},
        "transfer_threads": job.get("threads") or transfer_threads,
        "transfer_attempts": transfer_attempts,
        "catalog": catalog,
        "keep_failed": keep_failed,
        "passwords": passwords,
        "arrived": arrived or {},
        "incomplete": incomplete,
        "store": store,
        "done": list(done),
        "environments": environments or {},
        "fence": fence,
    }


def read_spec(path: str) -> Spec:
    """Return the complete spec that is in a file, its paths made absolute.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a spec.
    """
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        return complete_spec(json.loads(text))
    except RecursionError as error:
        raise ValueError(str(error)) from error


def complete_spec(given: Mapping[str, Any]) -> Spec:
    """Return the complete spec of what stands in a file, its paths made absolute. Raises ValueError if it is none."""
    try:
        spec = make_spec(**given)
        for key in _PATHS:
            if spec[key]:
                spec[key] = os.path.abspath(spec[key])
    except TypeError as error:
        raise ValueError(str(error).replace("make_spec()", "a spec")) from error
    return spec


def fill_in_passwords(spec: Spec) -> None:
    """Give the URLs of a spec the passwords of its run; for the process that moves the files, and no file.

    Raises:
        TransferRefused: the file of passwords cannot be read.
    """
    passwords = read_passwords(spec["passwords"])
    if not passwords:
        return
    spec["scratch_url"] = with_password(spec["scratch_url"], passwords)
    job = spec["job"]
    for file in [*(job.get("inputs") or ()), *(job.get("transfers") or ())]:
        for place in [*(file.get("sources") or ()), *(file.get("destinations") or ())]:
            place["url"] = with_password(place["url"], passwords)


def place_of(directory: str, lfn: str) -> str:
    """Return the path of `lfn` in `directory`.

    Raises:
        AttemptFailed: it would stand outside.
    """
    if ".." in lfn and ".." in lfn.split("/"):
        raise AttemptFailed(ErrorKind.INTERNAL, "file name '%s' leaves its directory" % lfn)
    return os.path.join(directory, lfn)


def scratch_of(spec: Spec) -> str:
    """Return the run's scratch: a path, or a URL if it is not mounted here.

    Raises:
        AttemptFailed: there is none.
    """
    scratch: str = spec["scratch"] or spec["scratch_url"].rstrip("/")
    if not scratch:
        raise AttemptFailed(
            ErrorKind.INTERNAL,
            "job '%s' works with files, and no scratch directory is given" % spec["job"]["id"],
        )
    return scratch


def scratch_place(spec: Spec, lfn: str) -> str:
    """Return where `lfn` stands in the run's scratch: a path, or a URL if that is not mounted here.

    Raises:
        AttemptFailed: it would stand outside, or there is no scratch.
    """
    scratch = scratch_of(spec)
    path = place_of(scratch, lfn)
    return path if spec["scratch"] else url_below(scratch, lfn)


def staging_site(spec: Spec) -> str:
    """Return the label of the site that has the run's scratch."""
    job = spec["job"]
    return str(job.get("staging") or job["site"])


def expected_checksum(spec: Spec, item: Dict[str, Any]) -> Optional[str]:
    """Return the sha256 that `item` must have, if it is known."""
    sha256 = spec["checksums"].get(item["lfn"]) or item.get("sha256")
    return sha256 if isinstance(sha256, str) else None


def attempt_directory(spec: Spec, back: int = 0) -> str:
    """Return the path of an attempt's own directory, or of that of the attempt so many before it."""
    return "%s/%s.%d" % (spec["work"], file_name(spec["job"]["id"]), spec["attempt"] - back)


def attempt_key(uuid: str, job_id: str, attempt: int) -> str:
    """Return what names an attempt among all of all runs; its processes have it in their environment."""
    return "%s/%s/%d" % (uuid, job_id, attempt)


def file_name(job_id: str) -> str:
    """Return a job's id as it may stand in a file name."""
    return job_id.replace("/", "_")


def captured_name(job_id: str, stream: str, attempt: int) -> str:
    """Return the name of the file for a stream (`out` or `err`) of an attempt: the first has `.000`, as in Pegasus."""
    return "%s.%s.%03d" % (file_name(job_id), stream, attempt - 1)
