"""LSF: `bsub` with arrays, `bjobs` for what is there and for what ended within the last hour (CLEAN_PERIOD).

`bjobs -o` with a delimiter, one element a line; the name is last, as it is the only field that can have a bar. LSF warns of a limit and
cancels with SIGUSR2, SIGINT, SIGTERM and SIGKILL after each other, so the script makes SIGTERM of them. What `bsub` is to run is text for a
shell of the node, so the path of the script is quoted.

Source: the command reference of IBM Spectrum LSF 10.1 (bsub, bjobs, bkill, bparams). Never run against a real LSF.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from posixpath import dirname

from markab.executors.base import Seen
from markab.executors.remote.batch_system import BatchCommand, BatchElement, BatchJob, QueueEntry
from markab.executors.remote.batch_systems.spelling import (
    HEARING_SCRIPT,
    by_job,
    in_commands,
    minutes,
    one_line,
    ranges,
    user_words,
)
from markab.transfers.error_kinds import ErrorKind

DEFAULT_ARRAY_SIZE = 1000
"""What MAX_JOB_ARRAY_SIZE is where a site does not set it. Source: lsb.params."""

_FIELDS = "jobid jobindex stat exit_code exec_host exit_reason pend_reason job_name delimiter='|'"

_BEGIN = """\
#!/bin/sh
MARKAB_ELEMENT=$((${LSB_JOBINDEX:-1} - 1))
export MARKAB_ELEMENT
"""

_SEEN = {
    "PEND": Seen.QUEUED,
    "FWD_PEND": Seen.QUEUED,
    "WAIT": Seen.QUEUED,
    "PROV": Seen.QUEUED,
    "PSUSP": Seen.HELD,
    "RUN": Seen.RUNNING,
    "USUSP": Seen.RUNNING,
    "SSUSP": Seen.RUNNING,
    # The host does not answer, so its processes may go on.
    "UNKWN": Seen.RUNNING,
    "ZOMBI": Seen.RUNNING,
    "DONE": Seen.ENDED,
    "EXIT": Seen.ENDED,
}

_ENDS = (
    (re.compile(r"TERM_(?:RUNLIMIT|CPULIMIT|DEADLINE|WINDOW)"), ErrorKind.TIMEOUT),
    (re.compile(r"TERM_(?:MEMLIMIT|SWAP)"), ErrorKind.MEMORY),
    (
        re.compile(r"TERM_(?:OWNER|ADMIN|FORCE_OWNER|FORCE_ADMIN|BUCKET_KILL|ORPHAN_SYSTEM)"),
        ErrorKind.CANCELLED,
    ),
    (
        re.compile(
            r"TERM_(?:PREEMPT|LOAD|REMOVE_HUNG_JOB|EXTERNAL_SIGNAL|SLURM|CHKPNT|RMS|OTHER|RC_RECLAIM|CSM_ALLOC)"
        ),
        ErrorKind.LOST,
    ),
)
"""Termination reasons of `exit_reason`."""

_BUSY = re.compile(
    r"LSF is down|Cannot connect to LSF|not responding|Communication time ?out|Pending job threshold|concurrent query limit|"
    r"(?:Job|Pending job|job slot) limit (?:of|for|exceeded|reached)|reached the .*limit|please (?:wait|try)|Connection refused",
    re.IGNORECASE,
)


class Lsf:
    """The language of LSF."""

    name = "lsf"
    title = "LSF"
    programs = ("bsub", "bjobs", "bkill", "bparams")
    unsupported: frozenset[str] = frozenset()

    def script(self, job: BatchJob, command: str) -> str:
        """Return the text of a job's script; positions count from 1 there."""
        del job
        return f'{_BEGIN}{HEARING_SCRIPT % command}exit "$code"\n'

    def submit(self, job: BatchJob) -> BatchCommand:
        """Return the `bsub` of a job; a job of one is an array too, so that each element is cancelled in the same way."""
        words = [
            "bsub",
            *("-J", f"{job.name}[1-{job.elements}]"),
            "-rn",
            # A percent sign in it would be read as a pattern.
            *("-o", "/dev/null" if "%" in job.output else job.output),
            *("-cwd", dirname(job.script).replace("%", "%%")),
        ]
        if job.comment:
            words += ["-Jd", one_line(job.comment)]
        if job.nodes:
            words += ["-nnodes", str(job.nodes)]
        else:
            words += ["-n", str(job.cores)]
            if job.processes_per_node:
                words += ["-R", f"span[ptile={job.processes_per_node}]"]
            elif job.cores > 1:
                words += ["-R", "span[hosts=1]"]
        if job.memory_mb:
            words += ["-M", f"{job.memory_mb}MB"]
        if job.gpus:
            words += ["-gpu", f"num={job.gpus}"]
        if job.runtime_s:
            words += ["-W", str(minutes(job.runtime_s))]
            if job.grace_s:
                words += ["-wt", str(minutes(job.grace_s)), "-wa", "TERM"]
        if job.queue:
            words += ["-q", one_line(job.queue)]
        if job.project:
            words += ["-P", one_line(job.project)]
        return BatchCommand(
            [*words, *user_words(job.arguments, "#BSUB"), f"exec /bin/sh {shlex.quote(job.script)}"]
        )

    def read_submitted(self, stdout: str) -> str:
        """Return the id in `Job <123> is submitted to queue <normal>.`.

        Raises:
            ValueError: there is none.
        """
        if match := re.search(r"^Job <(\d+)> is submitted\b", stdout, re.MULTILINE):
            return match[1]
        raise ValueError(f"bsub printed no id of a job: {one_line(stdout)!r}")

    def queue(self, user: str, names: Sequence[str]) -> BatchCommand:
        """Return the `bjobs` of a user, as it can be asked for one name only."""
        del names
        return BatchCommand(["bjobs", "-a", "-u", user, "-noheader", "-o", _FIELDS])

    def read_queue(self, stdout: str) -> dict[BatchElement, QueueEntry]:
        """Return all elements in a listing; a line that is not one of eight fields is passed over."""
        found: dict[BatchElement, QueueEntry] = {}
        # The name of an element has its index, so lines are told apart without it.
        entries: dict[tuple[str, str], QueueEntry | None] = {}
        for line in stdout.split("\n"):
            fields = line.split("|", 2)
            if len(fields) != 3 or not fields[0].isdecimal() or not fields[1].isdecimal():
                continue
            native_id, index, rest = fields
            name = rest.rpartition("|")[2]
            key = (rest[: len(rest) - len(name)], name.removesuffix(f"[{index}]"))
            entry = entries[key] if key in entries else entries.setdefault(key, _entry(*key))
            if entry is not None and len(index) < 10:
                found[BatchElement(native_id, max(0, int(index) - 1))] = entry
        return found

    def ended(self, name: str, native_id: str) -> BatchCommand | None:
        """Return None: what `bjobs` does not know any more, only long texts tell."""
        return None

    def read_ended(self, stdout: str) -> dict[BatchElement, QueueEntry]:
        """Return the same as of the queue."""
        return self.read_queue(stdout)

    def cancel(self, elements: Sequence[BatchElement]) -> list[BatchCommand]:
        """Return the `bkill` of elements, with 1 added to each position."""
        words = [
            f"{native_id}[{','.join(part)}]"
            for native_id, numbers in by_job(elements).items()
            for part in in_commands(ranges(number + 1 for number in numbers))
        ]
        return [BatchCommand(["bkill", *part]) for part in in_commands(words)]

    def limits(self) -> BatchCommand | None:
        """Return the command that prints the parameters of the site."""
        return BatchCommand(["bparams", "-a"])

    def most_elements(self, stdout: str) -> int:
        """Return MAX_JOB_ARRAY_SIZE."""
        match = re.search(r"^\s*MAX_JOB_ARRAY_SIZE\s*=\s*(\d{1,9})\b", stdout, re.MULTILINE)
        return max(1, int(match[1])) if match else DEFAULT_ARRAY_SIZE

    def is_busy(self, stderr: str) -> bool:
        """Return whether LSF did not answer, or a limit of waiting jobs was reached."""
        return _BUSY.search(stderr) is not None


def _entry(fields: str, name: str) -> QueueEntry | None:
    """Return what a line says after its position; a bar is also after the last of `fields`."""
    words = [word if word != "-" else "" for word in fields.split("|", 5)]
    if len(words) != 6 or not name:
        return None
    state, exit_code, host, exit_reason, pending, _ = words
    name = re.sub(r"\[\d+\]$", "", name)
    seen = _SEEN.get(state)
    if seen is None:
        return None
    if seen is not Seen.ENDED:
        if state not in ("PEND", "RUN"):
            pending = f"{state} {pending}"
        return QueueEntry(name, seen, one_line(pending), one_line(host))
    if state == "DONE":
        return QueueEntry(name, seen, "DONE", one_line(host))
    code = int(exit_code) if exit_code.isdecimal() and len(exit_code) < 5 else 0
    by_code = ErrorKind.SIGNAL if code > 128 else ErrorKind.EXIT
    kind = next((kind for pattern, kind in _ENDS if pattern.search(exit_reason)), by_code)
    return QueueEntry(name, seen, one_line(f"{state} {exit_code} {exit_reason}"), one_line(host), kind)
