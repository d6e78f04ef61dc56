"""Whether the end of an attempt's tasks is a success: exit status, messages, inputs left alone."""

import errno
import os
import signal
from typing import Any, Dict, Optional

from markab.errors import quoted
from markab.transfers.beneath import obstacle
from markab.transfers.error_kinds import ErrorKind
from markab.worker.attempt import Prepared
from markab.worker.captured_output import Capture, find_messages, open_all
from markab.worker.deadlines import Deadlines
from markab.worker.failure import AttemptFailed

_PROBE_BYTES = 4096


def stop_reason(task: str, deadlines: Deadlines, job: Dict[str, Any]) -> Optional[AttemptFailed]:
    """Return why the worker ended the process of `task`, or None if it did not."""
    if deadlines.cancelled:
        return AttemptFailed(ErrorKind.CANCELLED, "task '%s' was cancelled" % task)
    if deadlines.timed_out:
        return AttemptFailed(
            ErrorKind.TIMEOUT,
            "task '%s' was ended after %g s, the wall time it is given" % (task, job["max_wall_s"]),
            "raise the profile %s" % job.get("wall_profile", "pegasus.maxwalltime"),
        )
    if deadlines.is_late:
        return AttemptFailed(
            ErrorKind.TIMEOUT,
            "task '%s' was ended %g s after the signal for its checkpoint, and had not ended by itself"
            % (task, deadlines.checkpoint_grace_s),
            "it has half of the time between pegasus.checkpoint.time and pegasus.maxwalltime: raise the latter",
        )
    return None


def bad_status(task: str, status: int, by_worker: bool) -> AttemptFailed:
    """Return the error for a wait status that is not 0; `by_worker`: the worker sent the signal."""
    if os.WIFSIGNALED(status):
        core = " (core dumped)" if os.WCOREDUMP(status) else ""
        number = os.WTERMSIG(status)
        hint = ""
        if number == signal.SIGKILL and not by_worker:
            hint = "the machine may have run out of memory; ask for more with the profile pegasus.memory"
        return AttemptFailed(
            ErrorKind.SIGNAL, "task '%s' was ended by %s%s" % (task, signal_name(number), core), hint
        )
    return AttemptFailed(ErrorKind.EXIT, "task '%s' ended with exit code %d" % (task, os.WEXITSTATUS(status)))


def out_of_memory(task: str) -> AttemptFailed:
    """Return the error of a task that the system killed, because memory ran out."""
    message = "task '%s' was killed by the system, because memory ran out" % task
    return AttemptFailed(ErrorKind.MEMORY, message, "ask for more with the profile pegasus.memory")


def signal_name(number: int) -> str:
    """Return the name and number of a signal: "SIGKILL (9)"."""
    try:
        return "%s (%d)" % (signal.Signals(number).name, number)
    except ValueError:
        return "signal %d" % number


def judge_messages(prepared: Prepared, out: Optional[Capture], err: Optional[Capture]) -> None:
    """Search the output for the messages that mean success or failure; add what is wrong to `errors`."""
    success = prepared.job.get("success_messages") or ()
    failure = prepared.job.get("failure_messages") or ()
    if not success and not failure:
        return
    fds = [capture.fd for capture in (out, err) if capture is not None]
    opened = open_all(prepared.directory, prepared.redirected) if prepared.directory else []
    try:
        found = find_messages(list(success) + list(failure), fds + opened)
    finally:
        for fd in opened:
            os.close(fd)
    name = prepared.job["id"]
    for message in failure:
        if message in found:
            text = "job '%s' printed the failure message '%s'" % (name, message)
            prepared.errors.append(AttemptFailed(ErrorKind.FAILURE_MESSAGE, text))
    for message in success:
        if message not in found:
            text = "job '%s' did not print the success message '%s'" % (name, message)
            prepared.errors.append(AttemptFailed(ErrorKind.SUCCESS_MESSAGE, text))


def judge_inputs(prepared: Prepared) -> None:
    """Find inputs that other jobs may read and that the tasks changed; add them to `errors`."""
    for guard in prepared.guards:
        if guard.is_changed():
            message = "job '%s' changed its input '%s', which other jobs may read, at '%s'" % (
                prepared.job["id"],
                guard.lfn,
                guard.path,
            )
            hint = "let the task write to a copy, and restore the file"
            found, what = obstacle(prepared.spec["scratch"], guard.lfn)
            if found and found != guard.path:
                message, hint = (
                    "%s: '%s' is %s" % (message, found, what),
                    "rm -r %s, then run again" % quoted(found),
                )
            prepared.errors.append(AttemptFailed(ErrorKind.INPUT_CHANGED, message, hint))


def judge_disk(prepared: Prepared) -> None:
    """Find out whether a failed attempt has no room on its disk; that then comes first in `errors`.

    Its program may have had no room even for saying so.
    """
    kinds = {error.kind for error in prepared.errors}
    if prepared.directory is None or not kinds & {ErrorKind.EXIT, ErrorKind.SIGNAL, ErrorKind.MISSING_OUTPUT}:
        return
    try:
        fd = os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=prepared.directory.fd)
        try:
            os.write(fd, bytes(_PROBE_BYTES))
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            message = "there is no room in '%s' any more: %s" % (prepared.cwd, error.strerror)
            hint = "df -h %s; make room, then run again" % quoted(os.path.dirname(prepared.cwd))
            prepared.errors.insert(0, AttemptFailed(ErrorKind.STORAGE, message, hint))
