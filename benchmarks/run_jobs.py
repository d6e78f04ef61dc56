"""How much it costs to run a job: N independent short tasks, against a bare loop and against make.

    python benchmarks/run_jobs.py [--jobs 10000] [--rounds 3]

Markab captures output, checks integrity and journals every job. The bare loop and
the first make do nothing but start it and look at its exit status; the second
make keeps what each job prints in files of its own, as one would to have the
same. All keep two in flight. Once the jobs have no files; once each makes one, which is
declared, hashed and delivered durably, while the loop makes none.

The task is a static C program, which starts in the shortest possible time; without a C
compiler it is /bin/true and touch.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from common import markab, medians, run_measured

WIDTH = 2
TASK = """
#include <fcntl.h>
#include <unistd.h>
int main(int count, char **words) {
    int file = count > 1 ? open(words[1], O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
    return count > 1 && (file < 0 || write(file, "data\\n", 5) != 5 || close(file));
}
"""
CATALOG = """pegasus: 5.0.4
name: many
transformationCatalog:
  transformations:
  - {{name: task, sites: [{{name: local, pfn: {program}, type: installed}}]}}
jobs:
"""


def make_programs(directory: Path) -> tuple[str, str]:
    """Return the program of a task without files, and of one that makes the file its argument names."""
    compiler = shutil.which("cc")
    if compiler is None:
        return "/bin/true", shutil.which("touch") or "/usr/bin/touch"
    program = str(directory / "task")
    (directory / "task.c").write_text(TASK)
    subprocess.run([compiler, "-O2", "-static", "-o", program, directory / "task.c"], check=True)
    return program, program


def bare_loop(jobs: int, program: str) -> float:
    """Return the seconds that a posix_spawn/wait4 loop takes."""
    start = time.perf_counter()
    running = 0
    for _ in range(jobs):
        os.posix_spawn(program, [program], {})
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


def write_workflow(jobs: int, path: Path, program: str, with_files: bool) -> None:
    """Write the workflow."""
    with open(path, "w") as file:
        file.write(CATALOG.format(program=program))
        for number in range(jobs):
            use = f"{{lfn: f{number}, type: output, stageOut: true, registerReplica: false}}"
            arguments, uses = (f"f{number}", use) if with_files else ("", "")
            file.write(
                f"- {{type: job, name: task, id: j{number}, arguments: [{arguments}], uses: [{uses}]}}\n"
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    jobs = arguments.jobs
    with tempfile.TemporaryDirectory(prefix="markab-bench-") as name:
        directory = Path(name)
        program, maker = make_programs(directory)
        write_workflow(jobs, directory / "plain.yml", program, with_files=False)
        write_workflow(jobs, directory / "files.yml", maker, with_files=True)
        rounds = itertools.count(1)

        def run_markab(workflow: str) -> float:
            run_dir = f"r{next(rounds)}"
            places = ("--sites", "local", "--output-dir", directory / "out", "--relative-dir", run_dir)
            run_measured(markab("plan", *places, workflow), directory)
            command = markab("run", "--cores", str(WIDTH), directory / run_dir)
            return run_measured(command, directory)[0]

        taken = medians(
            arguments.rounds,
            {
                "bare posix_spawn loop": lambda: bare_loop(jobs, program),
                "make -j2": lambda: make(jobs, directory, program),
                "make -j2, with output": lambda: make(jobs, directory, f"{program} >out/$@.out 2>out/$@.err"),
                "markab run": lambda: run_markab("plain.yml"),
                "markab run, a file each": lambda: run_markab("files.yml"),
            },
        )
    bare = taken["bare posix_spawn loop"]
    print(f"{jobs} x {Path(program).name}, {WIDTH} in flight, median of {arguments.rounds} rounds")
    print(f"{'':24}{'seconds':>9}{'jobs/s':>9}{'of bare':>9}")
    for contestant, seconds in taken.items():
        print(f"{contestant:24}{seconds:9.2f}{jobs / seconds:9.0f}{bare / seconds:9.2f}")


if __name__ == "__main__":
    main()
