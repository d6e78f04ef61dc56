"""What a task in a container costs over the bare `podman run` of the same image.

    python benchmarks/containers.py [--tasks 10] [--rounds 5]

In each round the bare command and the jobs of a run take turns; both start one container after the other. The time of a
job is that of its attempt: inputs, container, outputs. Needs podman, runc and a static busybox, and no network; the image
and all containers are in a storage of their own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from common import markab, run_measured

IMAGE = "localhost/bench:1"
AT_MOST = 1.05
"""A job may take so many times as long as the bare command."""


def make_storage(directory: Path, busybox: str) -> None:
    """Let podman use a directory for everything, and make the image in it and its file."""
    (directory / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\nrunroot = "{directory}/run"\ngraphroot = "{directory}/graph"\n'
    )
    (directory / "containers.conf").write_text(
        '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]\nnetns = "none"\n'
        '[engine]\nruntime = "runc"\n'
    )
    os.environ["CONTAINERS_STORAGE_CONF"] = str(directory / "storage.conf")
    os.environ["CONTAINERS_CONF"] = str(directory / "containers.conf")
    root = directory / "root"
    for folder in ("bin", "proc", "sys", "dev", "tmp"):
        (root / folder).mkdir(parents=True)
    shutil.copy(busybox, root / "bin" / "busybox")
    (root / "bin" / "true").symlink_to("busybox")
    subprocess.run(["tar", "-C", root, "-cf", directory / "root.tar", "."], check=True)
    podman("import", directory / "root.tar", IMAGE)
    podman("save", "--output", directory / "image.tar", IMAGE)


def podman(*words: str | Path) -> None:
    """Run a command of podman."""
    subprocess.run(["podman", *words], check=True, capture_output=True)


def bare_s(directory: Path, tasks: int) -> list[float]:
    """Return how long each of so many containers took, started by the bare command with the directory of a task."""
    work = directory / "work"
    work.mkdir(exist_ok=True)
    times = []
    for _ in range(tasks):
        start = time.perf_counter()
        podman("run", "--rm", "--volume", f"{work}:/scratch", "--workdir", "/scratch", IMAGE, "/bin/true")
        times.append(time.perf_counter() - start)
    return times


def write_workflow(directory: Path, tasks: int) -> None:
    """Write a workflow of tasks in the container; one more comes first, for which the image is loaded."""
    at = {"name": "local", "type": "installed", "pfn": "/bin/true", "container": "box"}
    box = {"name": "box", "type": "docker", "image": f"file://{directory}/image.tar"}
    box["profiles"] = {"pegasus": {"container.program": "podman"}}  # type: ignore[assignment]
    ids = [f"t{number}" for number in range(tasks + 1)]
    document = {
        "pegasus": "5.0.4",
        "name": "boxed",
        "transformationCatalog": {"transformations": [{"name": "true", "sites": [at]}], "containers": [box]},
        "jobs": [{"type": "job", "name": "true", "id": id, "arguments": [], "uses": []} for id in ids],
        "jobDependencies": [{"id": first, "children": [second]} for first, second in itertools.pairwise(ids)],
    }
    (directory / "workflow.yml").write_text(json.dumps(document))


def jobs_s(directory: Path, name: str) -> list[float]:
    """Return how long the attempts of the jobs of a new run took, without the first."""
    run_measured(markab("plan", "--sites", "local", "--relative-dir", name, "workflow.yml"), directory)
    run_measured(markab("run", directory / name), directory)
    records = [
        json.loads(line.partition(b" ")[2])
        for line in (directory / name / "journal.jsonl").read_bytes().splitlines()
    ]
    ends = [record["record"] for record in records if record["event"] == "end"]
    return [end["end"] - end["start"] for end in ends if "containers" in end][1:]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    busybox = shutil.which("busybox")
    if busybox is None or shutil.which("podman") is None:
        print("not measured: this needs podman and busybox (apt-get install podman runc busybox-static)")
        return
    with tempfile.TemporaryDirectory(prefix="markab-bench-") as name:
        directory = Path(name)
        make_storage(directory, busybox)
        write_workflow(directory, arguments.tasks)
        bare_s(directory, 1)
        bare: list[float] = []
        jobs: list[float] = []
        ratios = []
        for number in range(arguments.rounds):
            bare += (of_bare := bare_s(directory, arguments.tasks))
            jobs += (of_jobs := jobs_s(directory, f"r{number}"))
            ratios.append(statistics.median(of_jobs) / statistics.median(of_bare))
        print(f"bare podman run      {1000 * statistics.median(bare):8.1f} ms")
        print(f"job in a container   {1000 * statistics.median(jobs):8.1f} ms")
        ratio = statistics.median(ratios)
        print(f"a job takes {ratio:.3f} times as long (at most {AT_MOST}; median of {len(ratios)} rounds)")
        podman("rm", "--force", "--all", "--time", "0")


if __name__ == "__main__":
    main()
