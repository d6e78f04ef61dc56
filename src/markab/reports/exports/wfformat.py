"""Exporting a run as WfFormat 1.5, the JSON in which WfCommons collects and simulates workflows.

One task a compute job (a cluster of tasks is one), with Pegasus' name of it;
transfers and cleanup are left out, as WfCommons does with logs of Pegasus.
Of a task with several attempts, the last one counts; all of them are in
`attempts`, an addition that WfFormat allows, as are `containers`, `environments` and `subWorkflow` (the uuid of its run).
With the runs of sub-workflows, their tasks stand between the task that each is and those that follow it.

Several schemas have the version 1.5, and the export is valid under all of them. The
first allowed letters, digits, `-`, `_` and `.` in ids: any other character becomes
`_`, and `name` keeps the lfn. It had one `machine` a task; later ones have `machines`.

Format: https://github.com/wfcommons/WfFormat
"""

from __future__ import annotations

import re
import shlex
import tempfile
import time
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import ExitStack, closing
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from markab import __version__
from markab.errors import NothingToExport
from markab.journal.attempt_story import environment_texts
from markab.plan.atomic_file import user_output
from markab.plan.model import Kind, PlannedJob
from markab.reports.container_text import container_texts
from markab.reports.exports.formatting import iso, planned_words
from markab.reports.exports.run_facts import AttemptFacts, Facts
from markab.reports.exports.spooled_text import Spool

SCHEMA_VERSION = "1.5"
BLOCK_BYTES = 512
"""The unit in which the kernel counts what a process read from and wrote to disks."""

_encode = msgspec.json.Encoder().encode
_NOT_ALLOWED = re.compile(r"[^0-9a-zA-Z_.-]")
_NOT_IN_HOST = re.compile(r"[^0-9a-zA-Z.-]")
_TASK_KINDS = (Kind.COMPUTE, Kind.SUBWORKFLOW)


def write_wfformat(tree: Sequence[Facts], path: Path) -> None:
    """Write a run with those below it, if they are given, into one file.

    Raises:
        NothingToExport: the plan has no compute job, which WfFormat cannot express.
        StorageError: disk full, directory not writable.
        CorruptJournal: the journal is damaged.
    """
    facts = tree[0]
    ids, machines = Ids(_NOT_ALLOWED, "_"), Ids(_NOT_IN_HOST, "-")
    with ExitStack() as stack:
        begins = list(accumulate((len(one.plan) for one in tree), initial=0))
        executions = stack.enter_context(closing(_Executions(begins[-1])))
        for one, begin in zip(tree, begins, strict=False):
            for attempt in one.attempts():
                if attempt.job.kind in _TASK_KINDS:
                    position = begin + attempt.position
                    executions.add(attempt, position, ids[one.prefix + attempt.job.id], machines)
        specification, files = (stack.enter_context(closing(Spool())) for _ in range(2))
        _specification(_Tasks(tree, begins), ids, specification, files)
        head: dict[str, Any] = {
            "name": facts.braindump.get("pegasus_wf_name") or facts.name,
            "description": _description(facts),
            "createdAt": iso(time.time()),
            "schemaVersion": SCHEMA_VERSION,
            "runtimeSystem": {"name": "Markab", "version": __version__},
        }
        with user_output(path) as out:
            out.write(_encode(head)[:-1] + b',\n"workflow":{"specification":{"tasks":[\n')
            specification.copy_to(out)
            out.write(b'],\n"files":[\n')
            files.copy_to(out)
            out.write(b"]}")
            if executions.count:
                head = {
                    "makespanInSeconds": round((facts.ended or facts.last_time) - facts.started, 6),
                    "executedAt": iso(facts.started),
                }
                if machines.names:
                    head["machines"] = [_machine(name, id) for name, id in sorted(machines.names.items())]
                out.write(b',\n"execution":' + _encode(head)[:-1] + b',\n"tasks":[\n')
                executions.copy_to(out)
                out.write(b"]}")
            out.write(b"}}\n")


