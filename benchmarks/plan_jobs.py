"""How long planning takes and how much memory: N jobs with one input and one output each, one fan-in.

    python benchmarks/plan_jobs.py [--jobs 100 1000 10000 100000] [--rounds 1]

The reference is what any planner must do at least: read the same file with
PyYAML's C parser, without looking at what it says.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from common import markab, medians, run_measured

READ = "import sys, yaml; yaml.load(open(sys.argv[1], 'rb'), yaml.CSafeLoader)"


def write_workflow(jobs: int, directory: Path) -> Path:
    """Write workflow and catalogs; return the workflow's path."""
    (directory / "in").mkdir(exist_ok=True)
    path = directory / f"workflow-{jobs}.yml"
    with open(path, "w") as file:
        file.write("pegasus: 5.0.4\nname: wide\nreplicaCatalog:\n  replicas:\n")
        for number in range(jobs):
            source = directory / "in" / f"{number}.txt"
            if not source.exists():
                source.write_text(f"{number}\n")
            file.write(f"  - lfn: in-{number}.txt\n    pfns:\n    - {{site: local, pfn: {source}}}\n")
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
    arguments = parser.parse_args()
    print(f"{'jobs':>9}{'file MB':>9}{'plan s':>9}{'plan MB':>9}{'PyYAML s':>10}{'jobs/s':>9}")
    for jobs in arguments.jobs:
        with tempfile.TemporaryDirectory(prefix="markab-bench-") as name:
            directory = Path(name)
            workflow = write_workflow(jobs, directory)
            peak_mb = 0.0

            def plan(directory: Path = directory, workflow: Path = workflow) -> float:
                nonlocal peak_mb
                seconds, peak_mb = run_measured(
                    markab("plan", "--output-sites", "local", workflow), directory
                )
                return seconds

            def read(directory: Path = directory, workflow: Path = workflow) -> float:
                return run_measured([sys.executable, "-c", READ, workflow], directory)[0]

            taken = medians(arguments.rounds, {"plan": plan, "read": read})
            size_mb = workflow.stat().st_size / 1e6
            print(
                f"{jobs:9}{size_mb:9.1f}{taken['plan']:9.2f}{peak_mb:9.0f}"
                f"{taken['read']:10.2f}{jobs / taken['plan']:9.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
