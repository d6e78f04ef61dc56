"""How long a workflow takes of which nothing changed, from prompt to prompt; beside make and ninja on the same graph.

    python benchmarks/rerun.py [--jobs 10000] [--rounds 3] [--keep DIRECTORY]

The graph: chains of ten jobs, each of which copies what the one before made; every file is a result. It is run once, and then
again and again with reuse by content. make and ninja look at the time stamps of the files; Markab compares
what made each file, and verifies that the file is still what was made. "planning" is the part of planning: with full
reuse, and with reuse turned off (--force).
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from common import markab, medians, run_measured

LENGTH = 10
HEAD = """pegasus: 5.0.4
name: rerun
replicaCatalog:
  replicas:
  - {{lfn: in, pfns: [{{site: local, pfn: {directory}/in}}]}}
transformationCatalog:
  transformations:
  - {{name: copy, sites: [{{name: local, pfn: {program}, type: installed}}]}}
jobs:
"""


def edges(jobs: int) -> Iterator[tuple[str, str]]:
    """Yield what each job reads and makes."""
    for number in range(jobs):
        yield ("in" if number % LENGTH == 0 else f"f{number - 1}"), f"f{number}"


def write_graph(directory: Path, jobs: int) -> None:
    """Write the workflow, the Makefile and the ninja file."""
    program = shutil.which("cp") or "/bin/cp"
    (directory / "in").write_text("data\n")
    with (directory / "workflow.yml").open("w") as file:
        file.write(HEAD.format(directory=directory, program=program))
        for number, (reads, makes) in enumerate(edges(jobs)):
            file.write(
                f"- {{type: job, name: copy, id: j{number}, arguments: [{reads}, {makes}], "
                f"uses: [{{lfn: {reads}, type: input}}, {{lfn: {makes}, type: output}}]}}\n"
            )
    names = " ".join(makes for _, makes in edges(jobs))
    rules = "".join(f"{makes}: {reads}\n\tcp {reads} {makes}\n" for reads, makes in edges(jobs))
    (directory / "Makefile").write_text(f"all: {names}\n{rules}")
    builds = "".join(f"build {makes}: copy {reads}\n" for reads, makes in edges(jobs))
    (directory / "build.ninja").write_text(f"rule copy\n  command = cp $in $out\n{builds}")


def seconds(argv: list[str | Path], directory: Path) -> float:
    """Return the wall time of a command."""
    return run_measured(argv, directory)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="Work here, and leave it as it is.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="markab-rerun-") as temporary:
        directory = (options.keep or Path(temporary)).resolve()
        directory.mkdir(exist_ok=True)
        os.environ["XDG_STATE_HOME"] = str(directory / "state")
        os.environ["XDG_CACHE_HOME"] = str(directory / "cache")
        measure(directory, options.jobs, options.rounds)


def measure(directory: Path, jobs: int, rounds: int) -> None:
    """Run the graph with each, then again, and print the rows."""
    write_graph(directory, jobs)
    content = ["workflow.yml", "--reuse-policy", "content", "-o", "local", "-s", "local", "-q"]
    contestants = {
        "Markab": lambda: seconds(markab("run", *content), directory),
        "Markab, planning": lambda: seconds(markab("plan", *content), directory),
        "Markab, planning without reuse": lambda: seconds(markab("plan", *content, "--force"), directory),
    }
    start = time.perf_counter()
    run_measured(markab("run", *content), directory)
    print(f"{jobs:,} jobs; the first run of Markab takes {time.perf_counter() - start:.1f} s")
    for tool, words in {"make": ["make", "-s", "-j2"], "ninja": ["ninja", "--quiet", "-j2"]}.items():
        if shutil.which(tool) is None:
            print(f"{tool}: not installed, left out")
            continue
        run_measured(words, directory)
        contestants[tool] = lambda words=words: seconds(words, directory)
    taken = medians(rounds, contestants)
    for name, value in taken.items():
        print(f"{name:32} {value:8.2f} s  {value / jobs * 1e6:8.1f} µs a job")
    ratio = taken["Markab, planning"] / taken["Markab, planning without reuse"]
    print(f"planning with full reuse takes {ratio:.2f} x planning without")


if __name__ == "__main__":
    main()
