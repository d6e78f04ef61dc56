"""The cause of a failed attempt, as text and with a remedy, from the worker's record. Pure."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import Any

from markab.diagnosis.failure_patterns import (
    CARRIAGE_RETURN,
    CARRIAGE_RETURNS_MEANING,
    Recognised,
    recognise,
)
from markab.engine.retry_policy import NEAR
from markab.formatting import redrawn, size
from markab.plan.model import PlannedJob
from markab.transfers.error_kinds import ErrorKind

MEMORY_REMEDY = "ask for more with the profile pegasus.memory, or give it less to do at once"

_AN_INPUT = " is not what was recorded"
REMEDIES = {
    ErrorKind.TIMEOUT: "raise the profile pegasus.maxwalltime, or find out what it waited for",
    ErrorKind.MISSING_OUTPUT: "did it write it under another name, or elsewhere? correct add_outputs, or the program",
    ErrorKind.CHECKSUM: "restore the file; if it is an input that you edited, `markab run --refresh RUN`; else plan again",
    ErrorKind.MISSING_INPUT: "`markab run RUN` makes or fetches the file again",
    ErrorKind.TRANSFER: "make the source readable; `markab run RUN` then continues",
    ErrorKind.REFUSED: "correct the replica catalog, or put the file there; then plan again",
    ErrorKind.CANCELLED: "`markab run RUN` continues",
    ErrorKind.LOST: "`markab run RUN` continues; nothing that ended is lost",
    ErrorKind.HELD: "release it in the batch system once the reason is gone",
    ErrorKind.INTERNAL: "this is a bug in Markab; please report it with the journal of the run",
}
"""Kind of error → remedy, where the worker's record has no hint."""

EXIT_CODES = {
    126: "the program it called may not be executed",
    127: "a command it called was not found",
    128 + signal.SIGSEGV: "a program it called crashed (SIGSEGV)",
    128 + signal.SIGABRT: "a program it called aborted (SIGABRT)",
    128 + signal.SIGBUS: "a program it called crashed (SIGBUS)",
    128 + signal.SIGTERM: "a program it called was asked to end (SIGTERM)",
}
"""Exit codes with a meaning in shells; 137 is judged together with the memory."""

EXIT_REMEDIES = {
    126: "chmod +x the program, or correct its path",
    127: "install it at the site, name its directory in PATH (profile env), or put it into the container",
}

_NAMES = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{8,}\b|\d+")
_PATHS = re.compile(r"(?:/[^\s/'\"]+)+/?")
_QUOTED = re.compile(r"'[^']*'")


@dataclass(frozen=True)
class Cause:
    """Why an attempt failed."""

    kind: str
    """The kind of error in the worker's record."""
    name: str
    """For programs: a name of `failure_patterns.py`, `memory`, or the kind."""
    title: str
    """The cause in one line of text."""
    remedy: str = ""
    also: tuple[str, ...] = ()
    """Messages of further errors in the record."""

    def signature(self, job_id: str) -> str:
        """Return the part of the title that equal failures share: without numbers, paths and names of jobs."""
        if self.name == "missing-module":  # another module is another failure
            return self.title
        text = self.title.replace(job_id, "#")
        return f"{self.name} {_NAMES.sub('#', _PATHS.sub('/', _QUOTED.sub('#', text)))}"


def cause_of(
    record: dict[str, Any], job: PlannedJob, stderr: str = "", stdout: str = "", machine_mb: int = 0
) -> Cause:
    """Return why an attempt failed.

    Args:
        stderr, stdout: its output; the end is enough.
        machine_mb: memory that jobs on the machine may use together; 0: not known.
    """
    error = record.get("error") or {}
    kind = error.get("kind", ErrorKind.INTERNAL)
    message = error.get("message", "the worker gave no reason")
    also = tuple(entry["message"] for entry in record.get("also", ()))
    found = recognise(stderr) or recognise(stdout)
    invocation = failed_invocation(record)
    if kind not in (ErrorKind.EXIT, ErrorKind.SIGNAL, ErrorKind.MEMORY):
        remedy = error.get("hint") or REMEDIES.get(kind, "")
        if kind == ErrorKind.MISSING_OUTPUT and found and found.name != "traceback":
            return Cause(kind, kind, f"{message}; its output shows: {found.meaning}", found.remedy, also)
        if "\r' in the first line of" in message:
            return Cause(kind, CARRIAGE_RETURN, CARRIAGE_RETURNS_MEANING, "", also)
        if kind == ErrorKind.CHECKSUM:  # both checksums would fill the line
            message = _without_checksums(message)
        return Cause(kind, kind, message, remedy, also)
    status = invocation.get("status", 0)
    if kind == ErrorKind.MEMORY:
        return Cause(kind, "memory", _killed_by_system(record, job), MEMORY_REMEDY, also)
    asked_mb = record.get("memory_mb") or job.memory_mb
    if used_up := _out_of_memory(status, invocation, asked_mb, found, machine_mb):
        return Cause(kind, "memory", used_up, MEMORY_REMEDY, also)
    ended = f"exit code {status >> 8}" if kind == ErrorKind.EXIT and status > 255 else _signal(status)
    if not ended:
        ended = message
    if found:
        remedy = found.remedy or error.get("hint") or ""
        return Cause(kind, found.name, f"{found.meaning} ({ended})", remedy, also)
    if kind == ErrorKind.SIGNAL:
        name = f"it was ended by {ended}"
        return Cause(kind, kind, name, error.get("hint") or _signal_remedy(status), also)
    code = status >> 8
    meaning = EXIT_CODES.get(code, "")
    last = _last_line(stderr) or _last_line(stdout)
    title = (
        f"{meaning} ({ended})"
        if meaning
        else f"{ended}: {last}"
        if last
        else f"{ended}, no output is recorded"
    )
    return Cause(kind, kind, title, EXIT_REMEDIES.get(code) or error.get("hint") or "", also)


