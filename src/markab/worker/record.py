"""The invocation record: what a worker reports of one attempt, as a JSON object.

Made here and nowhere else, put into the journal as it is, read by the engine and by
reports. Times are UTC epoch seconds. A key without a value is left out.

    ok            bool    the attempt succeeded
    error         object  why not: {"kind", "message", "hint"?, "lfn"?}; kinds: `transfers/error_kinds.py`;
                          the lfn is that of a file that could not be moved
    also          list    further errors of the same shape ("exit code 3" and "output 'x' missing")
    host          str     name of the machine
    cwd           str     directory the task ran in
    start         float   when the worker began to prepare
    end           float   when it had finished
    containers    list    {"name", "type", "program", "image", "sha256"?, "id"?} of the containers in which tasks ran:
                          the image as the plan names it, the checksum of its file, and the id it has for Docker
    invocations   list    one object a process (for a compute job, one a task), see below
    pre, post     object  the scripts before and after the tasks: as an invocation, without a task
    ends_run      int     the job's exit code is one that ends the run: with this exit code
    checked       object  {"count", "failed", "duration_s"}: inputs, or files moved, whose checksum was verified
    hashed        object  {"count", "duration_s"}: outputs whose checksum was made
    outputs       list    {"lfn", "size", "sha256"?, "checkpoint"?} of every file that is now in place
    transfers     list    {"lfn", "source", "destination", "bytes", "duration_s", "attempts", "sha256"?,
                          "link"?} of every file that arrived, made by `transfers/batch.py`; with "found": true
                          what an earlier attempt of the job had moved, and was not moved again
    environments  list    software environments of the tasks: {"name", "tool"?, "file"?, "digest"?, "directory"?, "python"?,
                          "packages"?, "modules"?}; the packages at the first use by an engine only
    done          list    of a failed attempt of several tasks: {"task", "makes"} of those that need not run again,
                          with the lfns of what they made, which is among the outputs
    reused        object  {"key", "run", "job"} of what an earlier run made, when the attempt brought it and ran no task
    removed       int     files and directories removed
    stdout        str     text of the task, when short: what was captured, and of a failed attempt also what went
                          to the file that the task declared for it
    stderr        str
    stdout_file   str     the file it is in otherwise: an attachment, see below
    stderr_file   str
    memory_mb     int     of an attempt that lacked memory: what it was given, 0 if that was not said; the engine adds it
    undeclared    list    names of files and directories that the tasks made in their directory and that are
                          not declared as outputs, at most 10: they are removed with the directory
    logs          list    {"lfn", "text", "bytes"?}: the ends of the logs that a failed attempt declared as outputs
    stdout_bytes  int     how much was written, when that is more than was kept
    stderr_bytes  int

An attachment is a file beside the record. The worker writes it to the directory that its spec
gives for that, and the record has the name of the file in it. The executor puts the file into
the submit directory; in the journal the path is relative to that.

An invocation:

    task          str     id of the user's task
    argv          list    as it was run, after splitting and expansion
    start         float
    duration_s    float
    pid           int     0: never started
    status        int     raw wait status: 256 is exit code 1, 9 is killed by SIGKILL; -1: never started
                          The rest is left out of a task in a container of Docker: no child of ours
    utime_s, stime_s  float
    maxrss_kb     int
    minflt, majflt, inblock, oublock, nvcsw, nivcsw  int
"""

import os
from typing import Any, Dict, List, Optional, Sequence

from markab.transfers.error_kinds import error_entry
from markab.worker.failure import AttemptFailed
from markab.worker.steady_time import steady_time

Record = Dict[str, Any]

HOST = os.uname().nodename

STREAMS = ("stdout", "stderr")
"""`NAME`, `NAME_file` and `NAME_bytes` are keys for each of them."""

NEVER_STARTED = -1
"""`status` of an invocation whose process the system refused to start."""


def make_record(start: float, errors: Sequence[AttemptFailed] = (), cwd: str = "") -> Record:
    """Return the record of an attempt that ends now; its first error is the reason why it failed."""
    record: Record = {"ok": not errors, "host": HOST, "start": start, "end": steady_time()}
    if cwd:
        record["cwd"] = cwd
    if errors:
        record["error"] = errors[0].entry()
        if len(errors) > 1:
            record["also"] = [error.entry() for error in errors[1:]]
    return record


def unseen_record(kind: str, message: str) -> Record:
    """Return the record of an attempt of which no worker made one: lost, or cancelled before it started."""
    return {"ok": False, "error": error_entry(kind, message)}


def invocation_entry(
    task: str,
    argv: List[str],
    start: float,
    duration_s: float = 0.0,
    pid: int = 0,
    status: int = NEVER_STARTED,
) -> Dict[str, Any]:
    """Return the entry of one process, without what it used."""
    return {
        "task": task,
        "argv": argv,
        "start": start,
        "duration_s": round(duration_s, 6),
        "pid": pid,
        "status": status,
    }


def usage_entry(usage: Any) -> Dict[str, Any]:
    """Return what a process used, for its entry, from the `rusage` that `wait4` gave."""
    return {
        "utime_s": usage.ru_utime,
        "stime_s": usage.ru_stime,
        "maxrss_kb": usage.ru_maxrss,
        "minflt": usage.ru_minflt,
        "majflt": usage.ru_majflt,
        "inblock": usage.ru_inblock,
        "oublock": usage.ru_oublock,
        "nvcsw": usage.ru_nvcsw,
        "nivcsw": usage.ru_nivcsw,
    }


def output_entry(lfn: str, size_bytes: int, sha256: Optional[str], is_checkpoint: bool) -> Dict[str, Any]:
    """Return the entry of an output that is in place."""
    entry: Dict[str, Any] = {"lfn": lfn, "size": size_bytes}
    if sha256:
        entry["sha256"] = sha256
    if is_checkpoint:
        entry["checkpoint"] = True
    return entry


def checked_entry(count: int, failed: int, duration_s: float) -> Dict[str, Any]:
    """Return how many checksums were verified, and how many of them were wrong."""
    return {"count": count, "failed": failed, "duration_s": round(duration_s, 6)}


def hashed_entry(count: int, duration_s: float) -> Dict[str, Any]:
    """Return how many checksums of outputs were made."""
    return {"count": count, "duration_s": round(duration_s, 6)}
