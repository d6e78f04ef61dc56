"""PBS Professional and OpenPBS, Torque, and Torque behind Moab: `qsub`, `qselect`, `qstat` and `qdel`, which differ in words.

    what                 PBS Professional                     Torque
    an array             -J 0-9, from 2 elements on           -t 0-9
    its position         $PBS_ARRAY_INDEX                     $PBS_ARRAYID
    cores and memory     -l select=N:ncpus=4:mem=1mb          -l nodes=N:ppn=4 -l mem=1mb
    status               qstat -x -t -f -F json               qstat -t -f
    ended                state F, of an element X             state C, for 5 minutes
    over its limit       Exit_status -29 (time), -27 (memory) exit_status -11, -10

Ids are `12.server`, and `12[].server` of an array, whose elements are `12[3].server`. `qstat -f` cannot be asked for the jobs of a user, so
`qselect` lists their ids first; both are words of one shell command, and the user's name is an argument of it, not part of its text. An
array cannot be marked as not to be run again, so PBS may start an element a second time after a node was lost.

Both end an element with SIGTERM and, after the queue's `kill_delay` (10 s), SIGKILL; no earlier signal can be asked for.

Source: PBS Professional 2022.1 Reference Guide, exit codes in OpenPBS' job.h; Torque 6.1 Administrator Guide; Moab's msub. Never run against
real ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markab.executors.base import Seen
from markab.executors.remote.batch_system import BatchCommand, BatchElement, BatchJob, QueueEntry
from markab.executors.remote.batch_systems.spelling import (
    by_job,
    clock,
    cores_per_node,
    in_commands,
    nodes_of,
    one_line,
    ranges,
    share,
    user_words,
)
from markab.transfers.error_kinds import ErrorKind

_PRO_LIST = """\
set -f
x=-x
ids=$(qselect -x -u "$1" 2>/dev/null) || { x=; ids=$(qselect -u "$1"); } || exit
[ -z "$ids" ] || exec qstat $x -t -f -F json $ids
"""
"""Lists the user's jobs in full, with what has ended where the server keeps that; nothing, if there are none. Ids have brackets, so the shell expands no patterns."""

_TORQUE_LIST = """\
set -f
ids=$(qselect -u "$1") || exit
[ -z "$ids" ] || exec qstat -t -f $ids
"""

_ID = re.compile(r"(\d{1,12})(?:\[(\d{0,9})\])?((?:\.[\w.-]+)?)", re.ASCII)

_SEEN = {
    "Q": Seen.QUEUED,
    "W": Seen.QUEUED,
    "T": Seen.QUEUED,
    "H": Seen.HELD,
    "R": Seen.RUNNING,
    "E": Seen.RUNNING,
    "S": Seen.RUNNING,
    "U": Seen.RUNNING,
    "X": Seen.ENDED,
    "F": Seen.ENDED,
    "C": Seen.ENDED,
}
"""`B`, an array that has begun, and `M`, a job moved to another server, are no elements here."""

_PRO_ENDS = {
    -29: ErrorKind.TIMEOUT,
    -28: ErrorKind.TIMEOUT,
    -27: ErrorKind.MEMORY,
    -26: ErrorKind.MEMORY,
}
_TORQUE_ENDS = {
    -10: ErrorKind.MEMORY,
    -11: ErrorKind.TIMEOUT,
    -12: ErrorKind.TIMEOUT,
}
"""Exit codes of the system itself that are not those of lost nodes and failed starts."""

_BUSY = re.compile(
    r"cannot connect to server|Connection (?:refused|timed out|reset)|would exceed .*limit|Maximum number of jobs already in queue|"
    r"temporarily unavailable|Server (?:is )?(?:busy|shutting down)|End of File|Premature end of message|Communication failure|"
    r"Expired credential|pbs_iff|Unable to (?:communicate with|contact)|Transaction Timed Out",
    re.IGNORECASE,
)