def _specification(found: _Tasks, task_ids: Ids, tasks: Spool, files: Spool) -> None:
    file_ids = Ids(_NOT_ALLOWED, "_")
    if not found.parents:
        facts = found.tree[0]
        raise NothingToExport(
            f"workflow {facts.name!r} has no task to run, which WfFormat cannot express",
            hint="every output existed already; plan with --force to compute them again, or use another --format",
        )
    for number, above in found.parents.items():
        facts, job = found.job(number)
        tasks.item(
            {
                "name": _title(job),
                "id": task_ids[facts.prefix + job.id],
                "parents": [task_ids[found.name(parent)] for parent in above],
                "children": [task_ids[found.name(child)] for child in found.children.get(number, ())],
                "inputFiles": [
                    file_ids[found.file(facts, lfn)] for lfn in dict.fromkeys(put.lfn for put in job.inputs)
                ],
                "outputFiles": [file_ids[found.file(facts, output.lfn)] for output in job.outputs],
            }
            | ({"label": job.label} if job.label else {})
        )
    for facts in found.tree:
        for lfn, file in facts.files.items():
            name = found.file(facts, lfn)
            if name not in file_ids.names or name != facts.prefix + lfn:
                continue  # no task uses it, or it is that of the run above
            fields: dict[str, Any] = {"id": file_ids[name], "sizeInBytes": file.size_bytes or 0, "name": lfn}
            if file.size_bytes is None:
                fields["sizeUnknown"] = True
            if file.sha256:
                fields["sha256"] = file.sha256
            files.item(fields)


class _Tasks:
    """The tasks of a run and of those below it: numbered through, with the parents and children of each."""

    def __init__(self, tree: Sequence[Facts], begins: Sequence[int]) -> None:
        self.tree = tree
        self._begins = begins
        """Of each run the number of its first job."""
        self._by_prefix = {facts.prefix: number for number, facts in enumerate(tree)}
        self.parents: dict[int, list[int]] = {}
        self.children: dict[int, list[int]] = {}
        for number, facts in enumerate(tree):
            begin = begins[number]
            for position, above in _parents(facts).items():
                self.parents[begin + position] = [begin + parent for parent in above]
        for number in reversed(
            range(len(tree))
        ):  # the lowest first: what is last in one is last in those above
            self._join(number)
        for task, above in self.parents.items():
            for parent in above:
                self.children.setdefault(parent, []).append(task)

    def job(self, number: int) -> tuple[Facts, PlannedJob]:
        """Return a task, and the run that it is in."""
        run = bisect_right(self._begins, number) - 1
        return self.tree[run], self.tree[run].plan.job(number - self._begins[run])

    def name(self, number: int) -> str:
        """Return the name of a task in the whole tree."""
        run = bisect_right(self._begins, number) - 1
        return self.tree[run].prefix + self.tree[run].plan.outline[number - self._begins[run]].id

    def file(self, facts: Facts, lfn: str) -> str:
        """Return the name of a file in the whole tree: that of the highest run that has it."""
        while lfn in facts.shared:
            above = facts.prefix[:-1].rpartition("/")[0]
            facts = self.tree[self._by_prefix[f"{above}/" if above else ""]]
        return facts.prefix + lfn

    def _join(self, number: int) -> None:
        """Let the first tasks of each sub-workflow of a run follow its job, and what follows that its last ones."""
        facts, begin = self.tree[number], self._begins[number]
        last: dict[int, list[int]] = {}
        for position, inner in facts.inner.items():
            prefix = f"{facts.prefix}{inner.job}/"
            run = self._by_prefix.get(prefix)
            if run is None:
                continue
            end = run
            while end < len(self.tree) and self.tree[end].prefix.startswith(prefix):
                end += 1
            inside = [task for task in range(self._begins[run], self._begins[end]) if task in self.parents]
            has_child = {parent for task in inside for parent in self.parents[task]}
            last[begin + position] = [task for task in inside if task not in has_child]
            for task in inside:
                self.parents[task] = self.parents[task] or [begin + position]
        for task in range(begin, begin + len(facts.plan)):
            above = self.parents.get(task, [])
            if not last.keys().isdisjoint(above):
                self.parents[task] = [*above, *(one for parent in above for one in last.get(parent, ()))]


def _parents(facts: Facts) -> dict[int, list[int]]:
    """Return the parents of every task, by position: dependencies by files and explicit ones."""
    parents: dict[int, list[int]] = {}
    maker: dict[str, int] = {}
    for position, job in enumerate(facts.plan.jobs()):
        if job.kind not in _TASK_KINDS:
            continue
        above = {maker[put.lfn] for put in job.inputs if put.lfn in maker}
        above.update(parent for parent in job.parents if parent in parents)
        parents[position] = sorted(above)
        for output in job.outputs:
            maker[output.lfn] = position
    return parents


