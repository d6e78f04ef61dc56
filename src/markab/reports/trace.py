"""The report of `trace FILE`: the jobs, command lines, inputs and checksums that led to a file.

The plan gives the job that makes each file, the journal how it ended. A file that was
not made yet has its planned ancestry.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from markab.diagnosis.failure_analysis import Analyzer
from markab.diagnosis.reuse_verdict import find_origin
from markab.errors import MarkabError
from markab.formatting import clipped, count, duration, moment, parameters_text, size, titled
from markab.journal.attempt_story import environment_texts, read_attempts
from markab.journal.lifecycle import State
from markab.plan.job_lookup import find_job
from markab.plan.model import Kind, PlannedJob
from markab.plan.reused_tasks import read_reused_tasks
from markab.plan.run_command import run_command
from markab.reports.container_text import container_texts
from markab.reports.graph.dot import dot_string
from markab.reports.graph.labels import showable
from markab.reports.reused_task import find_reused_task
from markab.spec.suggestions import nearest
from markab.transfers.base import is_local, path_of, redact
from markab.transfers.beneath import open_regular
from markab.transfers.tree_names import stored_name

ARGUMENT_CHARACTERS = 300
DEEPEST_INDENT = 100
"""Twenty levels; deeper files begin at the margin again."""
_MOVERS = (Kind.STAGE_IN, Kind.STAGE_OUT, Kind.STAGE_INTER)


class _Lfn(msgspec.Struct):
    lfn: str


class _Place(msgspec.Struct):
    url: str


class _PlannedMove(msgspec.Struct):
    lfn: str
    destinations: list[_Place] = []


class _Line(msgspec.Struct):
    """The fields of a plan line from which the files that a job makes and moves are read."""

    kind: Kind
    outputs: list[_Lfn] = []
    transfers: list[_PlannedMove] = []


@dataclass
class TracedFile:
    """A file of the ancestry."""

    lfn: str
    job: str = ""
    """Id of the job that made it; empty: it came from outside."""
    sha256: str = ""
    size_bytes: int | None = None
    source: str = ""
    """The source of a file that came from outside."""
    replicas: list[str] = field(default_factory=list)
    """The places to which it was delivered; without an output site, its place in scratch."""
    missing: list[str] = field(default_factory=list)
    """Those of them on this machine that do not have it any more, or with another size."""
    metadata: dict[str, str] = field(default_factory=dict)
    """The user's metadata."""


@dataclass
class TracedJob:
    """A job of the ancestry."""

    id: str
    site: str
    state: str
    """`succeeded`, `failed`, `under way`, `lost`, `not started`, or `not done` while it may still be."""
    transformations: list[str]
    commands: list[str]
    inputs: list[str]
    host: str = ""
    start: float = 0.0
    duration_s: float = 0.0
    attempt: int = 0
    reason: str = ""
    """Why it failed."""
    label: str = ""
    """As `PlannedJob.label`."""
    containers: list[str] = field(default_factory=list)
    """Those in which its tasks ran, each with the checksum of its image."""
    reused: str = ""
    """The earlier job that made its outputs, which it brought; its commands were run there."""
    environments: list[str] = field(default_factory=list)
    """The software environments of its tasks, one a text."""