class PbsPro:
    """The language of PBS Professional and OpenPBS."""

    name = "pbs"
    title = "PBS"
    programs: Sequence[str] = ("qsub", "qselect", "qstat", "qdel", "qmgr")
    unsupported = frozenset({"grace_s"})
    _index = "PBS_ARRAY_INDEX"
    _list = _PRO_LIST
    _ends: Mapping[int, str] = _PRO_ENDS
    _limit = "max_array_size"
    _most = 10_000
    """Of one array, where the site does not say. Source: the server's default."""

    def script(self, job: BatchJob, command: str) -> str:
        """Return the text of a job's script."""
        del job
        return f'#!/bin/sh\nMARKAB_ELEMENT="${{{self._index}:-0}}"\nexport MARKAB_ELEMENT\n{command}\n'

    def submit(self, job: BatchJob) -> BatchCommand:
        """Return the `qsub` of a job."""
        words = [
            self.programs[0],
            *("-N", job.name),
            *("-S", "/bin/sh"),
            *("-m", "n"),
            *("-j", "oe"),
            # A colon in it would be read as a host.
            *("-o", "/dev/null" if ":" in job.output else job.output),
            *self._array(job),
            *self._resources(job),
        ]
        if job.runtime_s:
            words += ["-l", f"walltime={clock(job.runtime_s)}"]
        if job.queue:
            words += ["-q", one_line(job.queue)]
        if job.project:
            words += ["-A", one_line(job.project)]
        return BatchCommand([*words, *user_words(job.arguments, "#PBS"), job.script])

    def _array(self, job: BatchJob) -> list[str]:
        """Return the words for several elements; one is no array, and an array has to be one that may be run again."""
        return ["-J", f"0-{job.elements - 1}"] if job.elements > 1 else ["-r", "n"]

    def _resources(self, job: BatchJob) -> list[str]:
        """Return the words for the chunks, one on each node."""
        nodes = nodes_of(job)
        chunk = f"{nodes}:ncpus={cores_per_node(job)}"
        if job.processes_per_node:
            chunk += f":mpiprocs={job.processes_per_node}"
        if job.memory_mb:
            chunk += f":mem={share(job.memory_mb, nodes)}mb"
        if job.gpus:
            chunk += f":ngpus={share(job.gpus, nodes)}"
        return ["-l", f"select={chunk}", *(("-l", "place=scatter") if nodes > 1 else ())]

    def read_submitted(self, stdout: str) -> str:
        """Return the id, such as `12.server` or `12[].server`.

        Raises:
            ValueError: there is none.
        """
        for line in reversed(stdout.splitlines()):
            if (match := _ID.fullmatch(line.strip())) and not match[2]:
                return line.strip()
        raise ValueError(f"{self.programs[0]} printed no id of a job: {one_line(stdout)!r}")

    def queue(self, user: str, names: Sequence[str]) -> BatchCommand:
        """Return the command that lists the jobs of a user, as `qstat -f` cannot be asked for names."""
        del names
        return BatchCommand(["sh", "-c", self._list, "sh", user])

    def read_queue(self, stdout: str) -> dict[BatchElement, QueueEntry]:
        """Return all elements in a listing. PBS may print what is no JSON, such as a job name `007` without quotes; then each line is read for itself."""
        found: dict[BatchElement, QueueEntry] = {}
        for job_id, fields in self._jobs(stdout):
            match = _ID.fullmatch(job_id)
            if match is None or match[2] == "":
                continue  # the array, not an element
            entry = self._entry(fields, match[2])
            if entry is not None:
                is_array = match[2] is not None
                found[
                    BatchElement(
                        f"{match[1]}{'[]' if is_array else ''}{match[3]}", int(match[2]) if is_array else 0
                    )
                ] = entry
        return found

    def _jobs(self, stdout: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the jobs in a listing, with their attributes as they are printed."""
        try:
            jobs = json.loads(stdout)["Jobs"]
            yield from ((job_id, fields) for job_id, fields in jobs.items() if isinstance(fields, dict))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            yield from _printed_json(stdout)

    def _entry(self, fields: Mapping[str, Any], index: str | None) -> QueueEntry | None:
        name, state = self._name(str(fields.get("Job_Name", "")), index), fields.get("job_state")
        seen = _SEEN.get(state) if isinstance(state, str) else None
        if seen is None or not name:
            return None
        host = one_line(str(fields.get("exec_host", "")).partition("/")[0])
        comment = one_line(str(fields.get("comment", "")))
        if seen is not Seen.ENDED:
            if state in ("W", "T", "E", "S", "U"):
                comment = f"{state} {comment}".strip()
            return QueueEntry(name, seen, comment if seen is not Seen.RUNNING or state != "R" else "", host)
        text = str(fields.get("Exit_status", fields.get("exit_status", "")))
        if not re.fullmatch(r"-?\d{1,6}", text, re.ASCII):
            # Deleted before it ran; or an element of which only the record tells more.
            return QueueEntry(
                name, seen, comment, host, ErrorKind.CANCELLED if state != "X" else ErrorKind.LOST
            )
        return QueueEntry(
            name,
            seen,
            one_line(f"Exit_status {text} {comment if text != '0' else ''}"),
            host,
            self._kind(int(text)),
        )

    def _name(self, name: str, index: str | None) -> str:
        """Return the name of the job, given that of an element."""
        del index
        return name

    def _kind(self, status: int) -> str:
        """Return the kind of an exit status: negative of the system itself, from 256 on a signal."""
        if status < 0:
            return self._ends.get(status, ErrorKind.LOST)
        return "" if status == 0 else ErrorKind.SIGNAL if status > 128 else ErrorKind.EXIT

    def ended(self, name: str, native_id: str) -> BatchCommand | None:
        """Return the same listing of one job; it fails where the server keeps no history."""
        del name
        return BatchCommand(["qstat", "-x", "-t", "-f", "-F", "json", native_id])

    def read_ended(self, stdout: str) -> dict[BatchElement, QueueEntry]:
        """Return the same as of the queue."""
        return self.read_queue(stdout)

    def cancel(self, elements: Sequence[BatchElement]) -> list[BatchCommand]:
        """Return the `qdel` of elements, one range a word."""
        words = []
        for native_id, numbers in by_job(elements).items():
            before, brackets, after = native_id.partition("[]")
            words += [f"{before}[{part}]{after}" for part in ranges(numbers)] if brackets else [native_id]
        return [BatchCommand(["qdel", *part]) for part in in_commands(words)]

    def limits(self) -> BatchCommand | None:
        """Return the command that prints the limit of arrays."""
        return BatchCommand(["qmgr", "-c", f"list server {self._limit}"])

    def most_elements(self, stdout: str) -> int:
        """Return the limit of arrays."""
        match = re.search(rf"^\s*{self._limit}\s*=\s*(\d{{1,9}})\s*$", stdout, re.MULTILINE)
        return max(1, int(match[1])) if match else self._most

    def is_busy(self, stderr: str) -> bool:
        """Return whether the server did not answer, or a limit of jobs was reached."""
        return _BUSY.search(stderr) is not None


class Torque(PbsPro):
    """The language of Torque."""

    name = "torque"
    title = "Torque"
    _index = "PBS_ARRAYID"
    _list = _TORQUE_LIST
    _ends = _TORQUE_ENDS
    _limit = "max_job_array_size"
    _most = 1000
    """It has no limit by itself; more than that is slow."""

    def _array(self, job: BatchJob) -> list[str]:
        return ["-r", "n", *(("-t", f"0-{job.elements - 1}") if job.elements > 1 else ())]

    def _resources(self, job: BatchJob) -> list[str]:
        nodes = nodes_of(job)
        words = f"nodes={nodes}:ppn={cores_per_node(job)}"
        if job.gpus:
            words += f":gpus={share(job.gpus, nodes)}"
        return ["-l", words, *(("-l", f"mem={job.memory_mb}mb") if job.memory_mb else ())]

    def _jobs(self, stdout: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        return _printed_lines(stdout)

    def _name(self, name: str, index: str | None) -> str:
        return name.removesuffix(f"-{index}")  # which it adds

    def ended(self, name: str, native_id: str) -> BatchCommand | None:
        """Return None: what has left the queue is in the server's files only."""
        return None

    def cancel(self, elements: Sequence[BatchElement]) -> list[BatchCommand]:
        """Return the `qdel` of elements, one command an array."""
        commands = []
        alone = []
        for native_id, numbers in by_job(elements).items():
            if "[]" in native_id:
                commands += [
                    BatchCommand(["qdel", "-t", ",".join(part), native_id])
                    for part in in_commands(ranges(numbers))
                ]
            else:
                alone.append(native_id)
        return commands + [BatchCommand(["qdel", *part]) for part in in_commands(alone)]


class Moab(Torque):
    """The language of Moab above Torque: only the submission is Moab's. Its ids must be those of Torque (`JOBIDFORMAT`), as is usual."""

    name = "moab"
    title = "Moab"
    programs = ("msub", "qselect", "qstat", "qdel")

    def limits(self) -> BatchCommand | None:
        """Return None: Moab names arrays in its own way, so none are used."""
        return None

    def most_elements(self, stdout: str) -> int:
        """Return 1."""
        return 1


def _printed_json(stdout: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield jobs from `qstat -F json`, line by line: it prints one attribute a line, those of a job at the depth of the first."""
    job_id, depth = "", ""
    fields: dict[str, str] = {}
    for line in stdout.splitlines():
        if match := _JSON_JOB.fullmatch(line):
            if job_id:
                yield job_id, fields
            job_id, depth, fields = match[1], "", {}
        elif job_id and (match := _JSON_FIELD.fullmatch(line)):
            depth = depth or match[1]
            if match[1] == depth:
                fields.setdefault(match[2], match[3] if match[3] is not None else match[4])
    if job_id:
        yield job_id, fields


_JSON_JOB = re.compile(r'\s*"(\d+(?:\[\d*\])?(?:\.[\w.-]+)?)"\s*:\s*\{\s*')
_JSON_FIELD = re.compile(r'(\s*)"(\w+)"\s*:\s*(?:"(.*)"|([^"{\s][^,]*?))\s*,?\s*')


def _printed_lines(stdout: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield jobs from `qstat -f`: a line `Job Id: 12.server`, then four blanks, a name, ` = ` and a value, which goes on after a tab."""
    for block in ("\n" + stdout).split("\nJob Id: ")[1:]:
        fields: dict[str, str] = {}
        for name, value in _LINE_FIELD.findall(block):
            # What stands later may be text of the user's environment.
            fields.setdefault(name, value.replace("\n\t", ""))
        yield block.partition("\n")[0].strip(), fields


_LINE_FIELD = re.compile(
    r"^    (Job_Name|job_state|exec_host|[Ee]xit_status|comment) = (.*(?:\n\t.*)*)$", re.MULTILINE
)
