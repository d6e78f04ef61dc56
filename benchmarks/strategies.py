"""What a mosaic costs under each strategy: jobs, transfers, bytes and scratch space; planned, and some of it run.

    python benchmarks/strategies.py [--width 40] [--run-width 12]

The workflow has the shape of Montage on a square of images: each is projected; each pair of neighbours is compared; one job
fits all differences; each image is corrected; the corrected ones are added tile by tile; the tiles become one mosaic.
Scratch is the most bytes at any time: "planned", if the jobs run one after the other in the order of the plan (with
`constraint`, in the order that the plan names), and "measured", while it runs, by adding up the files every few milliseconds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from common import markab, run_measured

from markab.plan.model import Kind, PlannedJob
from markab.plan.plan_file import PlanFile

CLEANUPS = ("none", "leaf", "inplace", "constraint")
CLUSTERS = ("none", "horizontal", "label", "whole")
DATA = ("sharedfs", "nonsharedfs", "condorio")
RAW, PROJECTED, DIFFERENCE, FIT = 20_000, 40_000, 4_000, 1_000
MARKER = ".markab"
"""Says whose scratch directory it is: no file of the workflow."""
TILE = 4
"""Images along an edge of a tile."""

PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int words, char **word) {
    static char block[65536];
    memset(block, 'm', sizeof block);
    for (int at = 1; at + 1 < words; at += 2) {
        FILE *file = fopen(word[at], "w");
        if (!file) return 1;
        for (long left = atol(word[at + 1]); left > 0; left -= sizeof block)
            fwrite(block, 1, left < (long)sizeof block ? left : (long)sizeof block, file);
        if (fclose(file)) return 2;
    }
    return 0;
}
"""
SCRIPT = """#!/bin/sh
while [ $# -gt 1 ]; do head -c "$2" /dev/zero | tr '\\0' m > "$1" || exit 1; shift 2; done
"""

Entry = dict[str, Any]


def make_program(directory: Path) -> Path:
    """Return a program that writes files: `program NAME BYTES …`."""
    program = directory / "write"
    if compiler := shutil.which("cc"):
        (directory / "write.c").write_text(PROGRAM)
        subprocess.run([compiler, "-O2", "-o", program, directory / "write.c"], check=True)
    else:
        program.write_text(SCRIPT)
        program.chmod(0o755)
    return program


def task(
    name: str, number: str, label: str, reads: Sequence[str], makes: dict[str, int], last: bool = False
) -> Entry:
    """Return an entry of `jobs:`."""
    uses: list[Entry] = [{"lfn": lfn, "type": "input"} for lfn in reads]
    uses += [
        {"lfn": lfn, "type": "output", "size": size, "stageOut": last, "registerReplica": last}
        for lfn, size in makes.items()
    ]
    arguments = [str(word) for pair in makes.items() for word in pair]
    return {
        "type": "job",
        "name": name,
        "id": f"{name}_{number}",
        "arguments": arguments,
        "uses": uses,
        "profiles": {"pegasus": {"label": label}},
    }