@dataclass
class Trace:
    """The ancestry of a file."""

    file: str
    workflow: str
    uuid: str
    files: dict[str, TracedFile]
    jobs: dict[str, TracedJob]
    submit_dir: str = ""
    path: str = ""
    """The file on disk that was named."""
    path_sha256: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    """Those of the script that built the workflow."""

    @property
    def agrees(self) -> bool | None:
        """Whether the file on disk is what was recorded; None: there is nothing to compare."""
        recorded = self.files[self.file].sha256
        return self.path_sha256 == recorded if self.path_sha256 and recorded else None

    def verdict(self) -> str:
        """Return how the file on disk compares with the record; empty when none was named."""
        if not self.path:
            return ""
        if not self.path_sha256:
            was_there = self.path in map(_path, self.files[self.file].replicas)
            return (
                f"{self.path} {'is gone: it was delivered there' if was_there else 'was not delivered (yet)'}"
            )
        words = {
            True: "is what this run recorded (sha256 agrees)",
            False: f"is NOT what this run recorded: its sha256 is {self.path_sha256}",
            None: "cannot be compared: no checksum was recorded",
        }
        return f"{self.path} {words[self.agrees]}"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        found: dict[str, Any] = {
            "file": self.file,
            "workflow": self.workflow,
            "wf_uuid": self.uuid,
            "files": {lfn: vars(one) for lfn, one in self.files.items()},
            "jobs": {name: vars(one) for name, one in self.jobs.items()},
        }
        if self.path:
            found |= {"path": self.path, "path_sha256": self.path_sha256, "agrees": self.agrees}
        if self.parameters:
            found["parameters"] = self.parameters
        return found

    def text(self) -> str:
        """Return it as a tree; a file is drawn once, and deep branches continue below."""
        lines = [verdict] if (verdict := self.verdict()) else []
        shown: set[str] = set()
        # A stack in place of recursion: a chain may be a hundred thousand jobs long.
        stack: list[tuple[str, str, str]] = [(self.file, "", "")]
        later: deque[str] = deque()
        while stack or later:
            if not stack:
                if (deep := later.popleft()) not in shown:
                    lines.append("")
                    stack.append((deep, "", ""))
                continue
            lfn, first, indent = stack.pop()
            one = self.files[lfn]
            if one.job and lfn in shown:
                lines.append(f"{first}{lfn} (see above)")
                continue
            if one.job and len(indent) >= DEEPEST_INDENT:
                lines.append(f"{first}{lfn} (see below)")
                later.append(lfn)
                continue
            shown.add(lfn)
            lines.append(first + self._file_line(one))
            for place in one.replicas:
                is_missing = place in one.missing
                lines.append(f"{indent}  at {place}{'  (gone, or of another size)' if is_missing else ''}")
            if one.missing:
                lines.append(f"{indent}  to make it again: {run_command(Path(self.submit_dir), '--restore')}")
            if one.metadata:
                pairs = ", ".join(f"{key}={value}" for key, value in sorted(one.metadata.items()))
                lines.append(f"{indent}  with {clipped(pairs, ARGUMENT_CHARACTERS)}")
            if not one.job:
                continue
            job = self.jobs[one.job]
            lines.append(f"{indent}  made by {_job_line(job)}")
            if f"job {job.id}" in shown:
                lines.append(f"{indent}  (its inputs: see above)")
                continue
            shown.add(f"job {job.id}")
            lines += [f"{indent}  in container {text}" for text in job.containers]
            lines += [f"{indent}  $ {clipped(command, ARGUMENT_CHARACTERS)}" for command in job.commands]
            lines += [f"{indent}  with {text}" for text in job.environments]
            children = [
                (name, f"{indent}  {'└─' if last else '├─'} ", f"{indent}  {'   ' if last else '│  '}")
                for name, last in _with_last(job.inputs)
            ]
            stack += reversed(children)
        if self.parameters:
            lines += ["", f"parameters of the workflow: {parameters_text(self.parameters)}"]
        return "\n".join(lines) + "\n"

    def dot(self) -> str:
        """Return it in the DOT language of Graphviz: boxes are jobs, ellipses are files."""
        lines = ["digraph trace {", "  rankdir=BT", '  node [fontname="Helvetica"]']
        for one in self.files.values():
            label = one.lfn + (f"\n{one.sha256[:12]}" if one.sha256 else "")
            lines.append(
                f"  {dot_string('file ' + one.lfn)} [label={dot_string(showable(label))}, shape=ellipse]"
            )
        for job in self.jobs.values():
            label = "\n".join(
                filter(None, (job.id, job.label, ", ".join(dict.fromkeys(job.transformations))))
            )
            lines.append(f"  {dot_string('job ' + job.id)} [label={dot_string(showable(label))}, shape=box]")
            lines += [f"  {dot_string('file ' + lfn)} -> {dot_string('job ' + job.id)}" for lfn in job.inputs]
        for one in self.files.values():
            if one.job:
                lines.append(f"  {dot_string('job ' + one.job)} -> {dot_string('file ' + one.lfn)}")
        return "\n".join([*lines, "}", ""])

    def _file_line(self, one: TracedFile) -> str:
        facts = []
        if one.size_bytes is not None:
            facts.append(size(one.size_bytes))
        if one.sha256:
            facts.append(f"sha256 {one.sha256}")
        if not one.job:
            facts.append(f"from {one.source}" if one.source else "from outside")
        return f"{one.lfn}  {', '.join(facts)}".rstrip()


