"""Small workflows for tests of the linter: documents are written as JSON, a key a line, and checked for real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from markab import operations
from markab.lint.finding import Finding
from markab.planner.options import PlanOptions

Entry = dict[str, Any]


def job(
    name: str, arguments: str = "", reads: str = "", makes: str = "", tool: str = "cat", **keys: Any
) -> Entry:
    """Return an entry of `jobs:`; files are named in one string, and made ones with `-` behind them are not kept."""
    uses: list[Entry] = [{"lfn": lfn, "type": "input"} for lfn in reads.split()]
    uses += [
        {
            "lfn": lfn.rstrip("-"),
            "type": "output",
            "stageOut": not lfn.endswith("-"),
            "registerReplica": False,
        }
        for lfn in makes.split()
    ]
    return {"type": "job", "name": tool, "id": name, "arguments": arguments.split(), "uses": uses, **keys}


class LintedProject:
    """A directory with a workflow and what it needs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.replicas: list[Entry] = []
        self.transformations: list[Entry] = []
        self.document: Entry = {}

    def data(self, *names: str) -> None:
        """Put files there, and enter them into the replica catalog."""
        for name in names:
            path = self.directory / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("1\n")
            self.replicas.append({"lfn": name, "pfns": [{"site": "local", "pfn": str(path)}]})

    def program(self, name: str, text: str, **keys: Any) -> Path:
        """Put a program there, and enter it into the transformation catalog."""
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o755)
        at = {"name": "local", "type": "stageable", "pfn": str(path)}
        self.transformations.append({"name": name, "sites": [at], **keys})
        return path

    def write(self, *jobs: Entry, **keys: Any) -> PlanOptions:
        """Write the workflow; return the options with which to check it."""
        self.document = {
            "pegasus": "5.0.4",
            "name": "w",
            "replicaCatalog": {"replicas": self.replicas},
            "transformationCatalog": {"transformations": self.transformations},
            "jobs": list(jobs),
            **keys,
        }
        path = self.directory / "workflow.yml"
        path.write_text(json.dumps(self.document, indent=1))
        return PlanOptions(workflow=path, directory=self.directory)

    def findings(self, *jobs: Entry, off: tuple[str, ...] = (), **keys: Any) -> list[Finding]:
        """Return what the linter finds in a workflow of these jobs."""
        return operations.lint(self.write(*jobs, **keys), off).findings

    def codes(self, *jobs: Entry, **keys: Any) -> list[str]:
        """Return the codes of what it finds."""
        return [finding.code for finding in self.findings(*jobs, **keys)]
