"""What clusters save: N independent tasks of a millisecond, one by one and in clusters.

    python benchmarks/clusters.py [--tasks 10000] [--size 100] [--rounds 3]

The task is a C program that is busy for a millisecond; without a C compiler it is /bin/true. All keep two tasks
in flight. The times are those of `markab run`, start and end included.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import subprocess
import tempfile
from pathlib import Path

from common import markab, medians, run_measured
from run_jobs import WIDTH, bare_loop, write_workflow

TASK = """
#include <time.h>
int main(void) {
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - begin.tv_sec) * 1000000000L + now.tv_nsec - begin.tv_nsec < 1000000L);
    return 0;
}
"""


def make_program(directory: Path) -> str:
    """Return the program of the tasks."""
    compiler = shutil.which("cc")
    if compiler is None:
        return "/bin/true"
    (directory / "task.c").write_text(TASK)
    program = str(directory / "task")
    subprocess.run([compiler, "-O2", "-static", "-o", program, directory / "task.c"], check=True)
    return program


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="markab-bench-") as name:
        directory = Path(name)
        program = make_program(directory)
        write_workflow(arguments.tasks, directory / "workflow.yml", program, with_files=False)
        rounds = itertools.count(1)

        def run(*flags: str) -> float:
            run_dir = f"r{next(rounds)}"
            places = ("--sites", "local", "--relative-dir", run_dir, *flags)
            run_measured(markab("plan", *places, "workflow.yml"), directory)
            return run_measured(markab("run", "--cores", str(WIDTH), directory / run_dir), directory)[0]

        clusters = ("--cluster", "horizontal", f"-Dpegasus.clusters.size={arguments.size}")
        taken = medians(
            arguments.rounds,
            {
                "bare posix_spawn loop": lambda: bare_loop(arguments.tasks, program),
                "markab run, one by one": run,
                f"markab run, clusters of {arguments.size}": lambda: run(*clusters),
            },
        )
    slowest = taken["markab run, one by one"]
    print(f"{arguments.tasks:,} tasks of 1 ms, {WIDTH} at a time\n")
    for what, seconds in taken.items():
        print(
            f"{what:34} {seconds:8.2f} s  {arguments.tasks / seconds:8,.0f} tasks/s  x{slowest / seconds:.2f}"
        )


if __name__ == "__main__":
    main()
