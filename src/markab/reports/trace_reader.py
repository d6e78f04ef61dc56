"""Reading how a file was made: from plans and journals of a run and of those above and below it in its tree.

A file that a sub-workflow reads of its parent is the file of the parent, and so is one that it hands up: it has the
name that it has at the top, and was made by the job that really made it, however deep that is.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
from collections.abc import Container, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from markab.diagnosis.failure_analysis import Analyzer
from markab.diagnosis.reuse_verdict import find_origin
from markab.errors import MarkabError, StorageError
from markab.formatting import count
from markab.journal.attempt_story import environment_texts, read_attempts
from markab.journal.lifecycle import State
from markab.plan.child_directory import child_runs, root_directory
from markab.plan.job_lookup import find_job
from markab.plan.model import Kind, PlannedJob
from markab.plan.reused_tasks import read_reused_tasks
from markab.plan.submit_dir import SubmitDir, find_submit_dir
from markab.reports.container_text import container_texts
from markab.reports.reused_task import find_reused_task
from markab.reports.trace import Trace, TracedFile, TracedJob, TracedRun
from markab.spec.suggestions import nearest
from markab.transfers.base import is_local, path_of, redact
from markab.transfers.beneath import open_regular
from markab.transfers.tree_names import stored_name

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


def read_trace(submit_dir: str | Path | None, file: str) -> Trace:
    """Return the ancestry of a file of a run, named by its logical name or by the path of a copy on this machine.

    Raises:
        NotARun: no submit directory.
        MarkabError: the run has no such file; those below it are not asked.
    """
    place = SubmitDir(find_submit_dir(submit_dir).path.absolute())
    with ExitStack() as files:
        return _Tree(files, root_directory(place)).trace(place.path, file)


class _Tree:
    """The runs of a tree, each read when it is needed."""

    def __init__(self, files: ExitStack, root: Path) -> None:
        self._files = files
        self._root = _Tracer(self._open(root))

    def trace(self, submit_dir: Path, file: str) -> Trace:
        """Return the ancestry of a file of one of them."""
        run, file = self._below(self._run_at(submit_dir), file)
        lfn, path = run.named(file)
        top = _Named(run, lfn).at_the_top()
        header = run.run.plan.header
        trace = Trace(top.key, header.workflow, run.run.uuid, {}, {}, str(self._root.run.place.path), path)
        if path and os.path.isfile(path):
            trace.path_sha256 = _sha256(path)
        trace.parameters = header.parameters
        self._follow(top, trace)
        top.run.add_places(trace.files[top.key], top.lfn)
        return trace

    def _follow(self, top: _Named, trace: Trace) -> None:
        stack = [top]
        while stack:
            file = stack.pop()
            if file.key in trace.files:
                continue
            trace.files[file.key] = one = TracedFile(file.key)
            maker = self._made_in(file)
            position = maker.run.maker.get(maker.lfn)
            if position is None:
                maker.run.from_outside(one, maker.lfn)
                continue
            one.job = maker.run.name_of(position)
            read = [] if one.job in trace.jobs else self._add_job(maker.run, position, trace)
            maker.run.add_facts(one, maker.lfn, position)
            stack += read

    def _add_job(self, run: _Tracer, position: int, trace: Trace) -> list[_Named]:
        """Add a job, with the runs in which it is; return the files that it read, and those of which the runs were planned."""
        job = run.job(position)
        found = [_Named(run, lfn).at_the_top() for lfn in job.inputs]
        job.inputs = list(dict.fromkeys(file.key for file in found))
        trace.jobs[job.id] = job
        while run.above is not None and job.run and run.prefix[:-1] not in trace.runs:
            parent, number = run.above
            planned = parent.run.plan.job(number)
            document = planned.child.document if planned.child is not None else ""
            key = ""
            if document:  # empty: it was planned by itself
                source = _Named(parent, document).at_the_top()
                found.append(source)
                key = source.key
            trace.runs[run.prefix[:-1]] = TracedRun(
                run.run.plan.header.workflow, run.run.uuid, str(run.run.place.path), key
            )
            run = parent
        return found

    def _made_in(self, file: _Named) -> _Named:
        """Return a file as the run knows it that made it, which may be one below."""
        while (position := file.run.maker.get(file.lfn)) is not None:
            child = self._child(file.run, position)
            if child is None or file.lfn not in child.known_results:
                break
            file = _Named(child, file.lfn)
        return file

    def _child(self, run: _Tracer, position: int) -> _Tracer | None:
        """Return the run of a sub-workflow; None: there is no such job, it is none, or was never planned."""
        if position < 0 or run.run.plan.outline[position].kind is not Kind.SUBWORKFLOW:
            return None
        if position not in run.below:
            path = run.paths_below.get(position)
            run.below[position] = None if path is None else _Tracer(self._open(path), (run, position))
        return run.below[position]

    def _run_at(self, submit_dir: Path) -> _Tracer:
        """Return the run of a submit directory: the root or one below it."""
        run = self._root
        while run.run.place.path != submit_dir:
            below = (
                position
                for position, path in run.paths_below.items()
                if submit_dir == path or path in submit_dir.parents
            )
            child = self._child(run, next(below, -1))
            if child is None:  # replaced by another one since, so it belongs to no run
                return _Tracer(self._open(submit_dir))
            run = child
        return run

    def _below(self, run: _Tracer, file: str) -> tuple[_Tracer, str]:
        """Return the run and the file that a name means which begins with the jobs on the way to a sub-workflow."""
        while (slash := file.find("/")) >= 0 and file not in run.known_results:
            outline = run.run.plan.outline
            inner = (position for position in run.paths_below if outline[position].id == file[:slash])
            child = self._child(run, next(inner, -1))
            if child is None:
                break
            run, file = child, file[slash + 1 :]
        return run, file

    def _open(self, path: Path) -> Analyzer:
        run = Analyzer(path)
        self._files.callback(run.close)
        run.read()
        return run


class _Named:
    """A file under the name that it has in a run."""

    def __init__(self, run: _Tracer, lfn: str) -> None:
        self.run = run
        self.lfn = lfn

    @property
    def key(self) -> str:
        """Its name in the whole tree."""
        return self.run.prefix + self.lfn

    def at_the_top(self) -> _Named:
        """Return it as the highest run knows it to which it belongs."""
        run = self.run
        while run.above is not None:
            parent, position = run.above
            made = self.lfn in run.known_results
            if self.lfn not in (parent.made_by(position) if made else parent.read_by(position)):
                break
            run = parent
        return _Named(run, self.lfn)


class _Tracer:
    """The jobs that make, fetch and deliver each file of one run."""

    def __init__(self, run: Analyzer, above: tuple[_Tracer, int] | None = None) -> None:
        self.run = run
        self.above = above
        """The run of which it is a job, and the position of that; None: it is the root."""
        self.prefix: str = "" if above is None else f"{above[0].name_of(above[1])}/"
        """What stands before its names in the whole tree."""
        self.below: dict[int, _Tracer | None] = {}
        """Job that is a sub-workflow → its run, as far as it was asked for."""
        self.paths_below = {child.position: child.path for child in child_runs(run.place.path, run.plan)}
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
        self._results = self.maker.keys() | self.reused.keys()
        self._known_ends: dict[int, tuple[Container[str], Container[str]]] = {}

    @property
    def known_results(self) -> Container[str]:
        """The files that its jobs make, and those that earlier runs made for it."""
        return self._results

    def name_of(self, position: int) -> str:
        """Return the name of a job in the whole tree."""
        return self.prefix + self.run.plan.outline[position].id

    def made_by(self, position: int) -> Container[str]:
        """Return what a job that is a sub-workflow hands up."""
        return self._ends(position)[1]

    def read_by(self, position: int) -> Container[str]:
        """Return what a job that is a sub-workflow lets it read."""
        return self._ends(position)[0]

    def _ends(self, position: int) -> tuple[Container[str], Container[str]]:
        if position not in self._known_ends:
            job = self.run.plan.job(position)
            self._known_ends[position] = {one.lfn for one in job.inputs}, {one.lfn for one in job.outputs}
        return self._known_ends[position]

    def named(self, file: str) -> tuple[str, str]:
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

    def job(self, position: int) -> TracedJob:
        """Return what is known of a job; its inputs have the names of this run."""
        run = self.run
        job = run.plan.job(position)
        record = self._record(position)
        made = record.get("reused")
        commands = [shlex.join(entry.get("argv", ())) for entry in record.get("invocations", ())]
        planned = [f"{task.executable} {task.arguments}".strip() for task in job.tasks]
        state = self._state(position)
        for item in job.inputs:
            self.metadata[item.lfn] = item.metadata
        if job.kind is Kind.SUBWORKFLOW:
            commands, planned = [], []  # what it runs are the jobs in it
        return TracedJob(
            self.name_of(position),
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
            run=self.prefix[:-1],
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

    def add_facts(self, one: TracedFile, lfn: str, position: int) -> None:
        """Add what the record of the job that made a file says of it."""
        for made in self._record(position).get("outputs", ()):
            if made["lfn"] == lfn:
                one.sha256, one.size_bytes = made.get("sha256") or "", made.get("size")
        for output in self.run.plan.job(position).outputs:
            if output.lfn == lfn:
                one.metadata = dict(output.metadata)

    def from_outside(self, one: TracedFile, lfn: str) -> None:
        """Add where a file came from that no job made."""
        if lfn not in self.metadata:
            readers = (self.run.plan.job(position) for position in self._readers(lfn))
            items = (item for job in readers for item in job.inputs if item.lfn == lfn)
            self.metadata[lfn] = next((item.metadata for item in items), {})
        one.metadata = dict(self.metadata[lfn])
        if lfn in self.reused:
            task, made = self.reused[lfn]
            origin = find_origin(self.run.plan.header.reuse, task.run, task.job).text()
            one.sha256, one.size_bytes, one.source = made.sha256, made.size_bytes, f"{origin}, reused"
            return
        for position in self.movers.get(lfn, ()):
            for planned in self.run.plan.job(position).transfers:
                if planned.lfn == lfn and not one.source:
                    one.sha256, one.size_bytes = planned.sha256 or "", planned.size_bytes
                    one.source = redact(planned.sources[0].url) if planned.sources else ""
            for moved in self._moves(position, lfn):
                one.source = moved.get("source") or one.source
                one.sha256 = moved.get("sha256") or one.sha256
                one.size_bytes = moved.get("bytes") or one.size_bytes
                return
        if not one.source:
            self._fetched_by_reader(one, lfn)

    def _fetched_by_reader(self, one: TracedFile, lfn: str) -> None:
        """Look for a job that fetches the file itself."""
        for position in self._readers(lfn):
            for item in self.run.plan.job(position).inputs:
                if item.lfn == lfn and item.sources:
                    one.source, one.sha256 = redact(item.sources[0].url), item.sha256 or ""
                    return

    def _readers(self, lfn: str) -> Iterator[int]:
        """Yield the jobs whose lines name a file; those that read it are among them."""
        needle = b'"lfn":' + msgspec.json.encode(lfn)
        return (place for place in range(len(self.run.plan)) if needle in self.run.plan.line(place))

    def add_places(self, one: TracedFile, lfn: str) -> None:
        """Add where a file is now."""
        for position in self.movers.get(lfn, ()):
            if self.run.plan.outline[position].kind is Kind.STAGE_OUT:
                for _ in self._moves(position, lfn):
                    planned = (move for move in self.run.plan.job(position).transfers if move.lfn == lfn)
                    one.replicas += [redact(end.url) for move in planned for end in move.destinations]
        if not (one.replicas or self.run.plan.header.outputs):
            one.replicas += self._in_scratch(lfn)
        one.missing = [place for place in one.replicas if _is_missing(place, one.size_bytes)]

    def _in_scratch(self, lfn: str) -> Iterator[str]:
        """Yield where the job that made a file put it, unless cleanup has removed it since."""
        position = self.maker.get(lfn, -1)
        if position < 0 or self.run.ok_at[position] < 0:
            return
        outline = self.run.plan.outline
        cleanups = [
            job for job, ok in enumerate(self.run.ok_at) if ok >= 0 and outline[job].kind is Kind.CLEANUP
        ]
        for cleanup in map(self.run.plan.job, cleanups):
            if cleanup.removes_scratch or lfn in cleanup.removes:
                return
        job = self.run.plan.job(position)
        scratch = self.run.plan.header.sites[job.staging or job.site].scratch
        if scratch is not None and scratch.is_local:
            yield os.path.join(scratch.path, lfn)

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


def _is_missing(place: str, size_bytes: int | None) -> bool:
    if not is_local(place):
        return False
    try:
        status = os.stat(path_of(place))
    except OSError:
        return True
    return not stat.S_ISREG(status.st_mode) or size_bytes not in (None, status.st_size)


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb", opener=open_regular) as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise StorageError(f"cannot read {path!r}: {error.strerror}") from error
    return digest.hexdigest()
