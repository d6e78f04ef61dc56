"""Tasks on a real Slurm: a run of Markab beside one bare array that starts the same worker, one by one and packed.

Usage: python benchmarks/slurm.py [TASKS] [ROUNDS]

Starts a cluster of its own (two nodes of 8 pretended cores each; packages slurmctld, slurmd, slurm-client, munge; root),
and stops it. The bare array runs the same specs by the same packed worker, without an engine that watches: what
Slurm itself, and the start of a Python for each task, cost. Engine CPU is that of the process of the executor.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from kit.slurm_cluster import SlurmCluster, why_not
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, RunContext, Seen
from markab.executors.batch_executor import BatchExecutor
from markab.executors.remote.batch_systems import language
from markab.executors.remote.command_runner import CommandRunner
from markab.executors.remote.command_service import CommandService
from markab.plan.model import Kind, PlannedJob, PlannedTask

CPUS = 8


def attempts_in(top: Path, count: int, runtime_s: float) -> list[Attempt]:
    """Return attempts of /bin/true."""
    context = RunContext(f"{os.getpid():08x}", "bench", str(top), "full", 2, 3, None)
    tasks = [PlannedTask("true", "true", "/bin/true")]
    (top / "scratch").mkdir(parents=True)
    return [
        Attempt(
            AttemptId(context.uuid, n, 1),
            PlannedJob(f"t{n}", Kind.COMPUTE, "cluster", tasks=tasks, runtime_s=runtime_s),
            context,
            f"{top}/scratch",
            f"{top}/scratch/.work",
        )
        for n in range(count)
    ]


def with_markab(top: Path, count: int, runtime_s: float = 0.0) -> tuple[float, float]:
    """Run attempts; return wall seconds, and CPU seconds of this process."""
    attempts = attempts_in(top, count, runtime_s)
    start, cpu = time.perf_counter(), time.process_time()
    executor = BatchExecutor(CommandService(language("slurm"), CommandRunner()))
    executor.submit(attempts)
    ended = 0
    while ended < count:
        for report in executor.wait(1.0):
            assert report.seen is not Seen.LOST, report
            if report.seen is Seen.ENDED:
                assert report.record is not None and report.record["ok"], report
                ended += 1
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu
    executor.close()
    return wall_s, cpu_s


def bare(top: Path, count: int) -> float:
    """Run one array of the same worker with the same specs; return wall seconds to the last record."""
    attempts = attempts_in(top, count, 0.0)
    executor = BatchExecutor(CommandService(language("slurm"), CommandRunner()))
    executor._most_elements = count
    executor._submit_waiting = lambda: None  # type: ignore[method-assign]
    executor.submit(attempts)
    while not (scripts := list(top.glob("scratch/.batches/mk*/script"))):
        time.sleep(0.01)
    executor.close()
    (script,) = scripts
    records = script.parent / "records"
    start = time.perf_counter()
    subprocess.run(
        [
            "sbatch",
            "--parsable",
            f"--array=0-{count - 1}",
            "--ntasks=1",
            "--no-requeue",
            "--output=/dev/null",
            script,
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    while sum(name.endswith(".json") for name in os.listdir(records)) < count:
        time.sleep(0.1)
    return time.perf_counter() - start


def main() -> None:
    """Print a table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    if why := why_not():
        print(f"skipped: {why}")
        return
    cluster = SlurmCluster(Path(tempfile.mkdtemp(prefix="mk-slurm-", dir="/tmp")))
    os.environ.update(cluster.environ)
    rows: dict[str, list[tuple[float, float]]] = {}
    try:
        cluster.start(CPUS)
        with tempfile.TemporaryDirectory(prefix="markab-bench-") as name:
            for number in range(rounds):
                top = Path(name)
                rows.setdefault("bare array, one by one", []).append((bare(top / f"b{number}", count), 0.0))
                rows.setdefault("markab, one by one", []).append(with_markab(top / f"m{number}", count))
                rows.setdefault("markab, packed", []).append(with_markab(top / f"p{number}", count, 1.0))
    finally:
        cluster.stop()
    reference = statistics.median(wall for wall, _ in rows["bare array, one by one"])
    print(f"{count} tasks of /bin/true on {2 * CPUS} pretended cores of {os.cpu_count()}")
    for title, taken in rows.items():
        wall = statistics.median(wall for wall, _ in taken)
        cpu = statistics.median(cpu for _, cpu in taken)
        print(
            f"{title:26} {wall:7.1f} s  {count / wall:6.1f} tasks/s  {wall / reference:5.2f} of bare"
            + (f"  {cpu / count * 1000:5.2f} ms CPU a task here" if cpu else "")
        )


if __name__ == "__main__":
    main()