def tasks(width: int) -> Iterator[Entry]:
    """Yield the tasks of a mosaic of width × width images."""
    places = list(itertools.product(range(width), repeat=2))
    differences = []
    for row, column in places:
        yield task(
            "project",
            f"{row}_{column}",
            f"project{row}",
            [f"raw_{row}_{column}"],
            {f"projected_{row}_{column}": PROJECTED},
        )
    for row, column in places:
        for other in ((row, column + 1), (row + 1, column)):
            if max(other) < width:
                name = f"{row}_{column}_{other[0]}_{other[1]}"
                differences.append(f"difference_{name}")
                reads = [f"projected_{row}_{column}", f"projected_{other[0]}_{other[1]}"]
                yield task("compare", name, f"compare{row}", reads, {f"difference_{name}": DIFFERENCE})
    yield task("fit", "all", "fit", differences, {"corrections": FIT})
    for row, column in places:
        reads = [f"projected_{row}_{column}", "corrections"]
        yield task(
            "correct", f"{row}_{column}", f"correct{row}", reads, {f"corrected_{row}_{column}": PROJECTED}
        )
    tiles = list(itertools.product(range(0, width, TILE), repeat=2))
    for top, left in tiles:
        inside = itertools.product(range(top, min(top + TILE, width)), range(left, min(left + TILE, width)))
        reads = [f"corrected_{row}_{column}" for row, column in inside]
        yield task(
            "add", f"{top}_{left}", f"add{top}", reads, {f"tile_{top}_{left}": len(reads) * PROJECTED // 2}
        )
    reads = [f"tile_{top}_{left}" for top, left in tiles]
    yield task("shrink", "all", "shrink", reads, {"mosaic": width * width * PROJECTED // 8}, last=True)


def write_workflow(width: int, directory: Path) -> int:
    """Write workflow, catalogs and inputs; return the number of tasks."""
    program = make_program(directory)
    (directory / "raw").mkdir()
    replicas = []
    for row, column in itertools.product(range(width), repeat=2):
        path = directory / "raw" / f"{row}_{column}"
        path.write_bytes(b"r" * RAW)
        replicas.append({"lfn": f"raw_{row}_{column}", "pfns": [{"site": "local", "pfn": str(path)}]})
    jobs = list(tasks(width))
    places = [{"name": "disk", "type": "installed", "pfn": str(program)}]
    names = dict.fromkeys(job["name"] for job in jobs)
    scratch = directory / "scratch"
    servers = [{"url": f"file://{scratch}", "operation": "all"}]
    local = [{"type": "sharedScratch", "path": str(scratch), "fileServers": servers}]
    documents = {
        "workflow": {"name": "mosaic", "jobs": jobs},
        "replicas": {"replicas": replicas},
        "transformations": {"transformations": [{"name": name, "sites": places} for name in names]},
        "sites": {"sites": [{"name": name, "directories": local} for name in ("local", "disk")]},
    }
    for name, document in documents.items():
        (directory / f"{name}.yml").write_text(json.dumps({"pegasus": "5.0.4", **document}))
    return len(jobs)


def flags(cleanup: str, cluster: str, data: str) -> list[str]:
    """Return the flags of a strategy."""
    words = [
        "--sites",
        "disk",
        "--output-dir",
        "out",
        "--cleanup",
        cleanup,
        "-D",
        f"pegasus.data.configuration={data}",
    ]
    if cluster != "none":
        words += ["--cluster", cluster, "-D", "pegasus.clusters.size=10"]
    return words


def sizes_of(width: int) -> dict[str, int]:
    """Return lfn → bytes of every file."""
    outputs = {
        use["lfn"]: use["size"] for job in tasks(width) for use in job["uses"] if use["type"] == "output"
    }
    return {f"raw_{row}_{column}": RAW for row, column in itertools.product(range(width), repeat=2)} | outputs


def planned_peak(jobs: Sequence[PlannedJob], sizes: dict[str, int]) -> int:
    """Return the most bytes in scratch, if the jobs run one after the other."""
    if any(job.space for job in jobs):  # what has no place in the order changes nothing in scratch
        jobs = sorted((job for job in jobs if job.space), key=lambda job: job.space.order if job.space else 0)
    used = peak = 0
    for job in jobs:
        copies = 0
        if job.kind is Kind.COMPUTE:
            used += sum(sizes[one.lfn] for one in job.outputs)
            copies = sum(sizes[one.lfn] for one in job.inputs) if job.data != "sharedfs" else 0
        elif job.kind is Kind.STAGE_IN:
            used += sum(sizes[one.lfn] for one in job.transfers)
        peak = max(peak, used + copies)
        used -= sum(sizes[lfn] for lfn in job.removes)
    return peak


class ScratchWatch:
    """Adds up the files below a directory again and again, in a thread; a file with several names counts once."""

    def __init__(self, directory: Path) -> None:
        self.peak = 0
        self._directory = directory
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> ScratchWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_over.wait(0.01):
            found: dict[int, int] = {}
            self._add(str(self._directory), found)
            self.peak = max(self.peak, sum(found.values()))

    def _add(self, directory: str, found: dict[int, int]) -> None:
        try:
            for entry in os.scandir(directory):
                if entry.is_dir(follow_symlinks=False):
                    self._add(entry.path, found)
                elif entry.name != MARKER and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    found[status.st_ino] = status.st_size
        except FileNotFoundError:
            return


def row(*cells: object) -> str:
    """Return a row of a table."""
    return "| " + " | ".join(map(str, cells)) + " |"


def show_plans(width: int, directory: Path) -> None:
    """Plan under every strategy, and print the numbers."""
    number, sizes = write_workflow(width, directory), sizes_of(width)
    print(f"{width} × {width} images, {number:,} tasks, {sum(sizes.values()) / 1e6:.0f} MB of files\n")
    print(
        row(
            "data",
            "clustering",
            "cleanup",
            "jobs",
            "cleanup jobs",
            "transfers",
            "staged, MB",
            "scratch planned, MB",
            "planning, processor s",
        )
    )
    print(row(*["---"] * 9))
    for data, cluster, cleanup in itertools.product(DATA, CLUSTERS, CLEANUPS):
        strategy = flags(cleanup, cluster, data)
        words = markab(
            "plan", "-q", "--force", *strategy, *bound(10**12), "--relative-dir", "plan", "workflow.yml"
        )
        before = processor_s()
        run_measured(words, directory)
        seconds = processor_s() - before
        file = PlanFile(directory / "plan" / "plan.jsonl")
        jobs = list(file.jobs())
        file.close()
        moved = [transfer for job in jobs for transfer in job.transfers]
        cleaning = sum(job.kind is Kind.CLEANUP for job in jobs)
        peak = planned_peak(jobs, sizes)
        if cleanup == "constraint":
            peak = least_bound(strategy, directory)
        staged = sum(sizes[one.lfn] for one in moved) / 1e6
        numbers = f"{len(jobs):,}", f"{cleaning:,}", f"{len(moved):,}", f"{staged:.0f}", f"{peak / 1e6:.1f}"
        print(row(data, cluster, cleanup, *numbers, f"{seconds:.1f}"), flush=True)
        shutil.rmtree(directory / "plan")


def processor_s() -> float:
    """Return the processor time of the commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def bound(most_bytes: int) -> list[str]:
    """Return the flags that bound scratch; they do nothing unless the cleanup is `constraint`."""
    return ["-D", f"pegasus.file.cleanup.constraint.maxspace={most_bytes}"]


def least_bound(strategy: Sequence[str], directory: Path) -> int:
    """Return the bound that the planner says is enough, when it is asked for one of a byte."""
    words = markab("plan", "-q", *strategy, *bound(1), "--dry-run", "workflow.yml")
    told = subprocess.run([str(word) for word in words], cwd=directory, capture_output=True, text=True)
    return int(told.stderr.partition(".maxspace=")[2].partition("`")[0])


def show_runs(width: int, directory: Path) -> None:
    """Run under some strategies, and print how full scratch was."""
    number, sizes = write_workflow(width, directory), sizes_of(width)
    print(f"\n{width} × {width} images, {number:,} tasks, {sum(sizes.values()) / 1e6:.1f} MB of files; run\n")
    print(
        row("data", "clustering", "cleanup", "bound, MB", "scratch planned, MB", "measured, MB", "running, s")
    )
    print(row(*["---"] * 7))
    for data, cluster, cleanup in itertools.product(
        DATA, ("none", "horizontal"), (*CLEANUPS, "constraint × 1.2", "constraint × 2")
    ):
        word, _, factor = cleanup.partition(" × ")
        strategy = flags(word, cluster, data)
        most = int(least_bound(strategy, directory) * float(factor or 1)) if word == "constraint" else 10**12
        words = markab("plan", "-q", *strategy, *bound(most), "--relative-dir", "run", "workflow.yml")
        run_measured(words, directory)
        file = PlanFile(directory / "run" / "plan.jsonl")
        peak = planned_peak(list(file.jobs()), sizes)
        file.close()
        with ScratchWatch(directory / "scratch") as watch:
            seconds, _ = run_measured(markab("run", "-q", "run"), directory)
        assert word != "constraint" or watch.peak <= most, f"scratch had {watch.peak} bytes, above {most}"
        limit = f"{most / 1e6:.2f}" if word == "constraint" else ""
        print(
            row(data, cluster, word, limit, f"{peak / 1e6:.2f}", f"{watch.peak / 1e6:.2f}", f"{seconds:.1f}"),
            flush=True,
        )
        for name in ("run", "scratch", "out"):
            shutil.rmtree(directory / name, ignore_errors=True)
        time.sleep(0.1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=int, default=40)
    parser.add_argument("--run-width", type=int, default=12)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="markab-bench-") as name:
        for width, show in ((arguments.width, show_plans), (arguments.run_width, show_runs)):
            directory = Path(name) / show.__name__
            directory.mkdir()
            if width:
                show(width, directory)


if __name__ == "__main__":
    main()
