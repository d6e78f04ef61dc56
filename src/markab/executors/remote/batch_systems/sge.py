"""Grid Engine: `qsub` with arrays, `qstat -xml` for what is there, `qacct` for what has ended.

Positions count from 1 there. It sends SIGKILL when a job is deleted or over its limit, and with `-notify` SIGUSR2 a while before (60 s, if
the queue does not say otherwise); before the soft limit `s_rt` SIGUSR1. The script makes SIGTERM of both. Exit codes 99 and 100 would put an
element back into the queue or into the error state, so the script never ends with these.

Not to be said in this language: GPUs, nodes and the comment. Cores are slots of the parallel environment `smp`, unless the user's lines
name another with `-pe`.

Source: qsub(1), qstat(1), qacct(1) and sge_status(5) of Son of Grid Engine 8.1.9, against which it is tested.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from posixpath import dirname

from markab.executors.base import Seen
from markab.executors.remote.batch_system import BatchCommand, BatchElement, BatchJob, QueueEntry
from markab.executors.remote.batch_systems.spelling import (
    HEARING_SCRIPT,
    by_job,
    in_commands,
    one_line,
    positions,
    ranges,
    share,
    user_words,
)
from markab.transfers.error_kinds import ErrorKind

DEFAULT_ARRAY_SIZE = 75_000
"""What max_aj_tasks is where a site does not set it. Source: sge_conf(5)."""

_BEGIN = """\
#!/bin/sh
MARKAB_ELEMENT=0
case ${SGE_TASK_ID:-undefined} in undefined) ;; *) MARKAB_ELEMENT=$((SGE_TASK_ID - 1)) ;; esac
export MARKAB_ELEMENT
"""
_END = """\
case $code in 99 | 100) code=1 ;; esac
exit "$code"
"""

_BUSY = re.compile(
    r"commlib error|unable to (?:send message to|contact) qmaster|jobs? are allowed per|can't find connection|"
    r"failed receiving gdi|can't connect to|service too busy|got (?:send|select) error",
    re.IGNORECASE,
)

_STORAGE_FAILURES = frozenset({4, 19, 20, 26, 28})
"""Codes of `failed` that speak of files: a pid file, an exit status, the output file, the working directory."""
_RAN = frozenset({0, 100})
"""Codes of `failed` with which the exit status is that of the script."""


class GridEngine:
    """The language of Grid Engine."""

    name = "sge"
    title = "Grid Engine"
    programs = ("qsub", "qstat", "qdel", "qacct", "qconf")
    unsupported = frozenset({"gpus", "nodes", "processes_per_node"})

    def script(self, job: BatchJob, command: str) -> str:
        """Return the text of a job's script; the command is a child of its shell, which hears the signals."""
        del job
        return _BEGIN + HEARING_SCRIPT % command + _END

    def submit(self, job: BatchJob) -> BatchCommand:
        """Return the `qsub` of a job; one that no host could ever run is refused (`-w e`)."""
        words = [
            "qsub",
            "-terse",
            *("-N", job.name),
            *("-t", f"1-{job.elements}"),
            *("-r", "n"),
            *("-w", "e"),
            "-notify",
            *("-S", "/bin/sh"),
            *("-j", "y"),
            # A colon, a comma or a dollar sign in it would be read as a host, a list or a variable.
            *("-o", "/dev/null" if re.search(r"[:,$]", job.output) else job.output),
            *("-wd", dirname(job.script)),
        ]
        theirs = user_words(job.arguments, "#$")
        if job.cores > 1 and "-pe" not in theirs:
            words += ["-pe", "smp", str(job.cores)]
        if job.memory_mb:
            words += ["-l", f"h_vmem={share(job.memory_mb, job.cores)}M"]
        if job.runtime_s:
            limit_s = math.ceil(job.runtime_s)
            words += ["-l", f"h_rt={limit_s}"]
            if 0 < job.grace_s < limit_s:
                words += ["-l", f"s_rt={limit_s - job.grace_s}"]
        if job.queue:
            words += ["-q", one_line(job.queue)]
        if job.project:
            words += ["-P", one_line(job.project)]
        return BatchCommand([*words, *theirs, job.script])

    def read_submitted(self, stdout: str) -> str:
        """Return the id that `qsub -terse` printed: `6`, or `6.1-1000:1` of an array.

        Raises:
            ValueError: there is none.
        """
        for line in reversed(stdout.splitlines()):
            if match := re.fullmatch(r"(\d+)(?:\.\d+-\d+:\d+)?", line.strip()):
                return match[1]
        raise ValueError(f"qsub printed no id of a job: {one_line(stdout)!r}")

    def queue(self, user: str, names: Sequence[str]) -> BatchCommand:
        """Return the `qstat` of a user, as it cannot be asked for names; what has ended is not in it."""
        del names
        return BatchCommand(["qstat", "-xml", "-u", user, "-s", "prs"])

    def read_queue(self, stdout: str) -> dict[BatchElement, QueueEntry]:
        """Return all elements in a listing. Those that wait are one entry with ranges. Entries that are cut or damaged are passed over."""
        found: dict[BatchElement, QueueEntry] = {}
        for block in re.finditer(r"<job_list[^>]*>(.*?)</job_list>", stdout, re.DOTALL):
            fields = dict(re.findall(r"<(\w+)>([^<]*)</\1>", block[1]))
            native_id = fields.get("JB_job_number", "")
            entry = _queue_entry(fields, native_id)
            if entry is not None and native_id.isdecimal():
                numbers = positions(fields["tasks"]) if fields.get("tasks") else [1]
                found |= dict.fromkeys([BatchElement(native_id, number - 1) for number in numbers], entry)
        return found

    def ended(self, name: str, native_id: str) -> BatchCommand | None:
        """Return the `qacct` of a job; it knows an element some seconds after its end."""
        del name
        return BatchCommand(["qacct", "-j", native_id])

    def read_ended(self, stdout: str) -> dict[BatchElement, QueueEntry]:
        """Return the elements in the accounts of a job; of one that ran twice, the later end."""
        found: dict[BatchElement, QueueEntry] = {}
        for fields in _accounts(stdout):
            native_id, task = fields.get("jobnumber", ""), fields.get("taskid", "")
            entry = _ended_entry(fields)
            if entry is not None and native_id.isdecimal():
                found[BatchElement(native_id, int(task) - 1 if task.isdecimal() else 0)] = entry
        return found

    def cancel(self, elements: Sequence[BatchElement]) -> list[BatchCommand]:
        """Return the `qdel` of elements, with 1 added to each position."""
        words = [
            f"{native_id}.{part}"
            for native_id, numbers in by_job(elements).items()
            for part in ranges(number + 1 for number in numbers)
        ]
        return [BatchCommand(["qdel", *part]) for part in in_commands(words)]

    def limits(self) -> BatchCommand | None:
        """Return the command that prints the configuration of the site."""
        return BatchCommand(["qconf", "-sconf"])

    def most_elements(self, stdout: str) -> int:
        """Return max_aj_tasks; 0 is no limit, and then the default is enough."""
        match = re.search(r"^max_aj_tasks\s+(\d{1,9})\s*$", stdout, re.MULTILINE)
        return (int(match[1]) if match else 0) or DEFAULT_ARRAY_SIZE

    def is_busy(self, stderr: str) -> bool:
        """Return whether the qmaster did not answer, or a limit of jobs of the user or the site was reached."""
        return _BUSY.search(stderr) is not None


