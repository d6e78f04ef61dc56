"""The parts of an invocation record of Pegasus' kickstart that do not depend on who makes it."""

import os
import re
import signal
from functools import lru_cache
from typing import Mapping, Match, Union

from markab.worker.record import NEVER_STARTED

VERSION = "3.0"
USAGE = {
    "utime": "utime_s",
    "stime": "stime_s",
    "maxrss": "maxrss_kb",
    "minflt": "minflt",
    "majflt": "majflt",
    "inblock": "inblock",
    "outblock": "oublock",
    "nvcsw": "nvcsw",
    "nivcsw": "nivcsw",
}
"""Kickstart's name for what a process used → the name in a record of ours."""

_ESCAPED = re.compile(r"[^ !#-\[\]-~]")
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def status_text(status: int, error: str) -> str:
    """Return the lines that say how a process ended: its raw wait status, and of one that never started the error."""
    raw = "      raw: %d\n" % status
    if status == NEVER_STARTED:
        return raw + "      failure_error: %s\n" % yaml_text(error)
    if not os.WIFSIGNALED(status):
        return raw + "      regular_exitcode: %d\n" % os.WEXITSTATUS(status)
    number = os.WTERMSIG(status)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = str(number)
    lines = "      signalled_signal: %d\n      signalled_name: %s\n      corefile: %s\n"
    return raw + lines % (number, yaml_text(name), os.WCOREDUMP(status))


def usage_text(usage: Mapping[str, Union[int, float]]) -> str:
    """Return what a process used, by Kickstart's names, as a map in one line."""
    fields = [
        "%s: %.6f" % (name, value) if isinstance(value, float) else "%s: %d" % (name, value)
        for name, value in usage.items()
    ]
    return "{%s}" % ", ".join(fields)


@lru_cache(maxsize=4096)
def yaml_text(value: str) -> str:
    """Return a text as YAML in double quotes, in ASCII."""
    return '"' + _ESCAPED.sub(_escape, value) + '"'


def _escape(match: Match[str]) -> str:
    character = match.group()
    code = ord(character)
    if code < 0x80:
        return _SHORT.get(character) or "\\x%02x" % code
    return "\\u%04x" % code if code < 0x10000 else "\\U%08x" % code
