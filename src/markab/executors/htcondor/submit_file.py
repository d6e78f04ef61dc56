"""The submit file of a group of attempts that ask for the same: one cluster, one job an attempt. Pure.

Beside it stands a file with one attempt a line: position in the plan, number, id of the job. What is in both is on disk
before HTCondor sees it, and by `MarkabRun`, `MarkabJob` and `MarkabAttempt` the jobs are found again in its queue.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markab.executors.htcondor.event_log import attempt_note
from markab.plan.condor_commands import (
    CLAIMING_UNIVERSES,
    SUBMIT_HOST_UNIVERSES,
    is_reserved,
    universe_of,
)
from markab.plan.model import PlannedJob

OVERTIME_S = 900
"""HTCondor ends a job so long after the limit that the worker keeps: its time includes the transfer of files.

`allowed_execute_duration` would not, but HTCondor 23.9 does not keep it for a job that has `transfer_output_files`.
"""

KEPT_CLAIM_S = 10
"""A machine is kept so long after a job for the next one, which then starts without a round of matching.

The next job of a chain is submitted when the engine has the end of the one before it; without this, the schedd has given the
machine back by then. The time counts as use of the machine. `keep_claim_idle = 0` as a profile turns it off.
"""


@dataclass(frozen=True, slots=True)
class JobPlace:
    """Where the files of a run are that its jobs need."""

    directory: Path
    """Absolute; the sandbox of an attempt is `JOB.NUMBER` in it."""
    run: str
    """Its uuid."""
    workflow: str

    def sandbox(self, job: int, number: int) -> Path:
        """Return the directory of an attempt."""
        return self.directory / f"{job}.{number}"

    @property
    def constraint(self) -> str:
        """The expression that the jobs of the run satisfy, and no others: not those of a copy of its directory either."""
        return f"MarkabRun == {quoted(self.run)} && MarkabDirectory == {quoted(self.key)}"

    @property
    def key(self) -> str:
        """What tells its directory from others."""
        return hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]

    @property
    def log(self) -> Path:
        """The log of events."""
        return self.directory / "jobs.log"

    @property
    def start(self) -> Path:
        """The program that starts the worker (`node_start.py`)."""
        return self.directory / "node_start.py"

    @property
    def worker(self) -> Path:
        """The packed worker."""
        return self.directory / "worker.zip"


def submit_text(job: PlannedJob, place: JobPlace, files: Sequence[str]) -> str:
    """Return the commands for a job, without those that name its attempt; equal texts can be one cluster.

    Args:
        files: what is in its sandbox and goes with it, relative to that.
    """
    directory = escaped(str(place.directory))
    own = {
        "initialdir": f"{directory}/$(job).$(number)",
        "log": f"{directory}/{place.log.name}",
        "log_xml": "True",
        "submit_event_notes": attempt_note("$(job)", "$(number)"),
        "output": "start.out",
        "error": "start.err",
        "batch_name": escaped(place.workflow),
        "description": "$(name)",
        "My.MarkabRun": escaped(quoted(place.run)),
        "My.MarkabDirectory": quoted(place.key),
        "My.MarkabJob": "$(job)",
        "My.MarkabAttempt": "$(number)",
    }
    return commands_text(job, own, place.start, place.worker, files)


def commands_text(
    job: PlannedJob, own: Mapping[str, str], start: Path, worker: Path, files: Sequence[str]
) -> str:
    """Return the commands for a job whose sandbox is its `initialdir`: what it asks for, what it is, and what goes with it.

    Args:
        own: the commands that say where its files are, and how it is found again.
        start: the program that starts the worker; `worker`: that, packed; both in the directory of all sandboxes.
        files: as in `submit_text`.
    """
    given = {key: value for key, value in _given(job).items() if not is_reserved(key)}
    keys = {key.lower() for key in given}
    moved = _split(_take(given, "transfer_input_files"))
    universe = universe_of(given)
    commands = {"executable": escaped(str(start)), **own}
    if universe in SUBMIT_HOST_UNIVERSES:
        commands["arguments"] = arguments([str(worker)])
    else:
        commands |= {
            "arguments": arguments([worker.name]),
            "should_transfer_files": "YES",
            "when_to_transfer_output": "ON_EXIT",
            "transfer_input_files": ", ".join([*files, f"../{worker.name}", *moved]),
            "transfer_output_files": "scratch, attachments",
        }
    if universe in CLAIMING_UNIVERSES:
        commands["keep_claim_idle"] = str(KEPT_CLAIM_S)
    if "keep_claim_idle" in keys:
        commands.pop("keep_claim_idle", None)
    wanted = _requested(job) | (_batch_requested(job) if universe == "grid" else {})
    commands |= {key: value for key, value in wanted.items() if key.lower() not in keys}
    return command_lines(commands | given)


def command_lines(commands: Mapping[str, str]) -> str:
    """Return commands as a submit file has them, each on one line."""
    lines = [f"{key} = {value}" for key, value in commands.items()]
    return "".join(f"{' '.join(line.splitlines())}\n" for line in lines)


def with_queue(text: str, items: Path) -> str:
    """Return a whole submit file: commands, and where the attempts are listed."""
    return f"{text}queue job, number, name from {escaped(str(items))}\n"


def item_line(job: int, number: int, name: str) -> str:
    """Return the line of an attempt."""
    return f"{job} {number} {' '.join(name.split())}\n"


def _given(job: PlannedJob) -> Mapping[str, str]:
    """Return the commands of the user's profiles; a key that begins with `+` as HTCondor's newer form has it."""
    if job.batch is None:
        return {}
    return {
        "My." + key[1:] if key.startswith("+") else key: value for key, value in job.batch.attributes.items()
    }


def _take(given: dict[str, str], key: str) -> str:
    return next((given.pop(each) for each in list(given) if each.lower() == key), "")


def _split(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := part.strip())]


def _requested(job: PlannedJob) -> dict[str, str]:
    """Return the commands for what the plan says of the job; those of profiles go before."""
    wanted = {"request_cpus": str(job.cores)}
    if job.memory_mb:
        wanted["request_memory"] = str(job.memory_mb)
    if job.disk_mb:
        wanted["request_disk"] = str(job.disk_mb * 1024)  # KiB
    if job.gpus:
        wanted["request_gpus"] = str(job.gpus)
    if job.priority:
        wanted["priority"] = str(job.priority)
    if job.max_wall_s:
        wanted["allowed_job_duration"] = str(math.ceil(job.max_wall_s) + OVERTIME_S)
    return wanted


def _batch_requested(job: PlannedJob) -> dict[str, str]:
    """Return the commands for the batch system behind a job of the universe `grid`."""
    wanted, batch = {}, job.batch
    if job.runtime_s:
        wanted["batch_runtime"] = str(math.ceil(job.runtime_s))
    if batch is None:
        return wanted
    if batch.queue:
        wanted["batch_queue"] = batch.queue
    if batch.project:
        wanted["batch_project"] = batch.project
    if batch.arguments:
        wanted["batch_extra_submit_args"] = " ".join(batch.arguments)
    counts = {"NODES": batch.nodes, "PROCS": batch.processes_per_node, "CORES": job.cores, "GPUS": job.gpus}
    counts["TOTAL_MEMORY"] = job.memory_mb
    if batch.nodes or batch.processes_per_node:
        needs = " && ".join(f"{name}=={count}" for name, count in counts.items() if count)
        wanted["My.remote_cerequirements"] = escaped(quoted(needs))
    return wanted


def quoted(text: str) -> str:
    """Return a string as an expression of ClassAds has it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def arguments(words: Sequence[str]) -> str:
    """Return words as the command `arguments` has them, in its newer syntax."""
    inner = " ".join("'" + word.replace("'", "''") + "'" for word in words)
    return '"' + escaped(inner).replace('"', '""') + '"'


def escaped(text: str) -> str:
    """Return a text in which `$(…)` is no macro."""
    return text.replace("$", "$(DOLLAR)")
