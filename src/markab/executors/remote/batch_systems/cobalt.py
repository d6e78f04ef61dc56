"""Cobalt: `qsub` of one job each, as it has no arrays; `qstat` for what is there. What has ended is in no listing.

Whole nodes are asked for, so cores, memory and GPUs cannot be. `qstat` prints a table; with these columns no field but the last, the name,
has blanks.

Source: the manual pages of qsub and qstat of Cobalt 1.0, and the user guides of the Argonne Leadership Computing Facility. Never run against
a real Cobalt, which is no longer developed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from posixpath import dirname

from markab.executors.base import Seen
from markab.executors.remote.batch_system import BatchCommand, BatchElement, BatchJob, QueueEntry
from markab.executors.remote.batch_systems.spelling import (
    by_job,
    in_commands,
    minutes,
    nodes_of,
    one_line,
    user_words,
)

_COLUMNS = "JobID:State:Location:JobName"

_RUNNING = frozenset({"starting", "running", "exiting", "killing", "preempting", "collecting", "finished"})
"""States in which processes of a job may be there."""

_BUSY = re.compile(
    r"unable to contact|failed to (?:connect|contact)|can't connect|connection (?:refused|timed out)|queue-manager|"
    r"maximum (?:number of )?(?:queued|running) jobs|max_?queued|limit of .*jobs",
    re.IGNORECASE,
)


class Cobalt:
    """The language of Cobalt."""

    name = "cobalt"
    title = "Cobalt"
    programs = ("qsub", "qstat", "qdel")
    unsupported = frozenset({"memory_mb", "gpus", "processes_per_node"})

    def script(self, job: BatchJob, command: str) -> str:
        """Return the text of a job's script; Cobalt wants to execute the file itself."""
        del job
        return f"#!/bin/sh\nMARKAB_ELEMENT=0\nexport MARKAB_ELEMENT\n{command}\n"

    def submit(self, job: BatchJob) -> BatchCommand:
        """Return the `qsub` of a job; options come before the program."""
        words = [
            "qsub",
            *("--mode", "script"),
            *("--jobname", job.name),
            *("-n", str(nodes_of(job))),
            *("-o", job.output),
            *("-e", job.output),
            *("--debuglog", "/dev/null"),
            *("--cwd", dirname(job.script)),
        ]
        if job.runtime_s:
            words += ["-t", str(minutes(job.runtime_s))]
        if job.queue:
            words += ["-q", one_line(job.queue)]
        if job.project:
            words += ["-A", one_line(job.project)]
        return BatchCommand([*words, *user_words(job.arguments, "#COBALT"), "/bin/sh", job.script])

    def read_submitted(self, stdout: str) -> str:
        """Return the id, which is the last line that is a number.

        Raises:
            ValueError: there is none.
        """
        for line in reversed(stdout.splitlines()):
            if re.fullmatch(r"\d+", line.strip(), re.ASCII):
                return line.strip()
        raise ValueError(f"qsub printed no id of a job: {one_line(stdout)!r}")

    def queue(self, user: str, names: Sequence[str]) -> BatchCommand:
        """Return the `qstat` of a user, as it cannot be asked for names."""
        del names
        return BatchCommand(["qstat", "-u", user, f"--header={_COLUMNS}"])

    def read_queue(self, stdout: str) -> dict[BatchElement, QueueEntry]:
        """Return all jobs in a table; a line without a number and three more fields is passed over."""
        found: dict[BatchElement, QueueEntry] = {}
        for line in stdout.splitlines():
            words = line.split(None, 3)
            if len(words) == 4 and re.fullmatch(r"\d{1,18}", words[0], re.ASCII):
                entry = _entry(*words[1:])
                if entry is not None:
                    found[BatchElement(words[0], 0)] = entry
        return found

    def ended(self, name: str, native_id: str) -> BatchCommand | None:
        """Return None: nothing tells how a job ended."""
        return None

    def read_ended(self, stdout: str) -> dict[BatchElement, QueueEntry]:
        """Return nothing."""
        return {}

    def cancel(self, elements: Sequence[BatchElement]) -> list[BatchCommand]:
        """Return the `qdel` of jobs."""
        return [BatchCommand(["qdel", *part]) for part in in_commands(by_job(elements))]

    def limits(self) -> BatchCommand | None:
        """Return None: there are no arrays."""
        return None

    def most_elements(self, stdout: str) -> int:
        """Return 1: there are no arrays."""
        return 1

    def is_busy(self, stderr: str) -> bool:
        """Return whether the queue manager did not answer, or a limit of waiting jobs was reached."""
        return _BUSY.search(stderr) is not None


def _entry(state: str, location: str, name: str) -> QueueEntry | None:
    name = name.strip()
    if state in _RUNNING:
        return QueueEntry(
            name,
            Seen.RUNNING,
            "" if state == "running" else state,
            "" if location == "None" else one_line(location),
        )
    if state in ("queued", "maxrun_hold", "preempted"):
        return QueueEntry(name, Seen.QUEUED, "" if state == "queued" else state)
    if re.fullmatch(r"\w*(?:hold|fail)\w*", state, re.ASCII):
        return QueueEntry(name, Seen.HELD, one_line(state))
    return None
