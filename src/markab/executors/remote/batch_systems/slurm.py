"""Slurm: `sbatch` with arrays, `squeue` for what is there, `sacct` for what has left the queue.

`squeue -o` and not `--json`, whose shape differs between versions and which costs twenty times as much to read. Each element is a line of
six fields between bars; the name is last, as it is the only field that can have a bar.

Source: the manual pages of sbatch, squeue, sacct and scancel of Slurm 22.05 and 24.11. Tested against a real Slurm 22.05.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from posixpath import dirname

from markab.executors.base import Seen
from markab.executors.remote.batch_system import BatchCommand, BatchElement, BatchJob, QueueEntry
from markab.executors.remote.batch_systems.spelling import (
    by_job,
    clock,
    in_commands,
    nodes_of,
    one_line,
    positions,
    ranges,
    user_words,
)
from markab.transfers.error_kinds import ErrorKind

DEFAULT_ARRAY_SIZE = 1001
"""What MaxArraySize is where a site does not set it. Source: slurm.conf(5)."""

_QUEUE_FORMAT = "%F|%K|%T|%N|%r|%j"
_ENDED_FORMAT = "JobID,State,ExitCode,NodeList,JobName"

_SEEN = {
    "PENDING": Seen.QUEUED,
    "CONFIGURING": Seen.QUEUED,
    "REQUEUED": Seen.QUEUED,
    "REQUEUE_FED": Seen.QUEUED,
    "REQUEUE_HOLD": Seen.HELD,
    "RESV_DEL_HOLD": Seen.HELD,
    "SPECIAL_EXIT": Seen.HELD,
    "RUNNING": Seen.RUNNING,
    "COMPLETING": Seen.RUNNING,
    "RESIZING": Seen.RUNNING,
    "SIGNALING": Seen.RUNNING,
    "STAGE_OUT": Seen.RUNNING,
    "STOPPED": Seen.RUNNING,
    "SUSPENDED": Seen.RUNNING,
}
"""The states of an element that has not ended. Source: squeue(1), Job State Codes."""

_ENDS = {
    "COMPLETED": "",
    "FAILED": ErrorKind.EXIT,
    "TIMEOUT": ErrorKind.TIMEOUT,
    "DEADLINE": ErrorKind.TIMEOUT,
    "OUT_OF_MEMORY": ErrorKind.MEMORY,
    "CANCELLED": ErrorKind.CANCELLED,
    "NODE_FAIL": ErrorKind.LOST,
    "BOOT_FAIL": ErrorKind.LOST,
    "PREEMPTED": ErrorKind.LOST,
    "REVOKED": ErrorKind.LOST,
    "LAUNCH_FAILED": ErrorKind.LOST,
    "RECONFIG_FAIL": ErrorKind.LOST,
}

_HOLDS = re.compile(
    r"JobHeld|launch failed|HoldMaxRequeue|BadConstraints|InvalidAccount|InvalidQOS|NeverSatisfied|"
    r"Partition(?:Config|TimeLimit|NodeLimit)|Max\w+PerJob|MaxWallDuration|AccountNotAllowed|QOSNotAllowed|AccountingPolicy"
)
"""Reasons of waiting that end only when a person does something."""

_BUSY = re.compile(
    r"temporarily un|MaxSubmit|Socket timed out|Unable to contact|Connection (?:refused|timed out|reset)|"
    r"Zero Bytes were transmitted|slurmctld is (?:not responding|starting)|Transport endpoint|"
    r"Slurm backup controller in standby|Job limit exceeded|Too many (?:jobs|requests)|Unexpected message received",
    re.IGNORECASE,
)


class Slurm:
    """The language of Slurm."""

    name = "slurm"
    title = "Slurm"
    programs = ("sbatch", "squeue", "scancel", "scontrol")
    unsupported: frozenset[str] = frozenset()

    def script(self, job: BatchJob, command: str) -> str:
        """Return the text of a job's script."""
        del job
        return f'#!/bin/sh\nMARKAB_ELEMENT="${{SLURM_ARRAY_TASK_ID:-0}}"\nexport MARKAB_ELEMENT\n{command}\n'

    def submit(self, job: BatchJob) -> BatchCommand:
        """Return the `sbatch` of a job; a job of one is an array too, so that each element is cancelled in the same way."""
        output = job.output.replace("%", "%%")
        words = [
            "sbatch",
            "--parsable",
            f"--job-name={job.name}",
            f"--array=0-{job.elements - 1}",
            "--no-requeue",
            f"--output={output}",
            f"--error={output}",
            "--open-mode=append",
            f"--chdir={dirname(job.script)}",
        ]
        if job.comment:
            words.append(f"--comment={one_line(job.comment)}")
        # On one node, unless several were asked for: tasks alone may be spread over nodes, of which one runs the worker.
        words += [f"--nodes={nodes_of(job)}", f"--ntasks={job.cores}"]
        if job.processes_per_node:
            words.append(f"--ntasks-per-node={job.processes_per_node}")
        if job.memory_mb:
            words.append(f"--mem={job.memory_mb}M")
        if job.gpus:
            words.append(f"--gpus={job.gpus}")
        if job.runtime_s:
            words.append(f"--time={clock(job.runtime_s)}")
        if job.grace_s:
            words.append(f"--signal=B:TERM@{job.grace_s}")
        if job.queue:
            words.append(f"--partition={one_line(job.queue)}")
        if job.project:
            words.append(f"--account={one_line(job.project)}")
        return BatchCommand([*words, *user_words(job.arguments, "#SBATCH"), job.script])

    def read_submitted(self, stdout: str) -> str:
        """Return the id that `sbatch --parsable` printed: the id, or `id;cluster`.

        Raises:
            ValueError: there is none.
        """
        for line in reversed(stdout.splitlines()):
            if match := re.fullmatch(r"(\d+)(?:;\S+)?", line.strip()):
                return match[1]
        raise ValueError(f"sbatch printed no id of a job: {one_line(stdout)!r}")

    def queue(self, user: str, names: Sequence[str]) -> BatchCommand:
        """Return the `squeue` of jobs; those that ended lately (MinJobAge, 5 minutes by default) are in it."""
        return BatchCommand(
            [
                "squeue",
                "--noheader",
                "--array",
                "--all",
                "--states=all",
                f"--user={user}",
                f"--name={','.join(names)}",
                f"--format={_QUEUE_FORMAT}",
            ]
        )

    def read_queue(self, stdout: str) -> dict[BatchElement, QueueEntry]:
        """Return all elements in a listing; a line that is not one of six fields is passed over."""
        found: dict[BatchElement, QueueEntry] = {}
        # Of 100,000 lines most differ only in the position.
        entries: dict[str, QueueEntry | None] = {}
        for line in stdout.split("\n"):
            try:
                native_id, position, rest = line.split("|", 2)
                entry = entries[rest] if rest in entries else entries.setdefault(rest, _queue_entry(rest))
                if entry is not None and native_id.isdecimal():
                    found[BatchElement(native_id, int(position) if position != "N/A" else 0)] = entry
            except ValueError:
                continue
        return found

    def ended(self, name: str, native_id: str) -> BatchCommand | None:
        """Return the `sacct` of a job; it fails where a site keeps no accounts."""
        return BatchCommand(
            [
                "sacct",
                "--noheader",
                "--parsable2",
                "--allocations",
                f"--jobs={native_id}",
                f"--name={name}",
                f"--format={_ENDED_FORMAT}",
            ]
        )

    def read_ended(self, stdout: str) -> dict[BatchElement, QueueEntry]:
        """Return the elements in the answer of `sacct`; those that it believes to wait or to run are in it too."""
        found: dict[BatchElement, QueueEntry] = {}
        for line in stdout.splitlines():
            fields = line.split("|", 4)
            if len(fields) != 5:
                continue
            job, state, exit_code, host, name = fields
            native_id, _, index = job.partition("_")
            entry = _ended_entry(state, exit_code, host, name)
            if entry is not None and native_id.isdecimal():
                found |= dict.fromkeys(
                    (BatchElement(native_id, position) for position in positions(index or "0")), entry
                )
        return found

    def cancel(self, elements: Sequence[BatchElement]) -> list[BatchCommand]:
        """Return the `scancel` of elements; ids that are not there any more are no error to it."""
        words = [
            f"{native_id}_[{part}]"
            for native_id, numbers in by_job(elements).items()
            for part in _lists(numbers)
        ]
        return [BatchCommand(["scancel", *part]) for part in in_commands(words)]

    def limits(self) -> BatchCommand | None:
        """Return the command that prints the configuration of the site."""
        return BatchCommand(["scontrol", "show", "config"])

    def most_elements(self, stdout: str) -> int:
        """Return MaxArraySize: positions count from 0, and the highest is one below it."""
        match = re.search(r"^MaxArraySize\s*=\s*(\d{1,9})\s*$", stdout, re.MULTILINE)
        return max(1, int(match[1])) if match else DEFAULT_ARRAY_SIZE

    def is_busy(self, stderr: str) -> bool:
        """Return whether the controller did not answer, or a limit of jobs in the queue was reached."""
        return _BUSY.search(stderr) is not None


