"""How fast the engine is by itself: plan lines, scheduler, journal with its flushes; jobs that take no time.

    python benchmarks/engine.py [JOBS]

Prints jobs per second for a fan-out with a fan-in, the reference (the same records
written to the same disk by a bare loop), and the memory of a scheduler.
"""

from __future__ import annotations

import sys
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

from markab.engine.run import RunOptions, run
from markab.engine.scheduler import Scheduler
from markab.engine.slots import Slots
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Report, Seen
from markab.plan.model import (
    FORMAT,
    Header,
    Input,
    Kind,
    Output,
    PlannedJob,
    PlannedTask,
    PlanSite,
    local_directory,
)
from markab.plan.plan_file import JobOutline, write_plan

BATCHES = (2, 64)
"""Attempts under way at once."""


class InstantExecutor:
    """Ends every attempt as soon as it is asked, with a record like that of a real one."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []

    def submit(self, attempts: Sequence[Attempt]) -> None:
        self.attempts += attempts

    def wait(self, timeout_s: float) -> Sequence[Report]:
        attempts, self.attempts = self.attempts, []
        return [Report(a.id, Seen.ENDED, _record(a)) for a in attempts]

    def fileno(self) -> int:
        return -1

    def cancel(self, attempts: Sequence[AttemptId]) -> None:
        pass

    def recover(self, attempts: Sequence[Attempt]) -> Sequence[Report]:
        return [Report(a.id, Seen.LOST) for a in attempts]

    def close(self) -> None:
        pass


def _record(attempt: Attempt) -> dict[str, object]:
    return {
        "ok": True,
        "host": "node",
        "cwd": attempt.work,
        "start": 1.7e9,
        "end": 1.7e9,
        "invocations": [
            {
                "task": attempt.job.id,
                "argv": ["/bin/true"],
                "start": 1.7e9,
                "duration_s": 0.001,
                "pid": 4242,
                "status": 0,
                "utime_s": 0.001,
                "stime_s": 0.001,
                "maxrss_kb": 3000,
            }
        ],
        "outputs": [{"lfn": output.lfn, "size": 10, "sha256": "ab" * 32} for output in attempt.job.outputs],
    }


def make_jobs(count: int) -> list[PlannedJob]:
    jobs = [
        PlannedJob(
            id=f"work_ID{i:07d}",
            kind=Kind.COMPUTE,
            site="local",
            tasks=[
                PlannedTask(id=f"ID{i:07d}", transformation="work", executable="/bin/true", arguments="-i in")
            ],
            inputs=[Input(lfn="in", sha256="cd" * 32)],
            outputs=[Output(lfn=f"out{i}")],
        )
        for i in range(count - 1)
    ]
    return [*jobs, PlannedJob(id="last", kind=Kind.COMPUTE, site="local", parents=list(range(count - 1)))]


def measure_run(count: int, batch: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        header = Header(
            FORMAT,
            "bench",
            count,
            sites={"local": PlanSite(scratch=local_directory("local", f"{name}/scratch"))},
        )
        write_plan(directory / "plan.jsonl", header, make_jobs(count))
        (directory / "braindump.yml").write_text('wf_uuid: "bench"\n')
        back_ends = {"local": lambda site: InstantExecutor()}
        start = time.perf_counter()
        outcome = run(directory, RunOptions(cores=batch), lambda progress: None, back_ends=back_ends)
        elapsed_s = time.perf_counter() - start
        assert outcome.state == "success", outcome

        records = (directory / "journal.jsonl").read_bytes().splitlines(keepends=True)
        start = time.perf_counter()
        with open(directory / "reference", "wb", buffering=0) as file:
            for record in records:
                file.write(record)
        reference_s = time.perf_counter() - start

        start = time.perf_counter()
        run(directory, RunOptions(cores=batch), back_ends=back_ends)
        replay_s = time.perf_counter() - start
    print(f"engine, {count:,} jobs, {batch:>2} at once {count / elapsed_s:>10,.0f} jobs/s")
    print(f"  bare write(2) per record         {count / reference_s:>10,.0f} jobs/s")
    print(f"  replay of the journal            {count / replay_s:>10,.0f} jobs/s")
    return count / elapsed_s


def measure_memory(count: int) -> None:
    outline = [
        JobOutline(id=f"j{i}", kind=Kind.COMPUTE, site="local", parents=[i - 1000] if i >= 1000 else [])
        for i in range(count)
    ]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    scheduler = Scheduler(Slots(64, 1024, 0))
    scheduler.add("bench", outline)
    now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(
        f"scheduler, {count:,} jobs    {(now - before) / count:>10,.0f} bytes/job, "
        f"{(peak - before) / count:,.0f} while it is built"
    )
    start = time.perf_counter()
    ended = 0
    while not scheduler.is_finished("bench"):
        for attempt in scheduler.starts():
            scheduler.ended(attempt, True)
            ended += 1
    print(f"  start and end             {ended / (time.perf_counter() - start):>10,.0f} jobs/s")


if __name__ == "__main__":
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    for batch in BATCHES:
        measure_run(jobs, batch)
    measure_memory(jobs)