def read_trace(submit_dir: str | Path | None, file: str) -> Trace:
    """Return the ancestry of a file, named by its logical name or by the path of a copy on this machine.

    Raises:
        NotARun: no submit directory.
        MarkabError: the run has no such file.
    """
    run = Analyzer(submit_dir)
    try:
        run.read()
        return _Tracer(run).trace(file)
    finally:
        run.close()


class _Tracer:
    """The jobs that make, fetch and deliver each file of one run."""

    def __init__(self, run: Analyzer) -> None:
        self.run = run
        self.maker: dict[str, int] = {}
        self.movers: dict[str, list[int]] = {}
        self.delivered: dict[str, str] = {}
        self.metadata: dict[str, dict[str, str]] = {}
        """Input of a job of the ancestry → its metadata."""
        self.reused = {
            made.lfn: (task, made) for task in read_reused_tasks(run.place.reused) for made in task.made
        }
        decode = msgspec.json.Decoder(_Line).decode
        for position in range(len(run.plan)):
            line = decode(run.plan.line(position))
            for made in line.outputs:
                self.maker[made.lfn] = position
            if line.kind in _MOVERS:
                for move in line.transfers:
                    self.movers.setdefault(move.lfn, []).append(position)
                    for end in move.destinations:
                        if is_local(end.url):
                            self.delivered[os.path.realpath(path_of(end.url))] = move.lfn

    def trace(self, file: str) -> Trace:
        lfn, path = self._named(file)
        trace = Trace(
            lfn, self.run.plan.header.workflow, self.run.uuid, {}, {}, str(self.run.place.path), path
        )
        if path and os.path.isfile(path):
            trace.path_sha256 = _sha256(path)
        trace.parameters = self.run.plan.header.parameters
        stack = [lfn]
        while stack:
            name = stack.pop()
            if name in trace.files:
                continue
            trace.files[name] = one = TracedFile(name)
            position = self.maker.get(name)
            if position is None:
                self._from_outside(one)
                continue
            one.job = self.run.plan.outline[position].id
            job = trace.jobs.get(one.job)
            if job is None:
                job = trace.jobs[one.job] = self._job(position)
            self._made(one, position)
            for lfn in job.inputs:
                if lfn not in trace.files:
                    stack.append(lfn)
        self._delivered_to(trace.files[trace.file])
        return trace

    def _named(self, file: str) -> tuple[str, str]:
        """Return the lfn that is meant, and the path if a file on disk is."""
        known = self.maker.keys() | self.movers.keys() | self.reused.keys()
        if (stored := stored_name(file)) in known:
            return stored, ""
        path = os.path.realpath(path_of(file) if file.startswith("file:") else file)
        if lfn := self.delivered.get(path):
            return lfn, path
        if os.path.isfile(path):
            parts = Path(path).parts
            for begin in range(len(parts)):  # the longest name that fits: a/b/c.txt before c.txt
                if (lfn := "/".join(parts[begin:])) in known:
                    return lfn, path
        for _ in self._readers(file):  # an input that the job fetches itself
            return file, ""
        if job := self._files_of_job(file):
            raise job
        close = nearest(os.path.basename(file), known)
        raise MarkabError(
            f"the run has no file {file!r}",
            hint=f"did you mean {' or '.join(close)}?"
            if close
            else "name a logical file, or a delivered one",
        )

    def _files_of_job(self, name: str) -> MarkabError | None:
        """Return the error that this names a job, with the files that it makes; None if it names none."""
        if (reused := find_reused_task(self.run, name)) is not None:
            made = [one.lfn for one in reused.task.made]
            title = f"{name!r} is no file, but a task, which {reused.verdict()}"
        else:
            try:
                job = self.run.plan.job(find_job(self.run.plan, name))
            except MarkabError:
                return None
            made = [output.lfn for output in job.outputs]
            title = f"{name!r} is no file, but a job"
        if not made:
            return MarkabError(title, hint=f"`{self._command('why', name)}` says what it does")
        more = f"; it makes {count(len(made), 'file')}" if len(made) > 1 else ""
        return MarkabError(
            title, hint=f"trace a file that it makes: `{self._command('trace', made[0])}`{more}"
        )

    def _command(self, command: str, name: str) -> str:
        return shlex.join(["markab", command, str(self.run.place.path), name])

    def _job(self, position: int) -> TracedJob:
        run = self.run
        job = run.plan.job(position)
        record = self._record(position)
        made = record.get("reused")
        commands = [shlex.join(entry.get("argv", ())) for entry in record.get("invocations", ())]
        planned = [f"{task.executable} {task.arguments}".strip() for task in job.tasks]
        state = self._state(position)
        for item in job.inputs:
            self.metadata[item.lfn] = item.metadata
        return TracedJob(
            job.id,
            job.site,
            state,
            [task.transformation for task in job.tasks],
            commands + planned[len(commands) :],
            list(dict.fromkeys(item.lfn for item in job.inputs if not item.optional or record)),
            host=record.get("host", ""),
            start=record.get("start", 0.0),
            duration_s=sum(entry.get("duration_s", 0.0) for entry in record.get("invocations", ())),
            attempt=run.history.attempts[position],
            reason=self._reason(job, position) if state == "failed" else "",
            label=job.label,
            containers=container_texts(record),
            reused=find_origin(run.plan.header.reuse, made.get("run", ""), made.get("job", "")).text()
            if made
            else "",
            environments=environment_texts(record),
        )

    def _state(self, position: int) -> str:
        run, is_running = self.run, self.run.has_engine
        if run.ok_at[position] >= 0:
            return "succeeded"
        if run.history.states[position] == State.FAILED:
            return "failed"
        if position in run.history.under_way:
            return "under way" if is_running else "lost"
        return "not done" if is_running or run.state == "Not started" else "not started"

    def _reason(self, job: PlannedJob, position: int) -> str:
        records = self.run.records(position)
        return self.run.cause(job, records[-1]).title if records else ""

    def _made(self, one: TracedFile, position: int) -> None:
        for made in self._record(position).get("outputs", ()):
            if made["lfn"] == one.lfn:
                one.sha256, one.size_bytes = made.get("sha256") or "", made.get("size")
        for output in self.run.plan.job(position).outputs:
            if output.lfn == one.lfn:
                one.metadata = dict(output.metadata)

    def _from_outside(self, one: TracedFile) -> None:
        if one.lfn not in self.metadata:
            readers = (self.run.plan.job(position) for position in self._readers(one.lfn))
            items = (item for job in readers for item in job.inputs if item.lfn == one.lfn)
            self.metadata[one.lfn] = next((item.metadata for item in items), {})
        one.metadata = dict(self.metadata[one.lfn])
        if one.lfn in self.reused:
            task, made = self.reused[one.lfn]
            origin = find_origin(self.run.plan.header.reuse, task.run, task.job).text()
            one.sha256, one.size_bytes, one.source = made.sha256, made.size_bytes, f"{origin}, reused"
            return
        for position in self.movers.get(one.lfn, ()):
            for planned in self.run.plan.job(position).transfers:
                if planned.lfn == one.lfn and not one.source:
                    one.sha256, one.size_bytes = planned.sha256 or "", planned.size_bytes
                    one.source = redact(planned.sources[0].url) if planned.sources else ""
            for moved in self._moves(position, one.lfn):
                one.source = moved.get("source") or one.source
                one.sha256 = moved.get("sha256") or one.sha256
                one.size_bytes = moved.get("bytes") or one.size_bytes
                return
        if not one.source:
            self._fetched_by_reader(one)

    def _fetched_by_reader(self, one: TracedFile) -> None:
        """Look for a job that fetches the file itself."""
        for position in self._readers(one.lfn):
            for item in self.run.plan.job(position).inputs:
                if item.lfn == one.lfn and item.sources:
                    one.source, one.sha256 = redact(item.sources[0].url), item.sha256 or ""
                    return

    def _readers(self, lfn: str) -> Iterator[int]:
        """Yield the jobs whose lines name a file; those that read it are among them."""
        needle = b'"lfn":' + msgspec.json.encode(lfn)
        return (place for place in range(len(self.run.plan)) if needle in self.run.plan.line(place))

    def _delivered_to(self, one: TracedFile) -> None:
        for position in self.movers.get(one.lfn, ()):
            if self.run.plan.outline[position].kind is Kind.STAGE_OUT:
                for _ in self._moves(position, one.lfn):
                    planned = (move for move in self.run.plan.job(position).transfers if move.lfn == one.lfn)
                    one.replicas += [redact(end.url) for move in planned for end in move.destinations]
        if not (one.replicas or self.run.plan.header.outputs):
            one.replicas += self._in_scratch(one)
        one.missing = [place for place in one.replicas if _is_missing(place, one.size_bytes)]

    def _in_scratch(self, one: TracedFile) -> Iterator[str]:
        """Yield where the job that made a file put it, unless cleanup has removed it since."""
        position = self.maker.get(one.lfn, -1)
        if position < 0 or self.run.ok_at[position] < 0:
            return
        outline = self.run.plan.outline
        cleanups = [
            job for job, ok in enumerate(self.run.ok_at) if ok >= 0 and outline[job].kind is Kind.CLEANUP
        ]
        for cleanup in map(self.run.plan.job, cleanups):
            if cleanup.removes_scratch or one.lfn in cleanup.removes:
                return
        job = self.run.plan.job(position)
        scratch = self.run.plan.header.sites[job.staging or job.site].scratch
        if scratch is not None and scratch.is_local:
            yield os.path.join(scratch.path, one.lfn)

    def _moves(self, position: int, lfn: str) -> Iterator[dict[str, Any]]:
        """Yield the last entry of a file in the records of a job; one that ran again need not have moved it again."""
        last = [self._record(position)] if self.run.ok_at[position] >= 0 else self.run.records(position)[-1:]
        if not (found := _moved(last, lfn)) and self.run.history.attempts[position] > 1:
            stories = read_attempts(self.run.place.journal, position)
            found = _moved([story.record or {} for story in stories], lfn)
        yield from found[-1:]

    def _record(self, position: int) -> dict[str, Any]:
        place = self.run.ok_at[position]
        return self.run.record_at(place) if place >= 0 else {}


