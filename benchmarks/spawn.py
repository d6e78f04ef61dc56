"""What the local executor costs around a process: its rate beside that of a bare spawn loop.

Usage: python benchmarks/spawn.py [JOBS] [ROUNDS]

Both keep two processes in flight. The bare loop only starts and reaps; the executor makes
a directory for each attempt, catches its output, and makes its record. Rounds of both are
interleaved, so that what else the machine does falls on both.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time

from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, RunContext
from markab.executors.local import LocalExecutor
from markab.plan.model import Kind, PlannedJob, PlannedTask

IN_FLIGHT = 2


def bare_rate(jobs: int) -> float:
    """Processes a second of posix_spawn and wait4 alone."""
    start = time.perf_counter()
    begun = ended = 0
    while ended < jobs:
        while begun < jobs and begun - ended < IN_FLIGHT:
            os.posix_spawn("/bin/true", ["/bin/true"], os.environ)
            begun += 1
        os.wait4(-1, 0)
        ended += 1
    return jobs / (time.perf_counter() - start)


def executor_rate(jobs: int) -> float:
    """Attempts a second of the local executor, started and stopped within the time."""
    tasks = [PlannedTask("true", "true", "/bin/true")]
    jobs_made = [
        PlannedJob(id=f"true_{n}", kind=Kind.COMPUTE, site="local", tasks=tasks) for n in range(jobs)
    ]
    with tempfile.TemporaryDirectory() as top:
        scratch, work = f"{top}/scratch", f"{top}/work"
        start = time.perf_counter()
        executor = LocalExecutor()
        context = RunContext("uuid", "bench", top, "full", 2, 3, None)
        begun = ended = 0
        while ended < jobs:
            fresh = []
            while begun < jobs and begun - ended < IN_FLIGHT:
                fresh.append(Attempt(AttemptId("bench", begun, 1), jobs_made[begun], context, scratch, work))
                begun += 1
            executor.submit(fresh)
            reports = executor.wait(10.0)
            assert all(report.record is not None and report.record["ok"] for report in reports)
            ended += len(reports)
        executor.close()
        return jobs / (time.perf_counter() - start)


def main() -> None:
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    pairs = [(bare_rate(jobs), executor_rate(jobs)) for _ in range(rounds)]
    bare, ours = (statistics.median(rates) for rates in zip(*pairs, strict=True))
    ratio = statistics.median(ours / bare for bare, ours in pairs)
    print(f"{jobs} x /bin/true, {IN_FLIGHT} in flight, median of {rounds} rounds")
    print(f"  bare posix_spawn/wait4  {bare:7.0f}/s")
    print(f"  local executor          {ours:7.0f}/s   ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