class _Executions:
    """WfFormat's record of every task that ran: its last attempt, in a temporary file until all are known."""

    def __init__(self, jobs: int) -> None:
        self._file = tempfile.TemporaryFile()
        self._starts = array("q", [-1]) * jobs
        self._stale: set[int] = set()
        """Offsets of lines that a later attempt has replaced."""
        self._end = 0
        self.count = 0

    def add(self, attempt: AttemptFacts, task: int, id: str, machines: Ids) -> None:
        """Add the next attempt of a task, which has this number."""
        start = self._starts[task]
        earlier = []
        if start >= 0:
            self._stale.add(start)
            self._file.seek(start)
            earlier = msgspec.json.decode(self._file.readline())["attempts"]
            self._file.seek(self._end)
        line = _encode({"id": id, **_one(attempt, machines), "attempts": [*earlier, _summary(attempt)]})
        self._file.write(line + b"\n")
        self._starts[task] = self._end
        self._end += len(line) + 1
        self.count += 1

    def copy_to(self, out: BinaryIO) -> None:
        """Write one object a task, with commas between them."""
        self._file.seek(0)
        start = 0
        lead = b""
        for line in self._file:
            if start not in self._stale:
                out.write(lead + line[:-1])
                lead = b",\n"
            start += len(line)

    def close(self) -> None:
        """Close the temporary file."""
        self._file.close()


def _one(attempt: AttemptFacts, machines: Ids) -> dict[str, Any]:
    invocations = attempt.invocations
    runtime_s = sum(one.duration_s for one in invocations)
    fields: dict[str, Any] = {
        "runtimeInSeconds": round(runtime_s, 6),
        "executedAt": iso(invocations[0].start if invocations else attempt.start),
        "coreCount": max(attempt.job.cores, 1),
        "priority": attempt.job.priority,
        "status": attempt.state,
    }
    if len(attempt.job.tasks) == 1:
        program, *arguments = planned_words(attempt.job.tasks[0])
        fields["command"] = {"program": program, "arguments": [word for word in arguments if word]}
    used = [one.usage for one in invocations]
    if cpu_s := sum(one.get("utime_s", 0.0) + one.get("stime_s", 0.0) for one in used):
        fields["avgCPU"] = round(100 * cpu_s / runtime_s, 4) if runtime_s else 0.0
    if memory_kb := max((one.get("maxrss_kb", 0) for one in used), default=0):
        fields["memoryInBytes"] = memory_kb * 1024
    for key, counter in (("readBytes", "inblock"), ("writtenBytes", "oublock")):
        if blocks := sum(one.get(counter, 0) for one in used):
            fields[key] = blocks * BLOCK_BYTES
    if attempt.containers:
        fields["containers"] = container_texts(attempt.record)
    if attempt.environments:
        fields["environments"] = environment_texts(attempt.record)
    if attempt.inner is not None:
        fields["subWorkflow"] = attempt.inner.uuid
    if attempt.host:
        fields["machine"] = machines[attempt.host]
        fields["machines"] = [fields["machine"]]
    return fields


def _machine(name: str, id: str) -> dict[str, str]:
    return {"nodeName": id} if id == name else {"nodeName": id, "name": name}


def _summary(attempt: AttemptFacts) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "attempt": attempt.number,
        "status": attempt.state,
        "executedAt": iso(attempt.start),
    }
    if attempt.end:
        fields["runtimeInSeconds"] = round(attempt.end - attempt.start, 6)
    if attempt.error:
        fields["error"] = attempt.error
    return fields


def _title(job: PlannedJob) -> str:
    return job.tasks[0].transformation or job.id if len(job.tasks) == 1 else job.id


def _description(facts: Facts) -> str:
    missing = "; ".join(facts.missing())
    return f"Workflow {shlex.quote(facts.name)}, run {facts.uuid}" + (f": {missing}" if missing else "")


class Ids:
    """Names in the form that WfFormat allows; different names get different ids."""

    def __init__(self, not_allowed: re.Pattern[str], instead: str) -> None:
        self._not_allowed = not_allowed
        self._instead = instead
        self._taken: set[str] = set()
        self.names: dict[str, str] = {}
        """Name → id, for all names so far."""

    def __getitem__(self, name: str) -> str:
        known = self.names.get(name)
        if known is None:
            stem = known = self._not_allowed.sub(self._instead, name) or self._instead
            number = 2
            while known in self._taken:
                known, number = f"{stem}{self._instead}{number}", number + 1
            self._taken.add(known)
            self.names[name] = known
        return known
