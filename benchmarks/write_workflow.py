"""Builds a workflow of many small jobs through the API and writes it; prints rates and peak memory.

    python benchmarks/write_workflow.py [JOBS] [--format yml|json]

Each job has one input, one output and two arguments; one job reads all outputs
of the last thousand. The reference is writing the same number of jobs from
plain data made on the fly, which shows what the builders and the inference cost.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from markab.api import Job, Workflow
from markab.spec.writer import emit, emit_json


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def build(jobs: int) -> Workflow:
    workflow = Workflow("many")
    for i in range(jobs - 1):
        workflow.add_jobs(
            Job("convert")
            .add_args("-i", f"raw_{i}.dat")
            .add_inputs(f"raw_{i}.dat")
            .add_outputs(f"out_{i}.dat")
        )
    last = [f"out_{i}.dat" for i in range(max(0, jobs - 1001), jobs - 1)]
    return workflow.add_jobs(Job("merge").add_inputs(*last).add_outputs("result.dat"))


def plain(jobs: int) -> Iterator[dict[str, Any]]:
    for i in range(jobs):
        yield {
            "type": "job",
            "name": "convert",
            "id": f"ID{i:07d}",
            "arguments": ["-i", f"raw_{i}.dat"],
            "uses": [
                {"lfn": f"raw_{i}.dat", "type": "input"},
                {"lfn": f"out_{i}.dat", "type": "output", "stageOut": True, "registerReplica": True},
            ],
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("jobs", nargs="?", type=int, default=100_000)
    parser.add_argument("--format", choices=("yml", "json"), default="yml")
    arguments = parser.parse_args()
    jobs: int = arguments.jobs

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / f"workflow.{arguments.format}"

        start = time.perf_counter()
        with path.open("w", encoding="utf-8") as file:
            {"yml": emit, "json": emit_json}[arguments.format]({"jobs": plain(jobs)}, file.write)
        reference_s = time.perf_counter() - start
        before_mb = peak_mb()

        start = time.perf_counter()
        workflow = build(jobs)
        build_s = time.perf_counter() - start
        built_mb = peak_mb()

        start = time.perf_counter()
        workflow.write(path)
        write_s = time.perf_counter() - start
        size_mb = os.path.getsize(path) / 1e6

    print(f"{jobs:,} jobs, {size_mb:.1f} MB of {arguments.format}")
    print(f"plain data, written  {jobs / reference_s:10,.0f} jobs/s   peak {before_mb:7.0f} MB")
    print(f"API objects, built   {jobs / build_s:10,.0f} jobs/s   peak {built_mb:7.0f} MB")
    print(f"API objects, written {jobs / write_s:10,.0f} jobs/s   peak {peak_mb():7.0f} MB")


if __name__ == "__main__":
    main()
