"""How much it costs to run a job: N independent /bin/true, against a bare loop and against make.

    python benchmarks/run_jobs.py [--jobs 10000] [--rounds 3]

Markab captures output, checks integrity and journals every job. The bare loop and
the first make do nothing but start it and look at its exit status; the second
make keeps what each job prints in files of its own, as one would to have the
same. All keep two in flight.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from common import markab, medians, run_measured

WIDTH = 2


def bare_loop(jobs: int) -> float:
    """Return the seconds that a posix_spawn/wait4 loop takes."""
    start = time.perf_counter()
    running = 0
    for _ in range(jobs):
        os.posix_spawn("/bin/true", ["true"], {})
        running += 1
        if running == WIDTH:
            os.wait4(-1, 0)
            running -= 1
    while running:
        os.wait4(-1, 0)
        running -= 1
    return time.perf_counter() - start


def make(jobs: int, directory: Path, recipe: str) -> float:
    """Return the seconds that make takes for the same jobs."""
    targets = " ".join(f"j{number}" for number in range(jobs))
    (directory / "Makefile").write_text(f".PHONY: all {targets}\nall: {targets}\n{targets}:\n\t@{recipe}\n")
    (directory / "out").mkdir(exist_ok=True)
    return run_measured(["make", "-s", f"-j{WIDTH}"], directory)[0]


def write_workflow(jobs: int, directory: Path) -> Path:
    """Write the workflow; return its path."""
    path = directory / "workflow.yml"
    with open(path, "w") as file:
        file.write("pegasus: 5.0.4\nname: many\njobs:\n")
        for number in range(jobs):
            file.write(f"- {{type: job, name: 'true', id: j{number}, arguments: [], uses: []}}\n")
    return path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    jobs = arguments.jobs
    with tempfile.TemporaryDirectory(prefix="markab-bench-") as name:
        directory = Path(name)
        workflow = write_workflow(jobs, directory)
        rounds = iter(range(1, arguments.rounds + 1))

        def run_markab() -> float:
            run_dir = f"r{next(rounds)}"
            run_measured(markab("plan", "--relative-dir", run_dir, workflow), directory)
            command = markab("run", "--cores", str(WIDTH), directory / run_dir)
            return run_measured(command, directory)[0]

        taken = medians(
            arguments.rounds,
            {
                "bare posix_spawn loop": lambda: bare_loop(jobs),
                "make -j2": lambda: make(jobs, directory, "/bin/true"),
                "make -j2, with output": lambda: make(jobs, directory, "/bin/true >out/$@.out 2>out/$@.err"),
                "markab run": run_markab,
            },
        )
    bare = taken["bare posix_spawn loop"]
    print(f"{jobs} x /bin/true, {WIDTH} in flight, median of {arguments.rounds} rounds")
    print(f"{'':24}{'seconds':>9}{'jobs/s':>9}{'of bare':>9}")
    for contestant, seconds in taken.items():
        print(f"{contestant:24}{seconds:9.2f}{jobs / seconds:9.0f}{bare / seconds:9.2f}")


if __name__ == "__main__":
    main()
