"""A run for the benchmarks that ask about one, and what a program costs that is asked.

The run is made by the real engine with an executor whose jobs take no time, in a process
of its own: a child begins with the peak of memory of the process it comes from.

    python benchmarks/_made_run.py DIRECTORY JOBS
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """What a program took; on a busy machine only the processor time means something."""

    wall_s: float
    cpu_s: float
    peak_mb: float

    def __str__(self) -> str:
        return f"{self.wall_s:>8.2f} s {self.cpu_s:>8.2f} s of a processor {self.peak_mb:>8,.0f} MB"


def make_run(directory: Path, jobs: int) -> None:
    """Make a run of so many jobs in `directory`, which is there and empty."""
    subprocess.run([sys.executable, __file__, str(directory), str(jobs)], check=True)


def cost_of(words: Sequence[str | Path]) -> Cost:
    """Run a Python program with these words; what it prints is dropped.

    Raises:
        SystemExit: it failed.
    """
    start_s = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, words))} failed with {process.returncode}")
    return Cost(time.perf_counter() - start_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _make(directory: Path, jobs: int) -> None:
    from engine import InstantExecutor
    from markab.engine.run import RunOptions, run
    from provenance import make_plan

    make_plan(directory, jobs)
    run(directory, RunOptions(cores=64), back_ends={"local": lambda site: InstantExecutor()})


if __name__ == "__main__":
    _make(Path(sys.argv[1]), int(sys.argv[2]))
