"""How long each export of a run takes, and how much memory.

    python benchmarks/export_run.py [JOBS]

The workflow document of the run is as large as that of a real one. Each export is a program
of its own: prints its wall time, its processor time, its peak of memory, and the size of
what it wrote. A copy of the files in `pegasus`, with
as little around it as Python allows, is the reference for that format.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _made_run import cost_of, make_run

from markab.reports.exports.formats import FORMATS
from markab.spec.writer import emit


def write_document(path: Path, jobs: int) -> None:
    """Write what a user would have planned to get the plan of `make_plan`."""
    path.parent.mkdir()
    site = {"name": "local", "pfn": "/bin/true", "type": "installed"}
    with open(path, "w", encoding="utf-8") as file:
        emit(
            {
                "pegasus": "5.0.4",
                "name": "bench",
                "transformationCatalog": {"transformations": [{"name": "work", "sites": [site]}]},
                "replicaCatalog": {
                    "replicas": [{"lfn": "in", "pfns": [{"site": "local", "pfn": "/data/in"}]}]
                },
                "jobs": _tasks(jobs - 1),
            },
            file.write,
        )


def _tasks(count: int) -> Iterator[dict[str, Any]]:
    reads = {"lfn": "in", "type": "input"}
    for number in range(count):
        makes = {"lfn": f"out{number}", "type": "output", "stageOut": True, "registerReplica": True}
        yield {
            "type": "job",
            "name": "work",
            "id": f"ID{number:07d}",
            "arguments": ["-i", "in"],
            "uses": [reads, makes],
        }


def size_of(written: Path) -> int:
    """Return the size in bytes of a file, or of all files below a directory."""
    return sum(path.stat().st_size for path in [written, *written.rglob("*")] if path.is_file())


def copy_files(source: Path, target: Path) -> None:
    """Write the same files with the same names, and do nothing else."""
    for folder, _, names in os.walk(source):
        there = target / os.path.relpath(folder, source)
        there.mkdir(parents=True, exist_ok=True)
        for name in names:
            with open(f"{folder}/{name}", "rb") as old:
                text = old.read()
            with open(f"{there}/{name}", "wb") as new:
                new.write(text)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("jobs", type=int, nargs="?", default=100_000)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--copy", type=Path, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.copy:
        copy_files(*arguments.copy)
        return
    with tempfile.TemporaryDirectory(prefix="markab-bench-") as name:
        directory = Path(name)
        (directory / "run").mkdir()
        make_run(directory / "run", arguments.jobs)
        write_document(directory / "run/catalogs/workflow.yml", arguments.jobs)
        print(f"{arguments.jobs:,} jobs")
        for format in arguments.formats:
            written = directory / format
            cost = cost_of(["-m", "markab", "export", f"{name}/run", "--format", format, "-o", written])
            print(f"{format:<12}{cost} {size_of(written) / 1e6:>8,.0f} MB written", flush=True)
            if format == "pegasus":
                copied = directory / "copied"
                print(f" bare copy  {cost_of([__file__, '--copy', written, copied])}", flush=True)
                shutil.rmtree(copied)
            shutil.rmtree(written) if written.is_dir() else written.unlink()


if __name__ == "__main__":
    main()
