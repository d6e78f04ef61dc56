"""Sub-workflows beside the same jobs in one workflow.

Usage: python benchmarks/nested.py [--children N] [--wide-children N] [--jobs N] [--directory D]

1. One-task sub-workflows beside plain jobs: the difference for each is what a sub-workflow costs, which is
   planned in a process beside the engine, opened, run and recorded.
2. A few sub-workflows of many jobs beside one workflow of all of them: the time a job takes in each.

Nothing is delivered and the scratch is kept, so that both sides have the jobs that the user asked for and little else.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import markab, run_measured


def task(number: int) -> dict[str, Any]:
    """Return a task that does nothing."""
    return {"type": "job", "name": "true", "id": f"j{number}", "arguments": [], "uses": []}


def child(number: int) -> dict[str, Any]:
    """Return a task that is a sub-workflow."""
    use = {"lfn": "inner.yml", "type": "input", "forPlanning": True}
    return {
        "type": "pegasusWorkflow",
        "file": "inner.yml",
        "id": f"s{number}",
        "arguments": [],
        "uses": [use],
    }


def write_workflow(name: str, jobs: Sequence[dict[str, Any]], inner: int, directory: Path) -> None:
    """Write a workflow, the one of `inner` jobs that its sub-workflows have, and the catalogs."""
    pfn = {"name": "local", "type": "installed", "pfn": "/bin/true"}
    place = {"site": "local", "pfn": str(directory / "inner.yml")}
    documents: dict[str, dict[str, Any]] = {
        "inner": {"name": "inner", "jobs": [task(number) for number in range(inner)]},
        "workflow": {"name": name, "jobs": list(jobs)},
        "transformations": {"transformations": [{"name": "true", "sites": [pfn]}]},
        "replicas": {"replicas": [{"lfn": "inner.yml", "pfns": [place]}]},
    }
    for file, document in documents.items():
        (directory / f"{file}.yml").write_text(json.dumps({"pegasus": "5.0.4", **document}))


def seconds(name: str, jobs: Sequence[dict[str, Any]], inner: int) -> float:
    """Return how long a run takes, without the planning of its root."""
    with tempfile.TemporaryDirectory(prefix="markab-bench-", dir=OPTIONS.directory) as folder:
        directory = Path(folder)
        write_workflow(name, jobs, inner, directory)
        words = ("--sites", "local", "--cleanup", "none", "--relative-dir", "run", "workflow.yml")
        run_measured(markab("plan", *words), directory)
        took, _ = run_measured(markab("run", "-q", directory / "run"), directory)
        return took


def main() -> None:
    """Print both comparisons."""
    number = OPTIONS.children
    plain = seconds("flat", [task(n) for n in range(number)], 1)
    nested = seconds("nested", [child(n) for n in range(number)], 1)
    print(f"{number:,} plain jobs: {plain:.2f} s; as sub-workflows of one task: {nested:.2f} s")
    print(f"a sub-workflow costs {(nested - plain) / number * 1000:.1f} ms more than a plain job")
    wide, jobs = OPTIONS.wide_children, OPTIONS.jobs
    flat = seconds("flat", [task(n) for n in range(wide * jobs)], 1)
    tree = seconds("tree", [child(n) for n in range(wide)], jobs)
    total = wide * jobs
    print(f"{total:,} jobs in one workflow: {flat:.2f} s, {flat / total * 1000:.2f} ms each")
    print(f"in {wide:,} sub-workflows of {jobs:,}: {tree:.2f} s, {tree / total * 1000:.2f} ms each")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--children", type=int, default=1000)
    parser.add_argument("--wide-children", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--directory", default=None)
    OPTIONS = parser.parse_args()
    sys.exit(main())
