"""The cause of a failed attempt, as text and with a remedy, from the worker's record. Pure."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import Any

from markab.diagnosis.error_rules import rule_of_error, rule_of_signal
from markab.diagnosis.failure_patterns import (
    CARRIAGE_RETURN,
    CARRIAGE_RETURNS_MEANING,
    TRACEBACK,
    Recognised,
    recognise,
)
from markab.diagnosis.failure_rules import CERTAIN, LIKELY, POSSIBLE, RULES, UNKNOWN, UNKNOWN_RULE, rule_text
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

EXIT_RULES = {
    126: ("F33", POSSIBLE),
    127: ("F32", POSSIBLE),
    128 + signal.SIGILL: ("F55", LIKELY),
    128 + signal.SIGABRT: ("F55", LIKELY),
    128 + signal.SIGBUS: ("F55", LIKELY),
    128 + signal.SIGFPE: ("F55", LIKELY),
    128 + signal.SIGSEGV: ("F54", LIKELY),
    128 + signal.SIGPIPE: ("F64", LIKELY),
    128 + signal.SIGTERM: ("F55", POSSIBLE),
}
"""Exit code → rule and certainty, where no message says more: a program may end with any of them by itself."""

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
    rule: str = UNKNOWN_RULE
    """A key of `failure_rules.RULES`."""
    certainty: str = UNKNOWN
    """One of `failure_rules.CERTAINTIES`."""
    stream: str = ""
    """`stderr` or `stdout`, if a message there is the evidence; empty: it is the error of the record."""
    line: str = ""
    """The line that is the evidence."""
    number: int = 0
    """Of that line in the stream, from 1."""

    @property
    def verdict(self) -> str:
        """The rule with its certainty, as reports show it."""
        return rule_text(self.rule, self.certainty)

    def to_json(self) -> dict[str, Any]:
        """Return the verdict for programs."""
        return {
            "cause": self.name,
            "kind": self.kind,
            "title": self.title,
            "remedy": self.remedy,
            "rule": self.rule,
            "certainty": self.certainty,
            "class": RULES[self.rule].category,
        }

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
    found, stream = recognise(stderr), "stderr"
    if found is None:
        found, stream = recognise(stdout), "stdout"
    if kind not in (ErrorKind.EXIT, ErrorKind.SIGNAL, ErrorKind.MEMORY):
        return _of_other_kind(kind, error, message, also, found, stream)
    invocation = failed_invocation(record)
    status = invocation.get("status", 0)
    if kind == ErrorKind.MEMORY:
        title, (rule, certainty) = _killed_by_system(record, job), rule_of_error(kind, message)
        return Cause(kind, "memory", title, MEMORY_REMEDY, also, rule, certainty, line=message)
    asked_mb = record.get("memory_mb") or job.memory_mb
    if used_up := _out_of_memory(status, invocation, asked_mb, found, machine_mb):
        rule, certainty = _memory_rule(
            invocation, asked_mb, found, machine_mb, has_signal=bool(status & 0x7F)
        )
        if found and found.name in ("memory", "killed"):
            line = (stream, found.line, found.number)
        else:
            line = ("", message, 0)
        return Cause(kind, "memory", used_up, MEMORY_REMEDY, also, rule, certainty, *line)
    ended = f"exit code {status >> 8}" if kind == ErrorKind.EXIT and status > 255 else _signal(status)
    if not ended:
        ended = message
    if found:
        remedy = found.remedy or error.get("hint") or ""
        return _as_printed(kind, found.name, f"{found.meaning} ({ended})", remedy, also, found, stream)
    if kind == ErrorKind.SIGNAL:
        name = f"it was ended by {ended}"
        rule, certainty = rule_of_signal(ended)
        remedy = error.get("hint") or _signal_remedy(status)
        return Cause(kind, kind, name, remedy, also, rule, certainty, line=message)
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
    rule, certainty = EXIT_RULES.get(code, (UNKNOWN_RULE, UNKNOWN))
    remedy = EXIT_REMEDIES.get(code) or error.get("hint") or ""
    return Cause(kind, kind, title, remedy, also, rule, certainty, line=message)


def _of_other_kind(
    kind: str,
    error: dict[str, Any],
    message: str,
    also: tuple[str, ...],
    found: Recognised | None,
    stream: str,
) -> Cause:
    """Return the cause of an attempt whose error says more than an exit code."""
    remedy = error.get("hint") or REMEDIES.get(kind, "")
    rule, certainty = rule_of_error(kind, message)
    if kind == ErrorKind.MISSING_OUTPUT and found and found.name != TRACEBACK:
        title = f"{message}; its output shows: {found.meaning}"
        return _as_printed(kind, kind, title, found.remedy, also, found, stream)
    if "\r' in the first line of" in message:
        return Cause(kind, CARRIAGE_RETURN, CARRIAGE_RETURNS_MEANING, "", also, "F35", CERTAIN, line=message)
    if kind in (ErrorKind.PRE_SCRIPT, ErrorKind.POST_SCRIPT) and found:
        return _as_printed(kind, kind, message, found.remedy or remedy, also, found, stream)
    title = _without_checksums(message) if kind == ErrorKind.CHECKSUM else message
    return Cause(kind, kind, title, remedy, also, rule, certainty, line=message)


def _as_printed(
    kind: str, name: str, title: str, remedy: str, also: tuple[str, ...], found: Recognised, stream: str
) -> Cause:
    """Return a cause that a message in the output of a program names; thousands of them are made for a large run."""
    rule, line, number = found.rule, found.line, found.number
    return Cause(kind, name, title, remedy, also, rule, LIKELY, stream, line, number)


def _memory_rule(
    invocation: dict[str, Any], asked_mb: int, found: Recognised | None, machine_mb: int, *, has_signal: bool
) -> tuple[str, str]:
    """Return the rule for a process that most likely lacked memory: what its measured peak, or its output, says."""
    if found and found.name == "memory":
        return found.rule, LIKELY
    peak_mb = invocation.get("maxrss_kb", 0) / 1024
    is_full = any(limit and peak_mb >= NEAR * limit for limit in (asked_mb, machine_mb))
    if has_signal and is_full:
        return "F52", LIKELY
    if found and found.name == "killed":
        return "F52", POSSIBLE
    return ("F52", LIKELY) if is_full else ("F55", POSSIBLE)


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
