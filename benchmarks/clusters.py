"""What clusters save: N independent tasks of a millisecond, one by one and in clusters.

    python benchmarks/clusters.py [--tasks 10000] [--size 100] [--rounds 3] [--asleep]

The task is a C program that is busy for a millisecond, or asleep; without a C compiler it is /bin/true. All keep two
tasks in flight. The times are those of `markab run`, start and end included: wall time, and the processor time of the
engine and all that it starts, which is what is left to compare on a busy machine. No way of starting the processes
can be faster than the bare loop.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

from common import markab, medians, run_measured
from run_jobs import WIDTH, bare_loop, write_workflow

ONE_BY_ONE = "markab run, one by one"
TASK = """
#include <time.h>
#include <unistd.h>
int main(void) {
    struct timespec begin, now;
    if (ASLEEP) return usleep(1000);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - begin.tv_sec) * 1000000000L + now.tv_nsec - begin.tv_nsec < 1000000L);
    return 0;
}
"""


def make_program(directory: Path, asleep: bool) -> str:
    """Return the program of the tasks."""
    compiler = shutil.which("cc")
    if compiler is None:
        return "/bin/true"
    (directory / "task.c").write_text(TASK)
    program = str(directory / "task")
    macro = f"-DASLEEP={int(asleep)}"
    subprocess.run([compiler, "-O2", "-static", macro, "-o", program, directory / "task.c"], check=True)
    return program


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--asleep", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="markab-bench-") as name:
        directory = Path(name)
        program = make_program(directory, arguments.asleep)
        write_workflow(arguments.tasks, directory / "workflow.yml", program, with_files=False)
        rounds = itertools.count(1)
        processor: dict[str, list[float]] = defaultdict(list)

        def loop() -> float:
            before = sum(os.times()[:4])
            elapsed_s = bare_loop(arguments.tasks, program)
            processor["bare posix_spawn loop"].append(sum(os.times()[:4]) - before)
            return elapsed_s

        def run(what: str, *flags: str) -> float:
            run_dir = f"r{next(rounds)}"
            places = ("--sites", "local", "--relative-dir", run_dir, *flags)
            run_measured(markab("plan", *places, "workflow.yml"), directory)
            before = sum(os.times()[:4])
            elapsed_s, _ = run_measured(markab("run", "--cores", str(WIDTH), directory / run_dir), directory)
            processor[what].append(sum(os.times()[:4]) - before)
            return elapsed_s

        clustered = f"markab run, clusters of {arguments.size}"
        flags = ("--cluster", "horizontal", f"-Dpegasus.clusters.size={arguments.size}")
        taken = medians(
            arguments.rounds,
            {
                "bare posix_spawn loop": loop,
                ONE_BY_ONE: lambda: run(ONE_BY_ONE),
                clustered: lambda: run(clustered, *flags),
            },
        )
    used = {what: statistics.median(values) for what, values in processor.items()}
    print(f"{arguments.tasks:,} tasks of 1 ms, {WIDTH} at a time\n")
    for what, seconds in taken.items():
        print(
            f"{what:34} {seconds:8.2f} s  {arguments.tasks / seconds:8,.0f} tasks/s  x{taken[ONE_BY_ONE] / seconds:.2f}"
            f"  processor {used[what]:8.2f} s  x{used[ONE_BY_ONE] / used[what]:.2f}"
        )


if __name__ == "__main__":
    main()