def _lists(numbers: Sequence[int]) -> list[str]:
    return [",".join(part) for part in in_commands(ranges(numbers))]


def _queue_entry(fields: str) -> QueueEntry | None:
    """Return what the last four fields of a line say; None: it is cut, or has a state that Slurm does not."""
    words = fields.split("|", 3)
    if len(words) != 4:
        return None
    state, host, reason, name = words
    if reason in ("None", "(null)"):
        reason = ""
    seen = _SEEN.get(state)
    if seen is None:
        kind = _ENDS.get(state)
        if kind is None:
            return None
        if reason == "JobLaunchFailure":  # also said of a script that was killed
            kind = ErrorKind.LOST
        # Squeue keeps why it waited before it was cancelled.
        why = "" if state == "CANCELLED" else reason
        return QueueEntry(name, Seen.ENDED, one_line(f"{state} {why}"), one_line(host), kind)
    if seen is Seen.QUEUED and _HOLDS.search(reason):
        seen = Seen.HELD
    if state not in ("PENDING", "RUNNING"):
        reason = f"{state} {reason}"
    return QueueEntry(name, seen, one_line(reason), one_line(host))


def _ended_entry(state: str, exit_code: str, host: str, name: str) -> QueueEntry | None:
    """Return what an account says; its state may have words after it, as in `CANCELLED by 1000`."""
    word = state.partition(" ")[0].rstrip("+")
    host = "" if host == "None assigned" else one_line(host)
    seen = _SEEN.get(word)
    if seen is not None:
        return QueueEntry(name, seen, "", host)
    kind = _ENDS.get(word)
    if kind is None:
        return None
    code, _, signal = exit_code.partition(":")
    if kind == ErrorKind.EXIT and code == "0" and signal not in ("", "0"):
        # 53: the file for what the script prints cannot be opened; slurmd gives no other word.
        kind = ErrorKind.STORAGE if signal == "53" else ErrorKind.SIGNAL
    return QueueEntry(
        name, Seen.ENDED, one_line(f"{state} {exit_code}" if exit_code != "0:0" else state), host, kind
    )
