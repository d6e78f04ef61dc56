"""The scripts of a job: programs of the submit host that run before and after its tasks (DAGMan's PRE and POST).

They start in the submit directory. In their arguments `$JOB`, `$RETRY` (0 at the first try) and `$MAX_RETRIES` are
replaced, and in those of POST also `$RETURN`: the exit code of the task that failed, minus the number of the signal
that ended it, or 0. A PRE that fails ends the attempt. POST runs after the tasks, if one of them was started and the
attempt was not cancelled; then it alone says whether the tasks succeeded.
"""

import os
from typing import Any, Dict, List, Optional

from markab.transfers.error_kinds import ErrorKind
from markab.worker.failure import AttemptFailed

PRE, POST = "pre", "post"

_OF_THE_STATUS = (ErrorKind.EXIT, ErrorKind.SIGNAL, ErrorKind.MEMORY)
"""Errors that a POST which succeeds takes back."""

_REFUSED = -1
"""`$RETURN` of a task that could not be started."""


class JobScripts(object):
    """The scripts of one attempt, and what was recorded of them."""

    __slots__ = ("_job", "_spec", "done", "running")

    def __init__(self, spec: Dict[str, Any]) -> None:
        self._job: Dict[str, Any] = spec["job"]
        self._spec = spec
        self.done: Dict[str, Dict[str, Any]] = {}
        """Which → its entry, as that of a task."""
        self.running = False

    def take_pre(self) -> Optional[Dict[str, Any]]:
        """Return the script that runs now, before the tasks, as a task; None: there is none any more."""
        return self._take(PRE, {})

    def take_post(
        self, invocations: List[Dict[str, Any]], errors: List[AttemptFailed]
    ) -> Optional[Dict[str, Any]]:
        """Return the script that runs now, after the tasks, as a task; None: it ran, or is not to run."""
        if not invocations or any(error.kind == ErrorKind.CANCELLED for error in errors):
            return None
        return self._take(POST, {"RETURN": str(return_value(invocations))})

    def record(self, which: str, entry: Dict[str, Any], errors: List[AttemptFailed]) -> None:
        """Record how a script ended, and what follows for the attempt."""
        self.running = False
        self.done[which] = dict(entry, task="")
        status = entry["status"]
        if status == 0 and which == POST:
            errors[:] = [error for error in errors if error.kind not in _OF_THE_STATUS]
        elif status:
            kind = ErrorKind.PRE_SCRIPT if which == PRE else ErrorKind.POST_SCRIPT
            message = "the %s script '%s' of job '%s' %s" % (
                which.upper(),
                entry["argv"][0],
                self._job["id"],
                _how(status),
            )
            errors.append(AttemptFailed(kind, message))

    def _take(self, which: str, more: Dict[str, str]) -> Optional[Dict[str, Any]]:
        script = self._job.get(which)
        if not script or which in self.done:
            return None
        self.running = True
        words = {
            "JOB": self._job["id"],
            "RETRY": str(self._spec["attempt"] - 1),
            "MAX_RETRIES": str(self._job.get("retries", 0)),
        }
        return dict(script, id="%s script" % which.upper(), script=which, words=dict(words, **more))


def return_value(invocations: List[Dict[str, Any]]) -> int:
    """Return the exit code of the first task that failed; minus the number of the signal that ended it; else 0."""
    failed = [entry["status"] for entry in invocations if entry["status"]]
    return value_of(failed[0]) if failed else 0


def value_of(status: int) -> int:
    """Return the exit code that a wait status means; minus the number of a signal; -1: it was never started."""
    if status < 0:
        return _REFUSED
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def exit_value(scripts: JobScripts, invocations: List[Dict[str, Any]]) -> Optional[int]:
    """Return the exit code of a job as DAGMan has it: that of POST, else of the tasks, else of PRE; None: nothing ran."""
    if POST in scripts.done:
        return value_of(scripts.done[POST]["status"])
    if invocations:
        return return_value(invocations)
    return value_of(scripts.done[PRE]["status"]) if PRE in scripts.done else None


def _how(status: int) -> str:
    if status < 0:
        return "could not be started"
    value = value_of(status)
    return "was ended by signal %d" % -value if value < 0 else "ended with exit code %d" % value
