"""The report of `trace FILE`: the jobs, command lines, inputs and checksums that led to a file.

The plan gives the job that makes each file, the journal how it ended. A file that was
not made yet has its planned ancestry.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markab.formatting import clipped, duration, moment, parameters_text, size, titled
from markab.plan.run_command import run_command
from markab.reports.graph.dot import dot_string
from markab.reports.graph.labels import showable
from markab.transfers.base import is_local, path_of

ARGUMENT_CHARACTERS = 300
DEEPEST_INDENT = 100
"""Twenty levels; deeper files begin at the margin again."""


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
    run: str = ""
    """The jobs on the way to the sub-workflow that it is in, with slashes between them; also the beginning of its id."""


@dataclass
class TracedRun:
    """A sub-workflow in which there are jobs of the ancestry."""

    workflow: str
    uuid: str
    submit_dir: str
    document: str
    """The file that its plan was made of; empty: it was planned by itself."""


@dataclass
class Trace:
    """The ancestry of a file."""

    file: str
    workflow: str
    uuid: str
    files: dict[str, TracedFile]
    jobs: dict[str, TracedJob]
    submit_dir: str = ""
    """Of the root."""
    path: str = ""
    """The file on disk that was named."""
    path_sha256: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    """Those of the script that built the workflow."""
    runs: dict[str, TracedRun] = field(default_factory=dict)
    """The sub-workflows by the jobs on the way to them."""

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
        if self.runs:
            found["sub_workflows"] = {name: vars(one) for name, one in self.runs.items()}
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
            inner = self.runs.get(job.run)
            is_new_run = inner is not None and f"run {job.run}" not in shown
            documents = self._documents_of(job.run, shown) if is_new_run else []
            if inner is not None and is_new_run:
                lines.append(f"{indent}  in the sub-workflow {inner.workflow!r} (run {inner.uuid})")
            children = [
                (name, f"{indent}  {'└─' if last else '├─'} ", f"{indent}  {'   ' if last else '│  '}")
                for name, last in _with_last(list(dict.fromkeys([*job.inputs, *documents])))
            ]
            stack += reversed(children)
        if self.parameters:
            lines += ["", f"parameters of the workflow: {parameters_text(self.parameters)}"]
        return "\n".join(lines) + "\n"

    def _documents_of(self, run: str, shown: set[str]) -> list[str]:
        """Return what a sub-workflow, and those above it, were planned of, each once."""
        found = []
        while run and f"run {run}" not in shown:
            shown.add(f"run {run}")
            if document := self.runs[run].document:
                found.append(document)
            run = run.rpartition("/")[0]
        return found

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
            if (inner := self.runs.get(job.run)) is not None and inner.document:
                ends = f"{dot_string('file ' + inner.document)} -> {dot_string('job ' + job.id)}"
                lines.append(f"  {ends} [style=dashed]")
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


def _path(place: str) -> str:
    return os.path.realpath(path_of(place)) if is_local(place) else ""


def _with_last(names: list[str]) -> Iterator[tuple[str, bool]]:
    return ((name, number == len(names)) for number, name in enumerate(names, 1))
