"""What the benchmarks share: making workflows, timing commands, printing rows."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def run_measured(argv: Sequence[str | Path], cwd: Path) -> tuple[float, float]:
    """Run a command; return its wall time in seconds and its peak resident memory in MB.

    Raises:
        SystemExit: the command failed; its output is shown.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in argv], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    elapsed = time.perf_counter() - start
    if process.returncode:
        sys.stderr.write(output.decode(errors="replace"))
        raise SystemExit(f"{argv[0]} {argv[1]} … failed with {process.returncode}")
    return elapsed, usage.ru_maxrss / 1024


def processor_seconds(argv: Sequence[str | Path], cwd: Path) -> tuple[float, float]:
    """Run a command; return its wall time, and the time that it and its children had a processor, in seconds.

    Raises:
        SystemExit: the command failed; its output is shown.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall_s = run_measured(argv, cwd)[0]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def medians(rounds: int, contestants: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Return the median of each contestant; they take turns, so that a busy machine is fair to all."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            taken[name].append(contestant())
    return {name: statistics.median(values) for name, values in taken.items()}


def markab(*words: str | Path) -> list[str | Path]:
    """Return the command line that runs this Markab."""
    return [sys.executable, "-m", "markab", *words]


def peak_mb() -> float:
    """Return the peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
