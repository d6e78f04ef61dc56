"""Jobs with very many files, beside plain loops that do the same to the files, on the same file system.

Usage: python benchmarks/many_files.py [--files N] [--rounds R] [--directory D]

Three workflows of one job each (the third has two):

- outputs: a job makes N files, which are hashed, delivered durably, and removed from the scratch;
- inputs: a job reads N files, which are copied into the scratch and to the job, each verified;
- fan-in: one job makes N files, and one reads them all.

The plain loops hash, copy or remove each file once for each time that the run has to, in one thread and
without a thought about crashes; what is to survive a power loss is flushed by one `sync` at the end. What the
tasks themselves take is no part of either. Rounds are interleaved.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from common import markab, run_measured

WRITE = """#!{python} -SE
import sys
for number in range(int(sys.argv[1])):
    with open(f"f{{number}}", "w") as file:
        file.write("x" * 1000 + str(number))
"""


def write_workflow(kind: str, files: int, directory: Path) -> None:
    """Write the workflow with its inline catalogs, its program, and its inputs."""
    program = directory / "write"
    program.write_text(WRITE.format(python=sys.executable))
    program.chmod(0o755)
    names = [f"f{number}" for number in range(files)]
    lines = ["pegasus: 5.0.4", "name: files"]
    if kind == "inputs":
        (directory / "in").mkdir()
        lines += ["replicaCatalog:", "  replicas:"]
        for number, name in enumerate(names):
            (directory / "in" / name).write_text("x" * 1000 + str(number))
            lines.append(f"  - {{lfn: {name}, pfns: [{{site: local, pfn: {directory}/in/{name}}}]}}")
    lines += ["transformationCatalog:", "  transformations:"]
    for name, pfn in (("write", program), ("read", "/bin/true")):
        lines.append(f"  - {{name: {name}, sites: [{{name: local, pfn: {pfn}, type: installed}}]}}")
    lines.append("jobs:")
    if kind != "inputs":
        use = f"type: output, stageOut: {str(kind == 'outputs').lower()}, registerReplica: false"
        lines.append(f"- {{type: job, name: write, id: w, arguments: ['{files}'], uses: [")
        lines += [f"  {{lfn: {name}, {use}}}," for name in names] + ["]}"]
    if kind != "outputs":
        lines.append("- {type: job, name: read, id: r, arguments: [], uses: [")
        lines += [f"  {{lfn: {name}, type: input}}," for name in names] + ["]}"]
    (directory / "workflow.yml").write_text("\n".join(lines) + "\n")


def run_markab(kind: str, files: int, directory: Path) -> float:
    """Return the seconds that a run takes, less those of its tasks."""
    write_workflow(kind, files, directory)
    plan = ("--sites", "local", "--output-dir", directory / "out", "--relative-dir", "run", "workflow.yml")
    run_measured(markab("plan", *plan), directory)
    seconds, _ = run_measured(markab("run", "--cores", "2", directory / "run"), directory)
    if kind == "outputs":
        delivered = len(os.listdir(directory / "out"))
        assert delivered == files, f"{delivered} of {files} files were delivered"
    with open(directory / "run" / "journal.jsonl") as journal:
        records = [json.loads(line[9:]).get("record", {}) for line in journal]
    return seconds - sum(one["duration_s"] for record in records for one in record.get("invocations", ()))


def run_loop(kind: str, files: int, directory: Path) -> float:
    """Return the seconds that plain loops take."""
    for name in ("0", "1", "2"):
        (directory / name).mkdir()
    for number in range(files):
        (directory / "0" / f"f{number}").write_text("x" * 1000 + str(number))
    os.sync()
    start = time.perf_counter()
    if kind == "outputs":
        _hash(directory / "0")
        _copy(directory / "0", directory / "1")
        os.sync()
        _remove(directory / "0")
    elif kind == "inputs":
        _copy(directory / "0", directory / "1")
        _copy(directory / "1", directory / "2")
        _remove(directory / "2")
        _remove(directory / "1")
    else:
        _hash(directory / "0")
        _copy(directory / "0", directory / "1")
        _remove(directory / "1")
        _remove(directory / "0")
    return time.perf_counter() - start


def _hash(folder: Path) -> None:
    for name in os.listdir(folder):
        hashlib.sha256((folder / name).read_bytes()).hexdigest()


def _copy(folder: Path, to: Path) -> None:
    for name in os.listdir(folder):
        data = (folder / name).read_bytes()
        hashlib.sha256(data).hexdigest()
        (to / name).write_bytes(data)


def _remove(folder: Path) -> None:
    for name in os.listdir(folder):
        (folder / name).unlink()


def measure(work: Callable[[str, int, Path], float], kind: str, files: int, top: str | None) -> float:
    """Return the seconds of one round, in a directory of its own."""
    directory = Path(tempfile.mkdtemp(prefix="markab-bench-", dir=top))
    try:
        return work(kind, files, directory)
    finally:
        shutil.rmtree(directory)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--directory", help="on the file system to be measured (default: that of temporary files)"
    )
    arguments = parser.parse_args()
    files = arguments.files
    print(f"{files} files of 1 KB, median of {arguments.rounds} rounds")
    print(f"{'':10}{'loop, s':>9}{'markab, s':>11}{'ratio':>7}{'us a file':>11}")
    for kind in ("outputs", "inputs", "fan-in"):
        rounds = [
            tuple(measure(work, kind, files, arguments.directory) for work in (run_loop, run_markab))
            for _ in range(arguments.rounds)
        ]
        loop, ours = (statistics.median(taken) for taken in zip(*rounds, strict=True))
        ratio = statistics.median(ours / loop for loop, ours in rounds)
        print(f"{kind:10}{loop:9.2f}{ours:11.2f}{ratio:7.2f}{ours / files * 1e6:11.0f}")


if __name__ == "__main__":
    main()
