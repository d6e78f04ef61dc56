"""How long the pictures of a run take, and how much memory.

    python benchmarks/draw_run.py [JOBS]

The run is made by the real engine with an executor whose jobs take no time. Each format
of `graph`, and `report`, is a program of its own: prints its wall time, its processor
time (on a busy machine only that means something), its peak of memory, and the size of
what it wrote. PNG and PDF are left out where there is no Graphviz.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from engine import InstantExecutor
from markab.engine.back_ends import BackEnd
from markab.engine.run import RunOptions, run
from provenance import make_plan

PICTURES = ("graph.dot", "graph.mmd", "graph.json", "graph.svg", "graph.png", "graph.pdf", "report.html")
BY_GRAPHVIZ = (".png", ".pdf")


def measure(directory: Path, name: str) -> None:
    written = directory / name
    words = [sys.executable, "-m", "markab", written.stem, str(directory), "-o", str(written)]
    start_s = time.perf_counter()
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} failed with {process.returncode}")
    wall_s, cpu_s = time.perf_counter() - start_s, usage.ru_utime + usage.ru_stime
    print(
        f"{name:<14}{wall_s:>8.2f} s {cpu_s:>8.2f} s of a processor {usage.ru_maxrss / 1024:>8,.0f} MB"
        f"{written.stat().st_size / 1e6:>8,.2f} MB written",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("jobs", type=int, nargs="?", default=100_000)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        make_plan(arguments.make, arguments.jobs)
        back_ends = {"local": BackEnd(InstantExecutor, is_here=True)}
        run(arguments.make, RunOptions(cores=64), back_ends=back_ends)
        return
    with tempfile.TemporaryDirectory(prefix="markab-bench-") as name:
        # In a process of its own: a child begins with the peak of memory of the process it comes from.
        subprocess.run([sys.executable, __file__, str(arguments.jobs), "--make", name], check=True)
        print(f"{arguments.jobs:,} jobs")
        for picture in PICTURES:
            if shutil.which("dot") or not picture.endswith(BY_GRAPHVIZ):
                measure(Path(name), picture)


if __name__ == "__main__":
    main()
