"""How long the commands take that say what a run took and where it stands.

    python benchmarks/ask_run.py [JOBS]

The run is made by the real engine with an executor whose jobs take no time, and its
database is there already. Each command is a program of its own: prints its wall time,
its processor time (on a busy machine only that means something) and its peak of memory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from engine import InstantExecutor
from markab.engine.back_ends import BackEnd
from markab.engine.run import RunOptions, run
from markab.provenance.opening import open_database
from provenance import make_plan

COMMANDS = (
    "status",
    "analyze",
    "statistics",
    "statistics --json",
    "statistics -s transformations,time",
    "statistics -s all",
)


def measure(command: str, directory: Path) -> None:
    start_s = time.perf_counter()
    words = [sys.executable, "-m", "markab", *command.split(), str(directory)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall_s, cpu_s = time.perf_counter() - start_s, usage.ru_utime + usage.ru_stime
    print(f"{command:<36}{wall_s:>8.2f} s {cpu_s:>8.2f} s of a processor {usage.ru_maxrss / 1024:>8,.0f} MB")


def make_run(directory: Path, jobs: int) -> None:
    make_plan(directory, jobs)
    run(directory, RunOptions(cores=64), back_ends={"local": BackEnd(InstantExecutor, is_here=True)})
    open_database(directory).close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("jobs", type=int, nargs="?", default=100_000)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        make_run(arguments.make, arguments.jobs)
        return
    with tempfile.TemporaryDirectory(prefix="markab-bench-") as name:
        # In a process of its own: a child begins with the peak of memory of the process it comes from.
        subprocess.run([sys.executable, __file__, str(arguments.jobs), "--make", name], check=True)
        print(f"{arguments.jobs:,} jobs")
        for command in COMMANDS:
            measure(command, Path(name))


if __name__ == "__main__":
    main()
