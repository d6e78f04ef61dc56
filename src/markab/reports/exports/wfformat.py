"""Writes a run as WfFormat 1.5, the JSON in which WfCommons collects and simulates workflows.

One task a compute job (a cluster of tasks is one), with the name Pegasus gives
it; transfers and cleanup are left out, as WfCommons does with logs of Pegasus.
Ids there may hold letters, digits, `-`, `_` and `.` only: any other character
becomes `_`, and `name` keeps the lfn. Of a task that was tried several times,
the last attempt counts; all of them stand in `attempts`, which WfFormat lets us add.

Format: https://github.com/wfcommons/WfFormat
"""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from markab import __version__
from markab.errors import MarkabError
from markab.plan.durable import replacing
from markab.plan.model import Kind, PlannedJob
from markab.reports.exports.facts import Attempt, Facts, iso, planned_words
from markab.reports.exports.spool import Spool

SCHEMA_VERSION = "1.5"
BLOCK_BYTES = 512
"""The unit in which the kernel counts what a process read from and wrote to disks."""

_encode = msgspec.json.Encoder().encode
_NOT_ALLOWED = re.compile(r"[^0-9a-zA-Z_.-]")
_TASK_KINDS = (Kind.COMPUTE, Kind.SUBWORKFLOW)


def write_wfformat(facts: Facts, path: Path) -> None:
    """Write the whole run into one file.

    Raises:
        MarkabError: no job of the plan computes anything, which WfFormat has no way to say.
        StorageError: disk full, directory not writable.
        CorruptJournal: the journal is damaged.
    """
    executions, machines = _executions(facts)
    ids = Ids()
    specification, files = Spool(), Spool()
    try:
        _specification(facts, ids, specification, files)
        head: dict[str, Any] = {
            "name": facts.braindump.get("pegasus_wf_name") or facts.name,
            "description": _description(facts),
            "createdAt": iso(time.time()),
            "schemaVersion": SCHEMA_VERSION,
            "runtimeSystem": {"name": "Markab", "version": __version__},
        }
        with replacing(path) as out:
            out.write(_encode(head)[:-1] + b',\n"workflow":{"specification":{"tasks":[\n')
            specification.copy_to(out)
            out.write(b'],\n"files":[\n')
            files.copy_to(out)
            out.write(b"]}")
            if executions:
                _write_execution(facts, ids, executions, machines, out)
            out.write(b"}}\n")
    finally:
        specification.close()
        files.close()


def _specification(facts: Facts, task_ids: Ids, tasks: Spool, files: Spool) -> None:
    file_ids = Ids()
    maker: dict[str, str] = {}
    children: dict[str, list[str]] = {}
    parents: dict[str, list[str]] = {}
    outline = facts.plan.outline
    for job in facts.plan.jobs():
        if job.kind not in _TASK_KINDS:
            continue
        above = {maker[put.lfn] for put in job.inputs if put.lfn in maker}
        above.update(outline[p].id for p in job.parents if outline[p].kind in _TASK_KINDS)
        parents[job.id] = sorted(above)
        for parent in above:
            children.setdefault(parent, []).append(job.id)
        for output in job.outputs:
            maker[output.lfn] = job.id
    if not parents:
        raise MarkabError(
            f"workflow {facts.name!r} has no task, and WfFormat can't describe such a workflow",
            hint="every file was there already; plan with --force to compute them anew, or use another --format",
        )
    used: set[str] = set()
    for job in facts.plan.jobs():
        if job.id not in parents:
            continue
        inputs, outputs = [put.lfn for put in job.inputs], [output.lfn for output in job.outputs]
        used.update(inputs, outputs)
        tasks.item(
            {
                "name": _title(job),
                "id": task_ids[job.id],
                "parents": [task_ids[parent] for parent in parents[job.id]],
                "children": [task_ids[child] for child in children.get(job.id, ())],
                "inputFiles": [file_ids[lfn] for lfn in dict.fromkeys(inputs)],
                "outputFiles": [file_ids[lfn] for lfn in outputs],
            }
        )
    for lfn, file in facts.files.items():
        if lfn not in used:
            continue
        said: dict[str, Any] = {"id": file_ids[lfn], "sizeInBytes": file.size_bytes or 0, "name": lfn}
        if file.size_bytes is None:
            said["sizeUnknown"] = True
        if file.sha256:
            said["sha256"] = file.sha256
        files.item(said)


