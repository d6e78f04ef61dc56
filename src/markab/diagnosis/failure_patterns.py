"""The table of known error messages of programs, with their meanings and remedies.

A row is a regular expression, its meaning (`{0}` is the first group), and a
remedy, in which RUN and JOB stand for the run and the job. The first row that is found in the last lines of a stream counts, so
special rows come before general ones.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LINES_SEARCHED = 60
"""Number of lines at the end of a stream."""


class Row(NamedTuple):
    """A known message."""

    name: str
    """A short fixed word for programs."""
    regex: re.Pattern[str]
    meaning: str
    remedy: str


class Recognised(NamedTuple):
    """A row that was found in a stream."""

    name: str
    meaning: str
    remedy: str
    line: str
    """The line with the message."""


def _row(name: str, regex: str, meaning: str, remedy: str) -> Row:
    return Row(name, re.compile(regex), meaning, remedy)


_MEMORY = "ask for more with the profile pegasus.memory, or give it less to do at once"

CARRIAGE_RETURN = "carriage-return"
CARRIAGE_RETURNS_MEANING = "lines of the program end with a carriage return, as Windows writes them"

TABLE = (
    _row(
        CARRIAGE_RETURN,
        # env and bash print them as \\r, bash also as ^M, others as they are
        r"\\r['’]+: No such file|\$'[^']*\\r'|\^M: bad interpreter|[:\w]\r['’]?: (?:No such file|not found)|: \r: not found"
        r"|[Ii]llegal option -$",
        CARRIAGE_RETURNS_MEANING,
        r"remove them: sed -i 's/\r$//' FILE",
    ),
    _row(
        "missing-module",
        r"ModuleNotFoundError: No module named '([\w.]+)'",
        "the Python module '{0}' is not installed where the job runs",
        "install it for the Python that runs there (`python -m pip install {0}`), or put it into the container",
    ),
    _row(
        "missing-module",
        r"there is no package called .(\w[\w.]*)",
        "the R package '{0}' is not installed where the job runs",
        'install it there (`install.packages("{0}")`), or put it into the container',
    ),
    _row(
        "missing-library",
        r"(?:error while loading shared libraries: |ImportError: )(\S+\.so[\w.]*): cannot open shared object",
        "the shared library '{0}' is not on the machine that ran the job",
        "install the package that has it, load its module, or set LD_LIBRARY_PATH with the profile env",
    ),
    _row(
        "old-system",
        r"version `(GLIBC\w*_[\d.]+)' not found",
        "the program was made for a newer system: it needs {0}",
        "compile it on a machine like that of the site, or use a container",
    ),
    _row(
        "gpu-memory",
        r"(?i)CUDA(?: error)?:? out of memory|torch\.(?:cuda\.)?OutOfMemoryError|CUDA_ERROR_OUT_OF_MEMORY",
        "the memory of the GPU is used up",
        "make batches smaller, or request the GPU for this job alone (profile pegasus.gpus)",
    ),
    _row(
        "no-gpu",
        r"no CUDA-capable device is detected|Found no NVIDIA driver",
        "it found no GPU",
        "ask for one with the profile pegasus.gpus, and run it at a site that has some",
    ),
    _row(
        "memory",
        r"java\.lang\.OutOfMemoryError: ?(.*)",
        "Java ran out of memory: {0}",
        "raise -Xmx, and the profile pegasus.memory with it",
    ),
    _row(
        "memory",
        r"(?:^|[\s.])(?:\w+\.)*_?(?:Array)?MemoryError\b|std::bad_alloc|[Cc]annot allocate memory"
        r"|[Oo]ut of memory|oom-kill|Memory cgroup out of memory|cannot allocate vector of size",
        "it ran out of memory",
        _MEMORY,
    ),
    _row(
        "disk-full",
        r"No space left on device",
        "the disk was full",
        "free some space, or name a scratch directory on another disk; `markab run RUN` then continues",
    ),
    _row(
        "quota",
        r"Disk quota exceeded",
        "a disk quota was used up",
        "remove files, or name a scratch directory elsewhere; `markab run RUN` then continues",
    ),
    _row(
        "wrong-argument",
        r"(?:unrecognized|invalid|unknown|illegal|ambiguous) (?:arguments?|options?)\b|no such option"
        r"|the following arguments are required|expected (?:one|at least one) argument|invalid choice:"
        r"|invalid (?:int|float) value|[Mm]issing (?:required )?(?:option|argument|operand)"
        r"|requires an argument|[Uu]nknown (?:flag|switch)",
        "the program does not understand its arguments",
        "compare the command with the help text of the program; correct add_args of the job",
    ),
    _row(
        "network",
        r"(?i)could not resolve host|name or service not known|temporary failure in name resolution",
        "a host name could not be found",
        "check the name, and that the site reaches the network",
    ),
    _row(
        "network",
        r"(?i)connection (?:refused|reset|timed out)|network is unreachable",
        "a server could not be reached",
        "check that it runs and that the site reaches it; `markab run RUN` then continues",
    ),
    _row(
        "missing-file",
        r"FileNotFoundError: \[Errno 2\] No such file or directory: '([^']*)'",
        "it looked for '{0}', which is not there",
        "declare it as an input of the job; the job sees only files that are declared, and installed ones",
    ),
    _row(
        "permission",
        r"PermissionError: \[Errno 13\] Permission denied: '([^']*)'",
        "it may not open '{0}'",
        "give yourself the right to it, or choose another place",
    ),
    _row(
        "no-command",
        r"(?:^|: )([\w./+-]+): (?:command )?not found\b",
        "the command '{0}' was not found",
        "install it at the site, name its directory in PATH (profile env), or put it into the container",
    ),
    _row(
        "no-command",
        r"command not found: ([\w./+-]+)",
        "the command '{0}' was not found",
        "install it at the site, name its directory in PATH (profile env), or put it into the container",
    ),
    _row(
        "open-files",
        r"Too many open files",
        "it had too many files open",
        "raise the limit (`ulimit -n`) where the engine starts",
    ),
    _row(
        "wrong-machine",
        r"Exec format error",
        "a program was made for another kind of machine",
        "compile it for the site's machines",
    ),
    _row(
        "crash",
        r"Segmentation fault|SIGSEGV",
        "a program crashed (segmentation fault)",
        "this is an error in the program; `markab analyze RUN --debug-job JOB` runs it again by hand, for a debugger",
    ),
    _row(
        "missing-file",
        r"(?:: |')([^\s:']+)'?: No such file or directory",
        "it looked for '{0}', which is not there",
        "declare it as an input of the job; the job sees only files that are declared, and installed ones",
    ),
    _row(
        "permission",
        r"Permission denied",
        "something may not be read, written or run",
        "the line above names it: give yourself the right, or `chmod +x` a program",
    ),
    _row(
        "killed",
        r"(?:^|\s)Killed$",
        "a process of it was killed, as the system does when memory runs out",
        _MEMORY,
    ),
)

_TRACEBACK = "Traceback (most recent call last):"


def recognise(text: str) -> Recognised | None:
    """Return the known message at the end of a stream, or None.

    The last line of a Python traceback is searched before all others.
    """
    lines = [line.rstrip() for line in text[-65536:].rstrip().split("\n")[-LINES_SEARCHED:]]
    last = traceback_line(lines)
    found = _found([last]) if last else None
    if found is None and (not last or last.startswith("subprocess.CalledProcessError")):
        found = _found(lines[::-1])
    if found is None and last:
        return Recognised("traceback", last, "", last)
    return found


def _found(lines: list[str]) -> Recognised | None:
    for row in TABLE:
        for line in lines:
            if match := row.regex.search(line[:2000]):
                words = [group or "" for group in match.groups()]
                if row.name == "missing-module":
                    words = [word.split(".")[0] for word in words]
                meaning, remedy = (text.replace("{0}", words[0]) if words else text for text in row[2:])
                return Recognised(row.name, meaning, remedy, line.strip())
    return None


def traceback_line(lines: list[str]) -> str:
    """Return the line with which the last Python traceback of a text ends; empty if there is none.

    The message of an error may itself have several lines: the first counts.
    """
    begin = next(
        (n for n in range(len(lines) - 1, -1, -1) if lines[n].lstrip("| ").startswith(_TRACEBACK)), -1
    )
    if begin < 0:
        return ""
    for line in lines[begin + 1 :]:
        if line and not line[0].isspace() and re.match(r"[A-Za-z_][\w.]*(?::|$)", line):
            return line
    return ""
