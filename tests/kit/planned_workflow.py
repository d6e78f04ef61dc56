"""Small workflows for planner tests: documents are written as JSON, which is YAML, and planned for real."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markab.plan.model import Header, Kind, PlannedJob
from markab.plan.plan_file import PlanFile
from markab.planner.options import PlanOptions
from markab.planner.passes import PASSES, Pass
from markab.planner.planning import Planned, plan

Entry = dict[str, Any]


def task(name: str, reads: str = "", makes: str = "", tool: str = "tool", **keys: Any) -> Entry:
    """Return an entry of `jobs:` that reads and makes files, named in one string."""
    uses: list[Entry] = [{"lfn": lfn, "type": "input"} for lfn in reads.split()]
    uses += [{"lfn": lfn, "type": "output"} for lfn in makes.split()]
    return {"type": "job", "name": tool, "id": name, "arguments": [], "uses": uses, **keys}


@dataclass
class Bench:
    """A directory with catalogs, in which workflows are planned."""

    path: Path
    replicas: list[Entry] = field(default_factory=list)
    sites: list[Entry] = field(default_factory=list)
    transformations: list[Entry] = field(default_factory=list)
    containers: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        tool = self.path / "bin" / "tool"
        tool.parent.mkdir()
        tool.write_text("#!/bin/sh\n")
        tool.chmod(0o755)
        self.transformations.append(
            {"name": "tool", "sites": [{"name": "condorpool", "type": "installed", "pfn": str(tool)}]}
        )

    def has(self, *lfns: str, **keys: Any) -> None:
        """Make input files and register them at site local."""
        for lfn in lfns:
            path = self.path / "data" / lfn
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"content of {lfn}\n")
            self.replicas.append({"lfn": lfn, "pfns": [{"site": "local", "pfn": str(path)}], **keys})

    def options(self, *tasks: Entry, workflow: Entry | None = None, **options: Any) -> PlanOptions:
        """Write the documents, and return the options that plan them."""
        head = {"pegasus": "5.0.4", "name": "w", **(workflow or {})}
        (self.path / "workflow.yml").write_text(json.dumps({**head, "jobs": list(tasks)}))
        for name in ("replicas", "sites", "transformations"):
            if entries := getattr(self, name):
                document = {"pegasus": "5.0.4", name: entries}
                if name == "transformations" and self.containers:
                    document["containers"] = self.containers
                (self.path / f"{name}.yml").write_text(json.dumps(document))
        return PlanOptions(workflow=Path("workflow.yml"), directory=self.path, **options)

    def plan(self, *tasks: Entry, passes: Sequence[tuple[str, Pass]] = PASSES, **options: Any) -> MadePlan:
        """Plan these tasks; results are delivered to site local unless the options say otherwise."""
        options.setdefault("output_sites", ["local"])
        planned = plan(self.options(*tasks, **options), passes=passes)
        assert planned.submit_dir is not None
        plan_file = PlanFile(planned.submit_dir / "plan.jsonl")
        return MadePlan(planned, plan_file.header, list(plan_file.jobs()))


@dataclass
class MadePlan:
    """A plan that was read back."""

    planned: Planned
    header: Header
    jobs: list[PlannedJob]

    def __getitem__(self, name: str) -> PlannedJob:
        return next(job for job in self.jobs if job.id == name)

    def names(self, kind: Kind | None = None) -> list[str]:
        """Return the ids of all jobs, or of one kind."""
        return [job.id for job in self.jobs if kind is None or job.kind is kind]

    def parents(self, name: str) -> set[str]:
        """Return the ids of a job's parents."""
        return {self.jobs[parent].id for parent in self[name].parents}

    def ancestors(self, name: str) -> set[str]:
        """Return the ids of all jobs that must be done before a job."""
        found: set[str] = set()
        stack = [name]
        while stack:
            new = self.parents(stack.pop()) - found
            found |= new
            stack.extend(new)
        return found
