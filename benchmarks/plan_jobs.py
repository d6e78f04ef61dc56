"""How long planning takes and how much memory: N jobs with one input and one output each, one fan-in.

    python benchmarks/plan_jobs.py [--jobs 100 1000 10000 100000] [--rounds 1] [--all]

With `--all`, a tenth of the files exists already, jobs are clustered by ten, everything is staged, and files are removed as soon as
they can be; then the time of each step of the planner is printed too. `CPU s` is the processor time of the last
round, which other load of the machine changes less.

The reference is what any planner must do at least: read the same file with
PyYAML's C parser, without looking at what it says.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from common import markab, medians, run_measured

FILES = 10_000
"""Files on disk, which the inputs of many more tasks share: to make a million takes longer than to plan."""
READ = "import sys, yaml; yaml.load(open(sys.argv[1], 'rb'), yaml.CSafeLoader)"


ALL = (
    *("--cluster", "horizontal", "-D", "pegasus.clusters.size=10"),
    *("--cleanup", "inplace", "-D", "pegasus.data.configuration=nonsharedfs"),
)
SITES = """pegasus: 5.0.4
sites:
- name: local
  directories:
  - type: sharedScratch
    path: {0}
    fileServers:
    - {{url: "file://{0}", operation: all}}
"""


def write_workflow(jobs: int, directory: Path, *, with_results: bool) -> Path:
    """Write workflow and catalogs; return the workflow's path. With results, every tenth output exists."""
    (directory / "sites.yml").write_text(SITES.format(directory / "scratch"))
    (directory / "in").mkdir(exist_ok=True)
    path = directory / f"workflow-{jobs}.yml"
    with open(path, "w") as file:
        file.write("pegasus: 5.0.4\nname: wide\nreplicaCatalog:\n  replicas:\n")
        for number in range(jobs):
            source = directory / "in" / f"{number % FILES}.txt"
            if number < FILES:
                source.write_text(f"{number}\n")
            for lfn in (
                f"in-{number}.txt",
                *([f"out-{number}.txt"] if with_results and number % 10 == 0 else ()),
            ):
                file.write(f"  - lfn: {lfn}\n    pfns:\n    - {{site: local, pfn: {source}}}\n")
        file.write("jobs:\n")
        for number in range(jobs):
            file.write(
                f"- type: job\n  name: cp\n  id: c{number}\n"
                f"  arguments:\n  - in-{number}.txt\n  - out-{number}.txt\n"
                f"  uses:\n  - lfn: in-{number}.txt\n    type: input\n"
                f"  - lfn: out-{number}.txt\n    type: output\n    stageOut: false\n    registerReplica: false\n"
            )
        file.write("- type: job\n  name: cat\n  id: all\n  stdout: all.txt\n  arguments: []\n  uses:\n")
        for number in range(jobs):
            file.write(f"  - lfn: out-{number}.txt\n    type: input\n")
        file.write("  - lfn: all.txt\n    type: output\n    stageOut: true\n    registerReplica: true\n")
    return path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, nargs="+", default=[100, 1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--all", action="store_true")
    arguments = parser.parse_args()
    print(f"{'jobs':>9}{'file MB':>9}{'plan s':>9}{'CPU s':>9}{'plan MB':>9}{'PyYAML s':>10}{'jobs/s':>9}")
    for jobs in arguments.jobs:
        with tempfile.TemporaryDirectory(prefix="markab-bench-") as name:
            directory = Path(name)
            workflow = write_workflow(jobs, directory, with_results=arguments.all)
            flags = ("--sites", "local", *ALL) if arguments.all else ()
            peak_mb = processor_s = 0.0

            def plan(
                directory: Path = directory, workflow: Path = workflow, flags: Sequence[str] = flags
            ) -> float:
                nonlocal peak_mb, processor_s
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                seconds, peak_mb = run_measured(
                    markab("plan", "--output-dir", "out", *flags, workflow), directory
                )
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                processor_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                return seconds

            def read(directory: Path = directory, workflow: Path = workflow) -> float:
                return run_measured([sys.executable, "-c", READ, workflow], directory)[0]

            contestants = {"plan": plan} if arguments.all else {"plan": plan, "read": read}
            taken = medians(arguments.rounds, contestants)
            size_mb = workflow.stat().st_size / 1e6
            print(
                f"{jobs:9}{size_mb:9.1f}{taken['plan']:9.2f}{processor_s:9.2f}{peak_mb:9.0f}"
                f"{taken.get('read', 0):10.2f}{jobs / taken['plan']:9.0f}",
                flush=True,
            )
            if arguments.all:
                words = map(str, markab("plan", "-v", "--output-dir", "out", *flags, workflow))
                print(subprocess.run([*words], cwd=directory, capture_output=True, text=True).stderr)


if __name__ == "__main__":
    main()