def _queue_entry(fields: Mapping[str, str], native_id: str) -> QueueEntry | None:
    """Return what an entry of `qstat -xml` says; None: it says nothing of an element that is there."""
    state = fields.get("state", "")
    if "JB_name" not in fields or not re.fullmatch(r"[a-zA-Z]{1,8}", state) or state == "z":
        return None
    name = html.unescape(fields["JB_name"])
    host = one_line(html.unescape(fields.get("queue_name", "")).rpartition("@")[2])
    if "E" in state:
        return QueueEntry(name, Seen.HELD, f"{state}: an error, which `qstat -j {native_id}` tells")
    if "q" in state or "w" in state:
        return (
            QueueEntry(name, Seen.HELD, f"{state}: on hold")
            if "h" in state
            else QueueEntry(name, Seen.QUEUED, "" if state == "qw" else state)
        )
    return QueueEntry(name, Seen.RUNNING, "" if state == "r" else state, host)


def _accounts(stdout: str) -> Iterator[dict[str, str]]:
    """Yield the accounts of `qacct`, each after a line of `=`; one that is cut has no line `exit_status`."""
    fields: dict[str, str] = {}
    for line in [*stdout.splitlines(), "="]:
        if line.startswith("="):
            if "exit_status" in fields:
                yield fields
            fields = {}
        else:
            key, _, value = line.partition(" ")
            fields.setdefault(key, value.strip())


def _ended_entry(fields: Mapping[str, str]) -> QueueEntry | None:
    failed = re.match(r"(\d+)\s*(?::\s*(.*))?", fields.get("failed", ""))
    status = re.match(r"\d+", fields["exit_status"])
    if failed is None or status is None or "jobname" not in fields:
        return None
    code, exit_code = int(failed[1]), int(status[0])
    if code not in _RAN:
        kind = (
            ErrorKind.TIMEOUT
            if code == 37
            else ErrorKind.STORAGE
            if code in _STORAGE_FAILURES
            else ErrorKind.LOST
        )
    else:
        kind = ErrorKind.SIGNAL if exit_code > 128 else ErrorKind.EXIT if exit_code or code else ""
    reason = (
        f"failed {code}: {failed[2] or 'unknown'}, exit_status {exit_code}"
        if code
        else f"exit_status {exit_code}"
    )
    return QueueEntry(
        fields["jobname"], Seen.ENDED, one_line(reason), one_line(fields.get("hostname", "")), kind
    )
