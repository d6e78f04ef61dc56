"""How long the commands take that say what a run took and where it stands.

    python benchmarks/ask_run.py [JOBS]

The database of the run is there already. Each command is a program of its own: prints its
wall time, its processor time and its peak of memory.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from _made_run import cost_of, make_run

COMMANDS = (
    "status",
    "analyze",
    "statistics",
    "statistics --json",
    "statistics -s transformations,time",
    "statistics -s all",
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("jobs", type=int, nargs="?", default=100_000)
    jobs = parser.parse_args().jobs
    with tempfile.TemporaryDirectory(prefix="markab-bench-") as name:
        make_run(Path(name), jobs)
        print(f"{jobs:,} jobs")
        cost_of(["-m", "markab", "statistics", name])  # makes the database
        for command in COMMANDS:
            print(f"{command:<36}{cost_of(['-m', 'markab', *command.split(), name])}", flush=True)


if __name__ == "__main__":
    main()