def _moved(records: list[dict[str, Any]], lfn: str) -> list[dict[str, Any]]:
    return [moved for record in records for moved in record.get("transfers", ()) if moved["lfn"] == lfn]


def _job_line(job: TracedJob) -> str:
    id, name = titled(job.id, job.label), ", ".join(dict.fromkeys(job.transformations))
    if job.state != "succeeded":
        where = "lost with the engine" if job.state == "lost" else job.state
        why = f": {clipped(job.reason, ARGUMENT_CHARACTERS)}" if job.reason else ""
        return f"{id} ({name} at {job.site}): {where}{' yet' if job.state == 'not done' else ''}{why}"
    if job.reused:
        return f"{id} ({name} at {job.site}), which brought it: as made by {job.reused}"
    again = f", attempt {job.attempt}" if job.attempt > 1 else ""
    when = f"{moment(job.start)}, {duration(job.duration_s)}" if job.start else ""
    return f"{id} ({name} at {job.site} on {job.host}, {when}{again})"


def _is_missing(place: str, size_bytes: int | None) -> bool:
    if not is_local(place):
        return False
    try:
        status = os.stat(path_of(place))
    except OSError:
        return True
    return not stat.S_ISREG(status.st_mode) or size_bytes not in (None, status.st_size)


def _path(place: str) -> str:
    return os.path.realpath(path_of(place)) if is_local(place) else ""


def _with_last(names: list[str]) -> Iterator[tuple[str, bool]]:
    return ((name, number == len(names)) for number, name in enumerate(names, 1))


def _sha256(path: str) -> str:
    import hashlib

    from markab.errors import StorageError

    digest = hashlib.sha256()
    try:
        with open(path, "rb", opener=open_regular) as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise StorageError(f"cannot read {path!r}: {error.strerror}") from error
    return digest.hexdigest()
