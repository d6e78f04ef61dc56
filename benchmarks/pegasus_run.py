"""How long our tools take on a submit directory that Pegasus made, and how long the tools of Pegasus take.

    python benchmarks/pegasus_run.py [JOBS] [--official PYTHON]

The directory is made in Pegasus' format, by the program of the tests. Each command is a program
of its own: prints its wall time, its processor time and its peak of memory. PYTHON is the interpreter
of an environment that has `pegasus-wms`; without it, only ours are measured.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from _made_run import cost_of
from common import run_measured

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from kit.pegasus_run import PegasusRun

COMMANDS = (
    "status",
    "analyze",
    "statistics",
    "statistics --json",
    "statistics -s all",
    "graph -o {out}/graph.svg",
    "show",
)
OWN = "from markab.cli.pegasus import statistics; statistics()"
FAILS_EVERY = 1000


def make(path: Path, jobs: int) -> PegasusRun:
    """Make a run of so many jobs in levels of 100; one in a thousand fails at first."""
    run = PegasusRun(path, "many")
    for number in range(jobs):
        above = (f"work_{number - 100}",) if number >= 100 else ()
        run.job(f"work_{number}", tasks=(f"t{number}",), parents=above, retries=1)
        if number % FAILS_EVERY == FAILS_EVERY - 1:
            run.attempt(f"work_{number}", exits=(256,), host=f"node{number % 50}")
        run.attempt(f"work_{number}", took_s=1 + number % 7, host=f"node{number % 50}", checks=2)
    return run.write(0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("jobs", type=int, nargs="?", default=100_000)
    parser.add_argument("--official", type=Path, metavar="PYTHON")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="markab-bench-") as name:
        place = Path(name)
        # in a process of its own: a child begins with the peak of memory of the process it comes from
        code = f"import pegasus_run, pathlib; pegasus_run.make(pathlib.Path({name!r}) / 'run', {flags.jobs})"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)
        run, all_files = place / "run", ("-s", "all", "-f", "csv", "-o")
        print(f"{flags.jobs:,} jobs")
        for command in COMMANDS:
            first, *words = command.format(out=name).split()
            print(f"{command:<36}{cost_of(['-m', 'markab', first, str(run), *words])}", flush=True)
        ours = cost_of(["-c", OWN, *all_files, place / "ours", run])
        print(f"{'pegasus-statistics -s all, ours':<36}{ours}", flush=True)
        if flags.official:
            wall_s, peak_mb = run_measured(official(flags.official, *all_files, place / "theirs", run), place)
            print(
                f"{'pegasus-statistics -s all, theirs':<36}{wall_s:>8.2f} s {peak_mb:>37,.0f} MB", flush=True
            )


def official(python: Path, *words: str | Path) -> list[str | Path]:
    """Return the command line of the official program."""
    code = "import Pegasus, os; print(os.path.dirname(Pegasus.__file__))"
    folder = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    return [python, f"{folder}/cli/pegasus-statistics.py", *words]


if __name__ == "__main__":
    main()
