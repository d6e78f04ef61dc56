"""How long each export of a run takes, and how much memory.

    python benchmarks/export_run.py [JOBS]

The run is made by the real engine with an executor whose jobs take no time; its
workflow document is as large as that of a real one. Each export is a program of its own:
prints its wall time, its processor time (on a busy machine only that means something),
its peak of memory, and the size of what it wrote. A copy of the files in `pegasus`, with
as little around it as Python allows, is the reference for that format.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine import InstantExecutor
from markab.engine.back_ends import BackEnd
from markab.engine.run import RunOptions, run
from markab.reports.exports.export import FORMATS
from markab.spec.write import emit
from provenance import make_plan


def make_run(directory: Path, jobs: int) -> None:
    directory.mkdir()
    make_plan(directory, jobs)
    write_document(directory / "catalogs/workflow.yml", jobs)
    run(directory, RunOptions(cores=64), back_ends={"local": BackEnd(InstantExecutor, is_here=True)})


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


def measure(name: str, start: Callable[[], subprocess.Popen[bytes]], written: Path) -> None:
    start_s = time.perf_counter()
    process = start()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name} failed with {process.returncode}")
    wall_s, cpu_s = time.perf_counter() - start_s, usage.ru_utime + usage.ru_stime
    size = sum(path.stat().st_size for path in [written, *written.rglob("*")] if path.is_file())
    print(
        f"{name:<16}{wall_s:>8.1f} s {cpu_s:>8.1f} s of a processor {usage.ru_maxrss / 1024:>8,.0f} MB"
        f"{size / 1e6:>8,.0f} MB written",
        flush=True,
    )


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
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--copy", type=Path, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        make_run(arguments.make, arguments.jobs)
        return
    if arguments.copy:
        copy_files(*arguments.copy)
        return
    with tempfile.TemporaryDirectory(prefix="markab-bench-") as name:
        directory = Path(name)
        # In a process of its own: a child begins with the peak of memory of the process it comes from.
        subprocess.run([sys.executable, __file__, str(arguments.jobs), "--make", f"{name}/run"], check=True)
        print(f"{arguments.jobs:,} jobs")
        for format in arguments.formats:
            written = directory / format
            words = ["export", f"{name}/run", "--quiet", "--format", format, "-o", str(written)]
            measure(
                format,
                lambda words=words: subprocess.Popen([sys.executable, "-m", "markab", *words]),
                written,
            )
            if format == "pegasus":
                copied = directory / "copied"
                words = ["--copy", str(written), str(copied)]
                measure(
                    " bare copy",
                    lambda words=words: subprocess.Popen([sys.executable, __file__, *words]),
                    copied,
                )
                shutil.rmtree(copied)
            shutil.rmtree(written) if written.is_dir() else written.unlink()


if __name__ == "__main__":
    main()
