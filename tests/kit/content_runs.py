"""Small real workflows that are planned and run again and again with reuse by content, after edits."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markab import operations
from markab.engine import run as engine
from markab.journal.attempt_record import AttemptRecord
from markab.journal.reader import JournalReader
from markab.journal.records import AttemptEnd, decoder
from markab.plan.model import Kind
from markab.plan.plan_file import PlanFile
from markab.plan.reused_tasks import read_reused_tasks
from markab.plan.submit_dir import SubmitDir
from markab.planner.options import PlanOptions
from markab.planner.planning import Planned

_decode = decoder(AttemptRecord)


@dataclass
class Step:
    """A task, with a program of its own."""

    name: str
    reads: list[str]
    makes: str
    line: str = "first"
    """What its program writes above the contents of the files that it reads."""
    comment: str = ""
    """What makes its program another file that does the same."""
    drops_inputs: bool = False
    """The output does not depend on the contents of the inputs."""
    argument: str = ""
    tag: str = ""
    is_result: bool = True
    keys: dict[str, Any] = field(default_factory=dict)

    def program(self) -> str:
        """Return the text of its program: OUTPUT ARGUMENT INPUTS…"""
        copied = "" if self.drops_inputs else 'cat "$@" /dev/null; '
        return f'#!/bin/sh\n# {self.comment}\nout=$1 argument=$2; shift 2\n{{ echo "{self.line} $argument $TAG"; {copied}}} > "$out"\n'

    def output(self, contents: dict[str, str]) -> str:
        """Return what it writes, given the contents of the files."""
        copied = "" if self.drops_inputs else "".join(contents[lfn] for lfn in self.reads)
        return f"{self.line} {self.argument or '-'} {self.tag}\n{copied}"

    def ingredients(self, contents: dict[str, str]) -> tuple[object, ...]:
        """Return what must be the same for its output to count again."""
        reads = tuple(sorted((lfn, contents[lfn]) for lfn in self.reads))
        return self.program(), self.argument, self.tag, self.makes, tuple(self.reads), reads


@dataclass
class Ran:
    """What a run did."""

    planned: Planned
    submit_dir: Path
    state: str
    executed: list[str]
    """Ids of the tasks of which a process ran, sorted."""
    reused: list[str]
    """Ids of the tasks that were left out, sorted."""
    cut_off: list[str]
    """Ids of the tasks that were planned, and brought from an earlier run."""
    jobs: int
    moved: list[str]
    """Lfns that transfers moved, sorted."""


@dataclass
class Lab:
    """A directory with a workflow, its files, and an index and a store of its own."""

    path: Path
    steps: list[Step] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    program_type: str = "stageable"
    programs: Path | None = None
    """Directory of the programs; `bin` if None."""
    site: str = "condorpool"
    """Where jobs run, and installed programs are."""

    @property
    def results(self) -> Path:
        """Where results are delivered."""
        return self.path / "wf-output"

    @property
    def store(self) -> Path:
        """The content store."""
        return self.path / "store"

    def write(self) -> None:
        """Write all documents, programs and inputs; a file that has its text already is left alone."""
        programs = self.programs or self.path / "bin"
        for lfn, text in self.inputs.items():
            _write(self.path / "data" / lfn, text)
        for step in self.steps:
            _write(programs / step.name, step.program(), 0o755)
        site = "local" if self.program_type == "stageable" else self.site
        transformations = [
            {
                "name": f"tool_{step.name}",
                "sites": [{"name": site, "type": self.program_type, "pfn": str(programs / step.name)}],
            }
            for step in self.steps
        ]
        replicas = [
            {"lfn": lfn, "pfns": [{"site": "local", "pfn": str(self.path / "data" / lfn)}]}
            for lfn in self.inputs
        ]
        document = {
            "pegasus": "5.0.4",
            "name": "lab",
            "replicaCatalog": {"replicas": replicas},
            "transformationCatalog": {"transformations": transformations},
            "jobs": [_job(step) for step in self.steps],
        }
        (self.path / "workflow.yml").write_text(json.dumps(document))

    def plan_options(self) -> PlanOptions:
        """Return the options with which it is planned."""
        properties = {
            "markab.reuse.index": str(self.path / "index.db"),
            "markab.reuse.store": str(self.store),
            **self.properties,
        }
        given = {"output_sites": ["local"], "reuse_policy": "content", "sites": [self.site], **self.options}
        return PlanOptions(workflow=Path("workflow.yml"), directory=self.path, properties=properties, **given)

    def plan(self) -> Planned:
        """Write it, and plan it."""
        self.write()
        return operations.plan(self.plan_options())

    def run(self) -> Ran:
        """Write it, plan it and run it."""
        planned = self.plan()
        assert planned.submit_dir is not None
        outcome = engine.run(planned.submit_dir, engine.RunOptions(cores=2))
        return what_ran(planned, outcome.state)

    def contents(self) -> dict[str, str]:
        """Return what a run from nothing makes, and its inputs."""
        contents = dict(self.inputs)
        for step in self.steps:
            contents[step.makes] = step.output(contents)
        return contents

    def expected_results(self) -> dict[str, str]:
        """Return what is to be delivered."""
        contents = self.contents()
        return {step.makes: contents[step.makes] for step in self.steps if step.is_result}

    def delivered(self) -> dict[str, str]:
        """Return the results of the present workflow, as they were delivered."""
        found = {}
        for lfn in self.expected_results():
            if (path := self.results / lfn).is_file():  # a FIFO would never be read
                found[lfn] = path.read_text()
        return found


def what_ran(planned: Planned, state: str) -> Ran:
    """Return what a run did that was planned and has ended."""
    assert planned.submit_dir is not None
    place = SubmitDir(planned.submit_dir)
    plan = PlanFile(place.plan)
    executed, cut_off, moved = [], [], []
    for body in JournalReader(place.journal).bodies():
        entry = _decode(body)
        if isinstance(entry, AttemptEnd):
            job = plan.job(entry.job)
            executed += [invocation.task for invocation in entry.record.invocations]
            moved += [one.lfn for one in entry.record.transfers]
            if job.kind is Kind.COMPUTE and entry.record.reused is not None:
                cut_off += [task.id for task in job.tasks]
    reused = [task.task for task in read_reused_tasks(place.reused)]
    return Ran(
        planned,
        planned.submit_dir,
        state,
        sorted(executed),
        sorted(reused),
        sorted(cut_off),
        len(plan),
        sorted(moved),
    )


def chain(*names: str, is_result: Sequence[str] = ()) -> list[Step]:
    """Return steps of which each reads what the one before made; the last output is a result, and those named."""
    steps = []
    read = "in"
    for name in names:
        is_last = name == names[-1]
        steps.append(Step(name, [read], f"{name}.out", line=name, is_result=is_last or name in is_result))
        read = f"{name}.out"
    return steps


def _job(step: Step) -> dict[str, Any]:
    uses: list[dict[str, Any]] = [{"lfn": lfn, "type": "input"} for lfn in step.reads]
    delivery = {} if step.is_result else {"stageOut": False, "registerReplica": False}
    uses.append({"lfn": step.makes, "type": "output", **delivery})
    job = {
        "type": "job",
        "name": f"tool_{step.name}",
        "id": step.name,
        "arguments": [step.makes, step.argument or "-", *step.reads],
        "uses": uses,
        "profiles": {"env": {"TAG": step.tag}},
    }
    return {**job, **step.keys}


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    with suppress(FileNotFoundError):
        if path.read_text() == text:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(text)
    part.chmod(mode)
    os.replace(part, path)