def _executions(facts: Facts) -> tuple[dict[str, bytes], set[str]]:
    """Return what WfFormat wants to know of every task that ran, as JSON by job id; and the machines."""
    executions: dict[str, bytes] = {}
    machines: set[str] = set()
    for attempt in facts.attempts():
        if attempt.job.kind not in _TASK_KINDS:
            continue
        before = executions.get(attempt.job.id)
        earlier = msgspec.json.decode(before)["attempts"] if before else []
        executions[attempt.job.id] = _encode(_one(attempt) | {"attempts": [*earlier, _told(attempt)]})
        if attempt.host:
            machines.add(attempt.host)
    return executions, machines


def _write_execution(
    facts: Facts, ids: Ids, executions: dict[str, bytes], machines: set[str], out: BinaryIO
) -> None:
    head: dict[str, Any] = {
        "makespanInSeconds": round((facts.ended or facts.last_time) - facts.started, 6),
        "executedAt": iso(facts.started),
    }
    if machines:
        head["machines"] = [{"nodeName": name} for name in sorted(machines)]
    out.write(b',\n"execution":' + _encode(head)[:-1] + b',\n"tasks":[\n')
    lead = b""
    for job, said in executions.items():
        out.write(lead + _encode({"id": ids[job]})[:-1] + b"," + said[1:])
        lead = b",\n"
    out.write(b"]}")


def _one(attempt: Attempt) -> dict[str, Any]:
    invocations = attempt.invocations
    runtime_s = sum(one.duration_s for one in invocations)
    said: dict[str, Any] = {
        "runtimeInSeconds": round(runtime_s, 6),
        "executedAt": iso(invocations[0].start if invocations else attempt.start),
        "coreCount": max(attempt.job.cores, 1),
        "priority": attempt.job.priority,
        "status": attempt.state,
    }
    if len(attempt.job.tasks) == 1:
        program, *arguments = planned_words(attempt.job.tasks[0])
        said["command"] = {"program": program, "arguments": [word for word in arguments if word]}
    used = [one.usage for one in invocations]
    if cpu_s := sum(one.get("utime_s", 0.0) + one.get("stime_s", 0.0) for one in used):
        said["avgCPU"] = round(100 * cpu_s / runtime_s, 4) if runtime_s else 0.0
    if memory_kb := max((one.get("maxrss_kb", 0) for one in used), default=0):
        said["memoryInBytes"] = memory_kb * 1024
    for key, counter in (("readBytes", "inblock"), ("writtenBytes", "oublock")):
        if blocks := sum(one.get(counter, 0) for one in used):
            said[key] = blocks * BLOCK_BYTES
    if attempt.host:
        said["machines"] = [attempt.host]
    return said


def _told(attempt: Attempt) -> dict[str, Any]:
    said: dict[str, Any] = {
        "attempt": attempt.number,
        "status": attempt.state,
        "executedAt": iso(attempt.start),
    }
    if attempt.end:
        said["runtimeInSeconds"] = round(attempt.end - attempt.start, 6)
    if attempt.error:
        said["error"] = attempt.error
    return said


def _title(job: PlannedJob) -> str:
    return job.tasks[0].transformation or job.id if len(job.tasks) == 1 else job.id


def _description(facts: Facts) -> str:
    missing = "; ".join(facts.missing())
    return f"Workflow {shlex.quote(facts.name)}, run {facts.uuid}" + (f": {missing}" if missing else "")


class Ids:
    """Names as WfFormat allows them; two names that differ get ids that differ."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._taken: set[str] = set()

    def __getitem__(self, name: str) -> str:
        known = self._ids.get(name)
        if known is None:
            stem = known = _NOT_ALLOWED.sub("_", name) or "_"
            number = 2
            while known in self._taken:
                known, number = f"{stem}_{number}", number + 1
            self._taken.add(known)
            self._ids[name] = known
        return known
