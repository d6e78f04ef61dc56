"""How long a workflow takes of which nothing changed, from prompt to prompt; beside make and ninja on the same graph.

    python benchmarks/rerun.py [--jobs 10000] [--rounds 3] [--keep DIRECTORY] [--recorded]

The graph: chains of ten jobs, each of which copies what the one before made; every file is a result. It is run once, and then
again and again with reuse by content: the request is answered without planning. "planned" is the same with a result that was
touched each time, so that it is planned, which finds that nothing has to run; "planning" is the part of planning: with full
reuse, and with reuse turned off (--force), as by name. make and ninja look at the time stamps of the files.

With --recorded the first run is not run: its results are written, and recorded in the index, as a run would have done. So
100,000 jobs do not take long; ninja, which has a log of its own, is left out.

The seconds in brackets are of a processor, and alone mean something on a busy machine.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from common import markab, processor_seconds

from markab.planner.known_results import KnownResults
from markab.planner.options import PlanOptions
from markab.planner.planning import dry_run
from markab.reuse.locations import find_locations
from markab.reuse.result_index import Made, ResultEntry, open_index

LENGTH = 10
DATA = "data\n"
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
    (directory / "in").write_text(DATA)
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


def record_first_run(directory: Path, jobs: int) -> None:
    """Write all results, for make too, and record them in the index under the keys for which planning asks."""
    for place in (directory / "wf-output", directory):
        place.mkdir(exist_ok=True)
        for _, makes in edges(jobs):
            (place / makes).write_text(DATA)
    sha256, uuid = hashlib.sha256(DATA.encode()).hexdigest(), "00000000-0000-4000-8000-000000000000"
    found: dict[str, ResultEntry] = {}
    level = 0

    def find(_: KnownResults, keys: Iterable[str]) -> dict[str, ResultEntry]:
        nonlocal level  # planning asks for the keys of one level after the other, each in the order of the jobs
        lfns = (f"f{number}" for number in range(level, jobs, LENGTH))
        made = {
            key: ResultEntry(key, uuid, f"copy_{lfn}", (Made(lfn, sha256, len(DATA)),))
            for key, lfn in zip(keys, lfns, strict=True)
        }
        found.update(made)
        level += 1
        return made

    asked, KnownResults.find = KnownResults.find, find  # type: ignore[method-assign]
    try:
        dry_run(PlanOptions(workflow=Path("workflow.yml"), directory=directory, **FLAGS))
    finally:
        KnownResults.find = asked  # type: ignore[method-assign]
    with open_index(find_locations().index_file, create=True) as index:
        index.add_run(uuid, str(directory / "first"), "rerun", 1.0)
        places = [(sha256, str(directory / "wf-output" / makes)) for _, makes in edges(jobs)]
        index.record(uuid, found.values(), places, 1)


FLAGS = {"sites": ["local"], "output_sites": ["local"], "reuse_policy": "content"}
WORDS = ["workflow.yml", "--reuse-policy", "content", "-o", "local", "-s", "local", "-q"]


class Taken(NamedTuple):
    """Seconds that something took."""

    wall_s: float
    processor_s: float


def median(taken: list[Taken]) -> Taken:
    return Taken(*(statistics.median(values) for values in zip(*taken, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="Work here, and leave it as it is.")
    parser.add_argument("--recorded", action="store_true", help="Do not run the first run; see above.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="markab-rerun-") as temporary:
        directory = (options.keep or Path(temporary)).resolve()
        directory.mkdir(exist_ok=True)
        os.environ["XDG_STATE_HOME"] = str(directory / "state")
        os.environ["XDG_CACHE_HOME"] = str(directory / "cache")
        measure(directory, options.jobs, options.rounds, recorded=options.recorded)


def measure(directory: Path, jobs: int, rounds: int, *, recorded: bool) -> None:
    """Run the graph with each, then again, and print the rows."""
    write_graph(directory, jobs)
    if recorded:
        record_first_run(directory, jobs)

    def timed(*argv: str | Path) -> Callable[[], Taken]:
        return lambda: Taken(*processor_seconds(argv, directory))

    def touched() -> Taken:
        os.utime(directory / "wf-output" / "f0")
        return timed(*markab("run", *WORDS))()

    contestants = {
        "Markab": timed(*markab("run", *WORDS)),
        "Markab, planning": timed(*markab("plan", *WORDS)),
        "Markab, planning without reuse": timed(*markab("plan", "-f", *WORDS, "--reuse-policy", "pegasus")),
    }
    start = time.perf_counter()
    contestants["Markab"]()
    print(f"{jobs:,} jobs; the first run of Markab takes {time.perf_counter() - start:.1f} s", flush=True)
    for tool, words in {"make": ["make", "-s", "-j2"], "ninja": ["ninja", "--quiet", "-j2"]}.items():
        if shutil.which(tool) is None or (recorded and tool == "ninja"):
            print(f"{tool}: left out", flush=True)
            continue
        contestants[tool] = timed(*words)
        contestants[tool]()
    rows: dict[str, list[Taken]] = {name: [] for name in contestants}
    rows["Markab, planned"] = []
    for _ in range(rounds):
        for name, contestant in contestants.items():
            rows[name].append(contestant())
        rows["Markab, planned"].append(touched())  # last: its run answers the request again
    taken = {name: median(values) for name, values in rows.items()}
    for name, value in taken.items():
        each_us = value.processor_s / jobs * 1e6
        print(f"{name:32} {value.wall_s:8.2f} s ({value.processor_s:.2f})  {each_us:8.1f} µs a job")
    ratio = taken["Markab, planning"].processor_s / taken["Markab, planning without reuse"].processor_s
    print(f"planning with full reuse takes {ratio:.2f} x the processor time of planning without")


if __name__ == "__main__":
    main()
