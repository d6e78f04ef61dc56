"""Steps as the jobs of a workflow, each with a script of its own in `bin/`."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markab.errors import Problem
from markab.importing.converted_workflow import ConvertedWorkflow
from markab.importing.local_modules import local_modules
from markab.importing.steps import Step, grouped, outside_reads
from markab.importing.word_quoting import quoted_word
from markab.spec.lfn import lfn_fault
from markab.spec.model import (
    Pfn,
    Replica,
    ReplicaCatalog,
    Task,
    Transformation,
    TransformationCatalog,
    TransformationSite,
    Use,
    Workflow,
)


@dataclass
class StepSource:
    """A file of steps, and what was found in it."""

    file: Path
    shell: str = "/bin/bash"
    steps: list[Step] = field(default_factory=list)
    left_out: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    directories: set[str] = field(default_factory=set)
    """Those that the original makes."""

    @property
    def directory(self) -> Path:
        """Return the directory in which the original runs."""
        return self.file.absolute().parent

    def leave_out(self, line: int, message: str, hint: str = "") -> None:
        """Note something that the workflow does not do although the original does."""
        self._add(self.left_out, line, message, hint)

    def note(self, line: int, message: str, hint: str = "") -> None:
        """Note something that is otherwise, or was guessed."""
        self._add(self.notes, line, message, hint)

    def _add(self, problems: list[Problem], line: int, message: str, hint: str) -> None:
        problem = Problem(message, hint, str(self.file), line, "import")
        if problem not in problems:
            problems.append(problem)


def workflow_of(source: StepSource, name: str, project: Path) -> ConvertedWorkflow:
    """Return the workflow of some steps; their scripts are to be in `project`/bin."""
    _settle_files(source)
    groups = [group for group in grouped(source.steps) if any(step.is_job for step in group)]
    jobs = _Jobs(source, groups, project)
    for group in groups:
        jobs.add(group)
    return ConvertedWorkflow(
        Workflow("5.0.4", name, jobs.tasks),
        ReplicaCatalog([_replica(source.directory, file) for file in sorted(jobs.inputs)]),
        TransformationCatalog(jobs.transformations),
        jobs.programs,
        source.left_out,
        source.notes,
    )


class _Jobs:
    def __init__(self, source: StepSource, groups: Sequence[list[Step]], project: Path) -> None:
        self._source = source
        self._project = project
        self._left = _left_behind(source.steps)
        self._made = {file for group in groups for step in group for file in step.writes}
        self._numbers: Counter[str] = Counter()
        self._taken = self._made | {file for group in groups for step in group for file in step.reads}
        self._readers: dict[str, set[int]] = defaultdict(set)
        for group in groups:
            for file in outside_reads(group):
                self._readers[file].add(id(group))
        self.tasks: list[Task] = []
        self.transformations: list[Transformation] = []
        self.programs: dict[str, str] = {}
        self.inputs: set[str] = set()

    def add(self, group: list[Step]) -> None:
        """Make the task of one group."""
        reads = outside_reads(group)
        self.inputs |= reads - self._made
        writes = {file for step in group for file in step.writes}
        kept = {file for file in writes if file in self._left or self._readers[file] - {id(group)}}
        identifier = self._unused_name(next(step.name for step in group if step.is_job))
        uses = [Use(file, "input", executable=self._is_program(file)) for file in sorted(reads - writes)]
        uses += [Use(file, "output", stage_out=file in self._left) for file in sorted(kept)]
        path = f"bin/{identifier}.sh"
        self.programs[path] = _script(self._source, group, kept)
        self.transformations.append(
            Transformation(identifier, [TransformationSite("local", "stageable", str(self._project / path))])
        )
        self.tasks.append(Task(identifier, name=identifier, uses=uses, profiles=_profiles(group)))

    def _is_program(self, file: str) -> bool:
        return (
            file not in self._made and os.access(self._source.directory / file, os.X_OK) and file[-1] != "/"
        )

    def _unused_name(self, name: str) -> str:
        """Return an id that no task has; no file either, because a program is staged under its name."""
        base = re.sub(r"[^A-Za-z0-9_-]+", "_", os.path.basename(name)).strip("_-") or "step"
        while True:
            self._numbers[base] += 1
            found = base if self._numbers[base] == 1 else f"{base}_{self._numbers[base]}"
            if found not in self._taken:
                self._taken.add(found)
                return found


def _settle_files(source: StepSource) -> None:
    """Leave in the steps only files that can be files of a workflow; what cannot is noted or left out."""
    made = {file for step in source.steps for file in step.writes}
    modules: dict[str, set[str]] = {}
    read_before: dict[str, int] = {}
    written: set[str] = set()
    for step in source.steps:
        for file in sorted(step.reads | step.writes):
            if fault := lfn_fault(file):
                if file in step.writes or not os.path.isabs(file):
                    verb = "writes" if file in step.writes else "reads"
                    source.leave_out(step.line, f"{verb} {file!r}, and the name {fault[0]}", _INSIDE)
                else:
                    source.note(step.line, f"{file!r} is read where it is")
                step.reads.discard(file)
                step.writes.discard(file)
        for program in [file for file in step.reads if file.endswith(".py")]:
            if program not in modules:
                modules[program] = local_modules(source.directory, program) - made
            step.reads |= modules[program]
        for file in sorted(step.reads - written):
            if (source.directory / file).exists():
                read_before.setdefault(file, step.line)
            elif file not in made:
                step.reads.discard(file)
                source.leave_out(step.line, f"there is no file {file!r}", "make it, or correct its name")
        for file in sorted(step.writes & read_before.keys()):
            source.leave_out(
                step.line,
                f"changes {file!r}, which was there before and was read",
                "write to a file of another name",
            )
            step.writes.discard(file)
        written |= step.writes


_INSIDE = "use a path below the directory of the source"


def _left_behind(steps: Sequence[Step]) -> set[str]:
    """Return the files that are there when the original has ended."""
    left: set[str] = set()
    for step in steps:
        left = (left - step.removes) | (step.writes - (step.removes if step.is_job else set()))
    return left


def _script(source: StepSource, group: list[Step], kept: set[str]) -> str:
    """Return the program of a job: that of each step, in their order, in a shell of its own each."""
    lines = sorted({step.line for step in group if step.line})
    where = (
        f"line {lines[0]}" if len(lines) == 1 else f"lines {lines[0]} to {lines[-1]}" if lines else "no line"
    )
    folders = {os.path.dirname(file.rstrip("/")) for file in kept} | {
        f for step in group for f in step.directories
    }
    made = " ".join(quoted_word(folder) for folder in sorted(folders) if folder)
    head = [f"#!{source.shell}", f"# {source.file.name}, {where}"] + ([f"mkdir -p {made}"] if made else [])
    texts = [step.text for step in group]
    if len(texts) == 1:
        return "\n".join([*head, texts[0], ""])
    parts = [f"(\n{text}\n) || exit" for text in texts]
    return "\n".join([*head, *parts, ""])


def _profiles(group: list[Step]) -> dict[str, dict[str, str]]:
    cores, memory = max(step.cores for step in group), max(step.memory_mb for step in group)
    asked = ({"cores": str(cores)} if cores > 1 else {}) | ({"memory": str(memory)} if memory else {})
    return {"pegasus": asked} if asked else {}


def _replica(directory: Path, file: str) -> Replica:
    return Replica(file, [Pfn("local", str(directory / file.rstrip("/")))])