def failed_invocation(record: dict[str, Any]) -> dict[str, Any]:
    """Return the process that failed first, else the last one; empty if none was started."""
    invocations = record.get("invocations") or [{}]
    return next((one for one in invocations if one.get("status")), invocations[-1])


def peak_memory_mb(record: dict[str, Any]) -> float:
    """Return the largest resident memory of any process of an attempt; 0: not measured."""
    return max((run.get("maxrss_kb", 0) for run in record.get("invocations", ())), default=0) / 1024


def _without_checksums(message: str) -> str:
    """Return what is wrong with a file, whose name may have anything in it, without what comes behind the last colons."""
    before, is_input, _ = message.partition(f"{_AN_INPUT}: ")
    return before + _AN_INPUT if is_input else message.rpartition(": ")[0] or message


def _out_of_memory(
    status: int, invocation: dict[str, Any], asked_mb: int, found: Recognised | None, machine_mb: int
) -> str:
    """Return a text that memory ran out, or nothing if there is no sign of that."""
    by_signal, code = status & 0x7F, status >> 8
    killed = by_signal == signal.SIGKILL or (not by_signal and code == 128 + signal.SIGKILL)
    peak_mb = invocation.get("maxrss_kb", 0) / 1024
    used = f"at {size(peak_mb * 2**20)}" if peak_mb else "with unknown use"
    how = "by SIGKILL" if by_signal else f"and ended with exit code {code}"
    if found and found.name == "memory":
        tail = f" ({how} {used})" if killed else f" ({used}, exit code {code})"
        return found.meaning + tail
    if not killed:
        return ""
    if found and found.name == "killed" and not by_signal:
        return f"a process of it was killed, most likely for lack of memory ({used}, exit code {code})"
    if asked_mb and peak_mb >= NEAR * asked_mb:
        return f"out of memory: killed {how} {used}, and it asked for {size(asked_mb * 2**20)}"
    if machine_mb and peak_mb >= NEAR * machine_mb:
        return (
            f"out of memory: killed {how} {used}, of {size(machine_mb * 2**20)} that the machine has for jobs"
        )
    if not by_signal:
        return f"a process of it was killed by SIGKILL, as the system does when memory runs out (exit code {code})"
    return f"killed by SIGKILL {used}: by the system because memory ran out, or by a user"


def _killed_by_system(record: dict[str, Any], job: PlannedJob) -> str:
    peak_mb = peak_memory_mb(record)
    used = f" at {size(peak_mb * 2**20)}" if peak_mb else ""
    asked_mb = record.get("memory_mb") or job.memory_mb
    asked = f", and it asked for {size(asked_mb * 2**20)}" if asked_mb else ""
    return f"out of memory: killed by the system{used}{asked}"


def _signal(status: int) -> str:
    number = status & 0x7F
    if not number:
        return ""
    try:
        return f"{signal.Signals(number).name} ({number})"
    except ValueError:
        return f"signal {number}"


def _signal_remedy(status: int) -> str:
    if status & 0x7F in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL):
        return "this is an error in the program; `markab analyze RUN --debug-job JOB` runs it again by hand, for a debugger"
    return "a user, or the system, ended it from outside"


def _last_line(text: str) -> str:
    for line in reversed(text[-4096:].rstrip().split("\n")):
        if shown := redrawn(line).strip():
            return shown[:200]
    return ""
