"""How fast a journal becomes a database, how fast that answers, and what following costs a run.

    python benchmarks/provenance.py [JOBS] [--rounds N] [--no-following]

Two runs are made by the real engine with executors whose jobs take no time. The
records of the first have all that the worker writes of a job with one input and one
output: a directory of its own, times and resources with all their digits, checksums
verified and made. Those of the second (`engine.py`'s) are short: the fewest rows a job
can have, and half of its bytes.

Prints jobs per second of wall time and of processor time (on a busy machine only the
latter means something), the peak of memory, and the time of each question. The
reference is a plain loader: decode every line, and put as many rows of the same width
into SQLite tables without keys, a table at a time with executemany.
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from common import peak_mb

from engine import InstantExecutor, make_jobs
from markab.engine.run import RunOptions, run
from markab.executors.base import Attempt, Report, Seen
from markab.plan.braindump import write_braindump
from markab.plan.model import FORMAT, Header, PlanSite, local_directory
from markab.plan.plan_file import write_plan

FOLLOWED_JOBS = 6000
FOLLOWED_RATE_PER_S = 1000


class RecordingExecutor(InstantExecutor):
    """Ends every attempt as soon as it is asked, with all that the worker would say of it."""

    def wait(self, timeout_s: float) -> Sequence[Report]:
        attempts, self.attempts = self.attempts, []
        now_s = time.time()
        return [Report(a.id, Seen.ENDED, _whole_record(a, now_s)) for a in attempts]


def _whole_record(attempt: Attempt, now_s: float) -> dict[str, object]:
    job, took_s = attempt.job, 0.001 + attempt.id.job % 997 * 1.7e-5
    outputs = [
        {"lfn": output.lfn, "size": 1000 + attempt.id.job, "sha256": "ab" * 32} for output in job.outputs
    ]
    return {
        "ok": True,
        "host": "node",
        "cwd": f"{attempt.work}/{job.id}.{attempt.id.number}",
        "start": now_s - took_s - 0.002,
        "invocations": [
            {
                "task": task.id,
                "argv": [task.executable, *task.arguments.split()],
                "start": now_s - took_s - 0.001,
                "duration_s": took_s,
                "pid": 4242,
                "status": 0,
                "utime_s": took_s / 3,
                "stime_s": took_s / 7,
                "maxrss_kb": 3000 + attempt.id.job % 5000,
                "minflt": 108,
                "majflt": 0,
                "inblock": 0,
                "oublock": 16,
                "nvcsw": 1,
                "nivcsw": 1,
            }
            for task in job.tasks
        ],
        "checked": {"count": len(job.inputs), "failed": 0, "duration_s": 8e-6},
        "outputs": outputs,
        "hashed": {"count": len(outputs), "duration_s": 0.000042},
        "end": now_s - 0.0005,
    }


class PacedExecutor(InstantExecutor):
    """Ends so many attempts a second."""

    began_s = 0.0
    ended = 0

    def wait(self, timeout_s: float) -> Sequence[Report]:
        self.began_s = self.began_s or time.perf_counter()
        while not (due := int((time.perf_counter() - self.began_s) * FOLLOWED_RATE_PER_S) - self.ended):
            time.sleep(0.0005)
        waiting, self.attempts = self.attempts[due:], self.attempts[:due]
        self.ended += len(self.attempts)
        reports = super().wait(timeout_s)
        self.attempts = waiting
        return reports


def make_plan(directory: Path, jobs: int) -> None:
    header = Header(
        FORMAT,
        "bench",
        jobs,
        sites={"local": PlanSite(scratch=local_directory("local", f"{directory}/scratch"))},
    )
    write_plan(directory / "plan.jsonl", header, make_jobs(jobs))
    write_braindump(
        directory / "braindump.yml", {"wf_uuid": "bench", "user": "ada", "pegasus_wf_name": "bench-0"}
    )


def measure_projection(directory: Path, jobs: int, rounds: int) -> None:
    from markab.provenance.projection import Projector

    database = directory / "bench-0.stampede.db"
    walls, cpus = [], []
    for _ in range(rounds):
        database.unlink(missing_ok=True)
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        projector = Projector(directory)
        projector.update()
        projector.close()
        walls.append(time.perf_counter() - wall_s)
        cpus.append(time.process_time() - cpu_s)
    wall_s, cpu_s = statistics.median(walls), statistics.median(cpus)
    print(
        f"from scratch, {jobs:,} jobs        {jobs / wall_s:>10,.0f} jobs/s ({jobs / cpu_s:,.0f} per processor second; "
        f"wall {min(walls):.2f} to {max(walls):.2f} s)"
    )
    print(
        f"  peak of memory               {peak_mb():>10,.0f} MB; database {database.stat().st_size / 1e6:,.0f} MB"
    )
    cpu_s = time.process_time()
    measure_reference(directory)
    print(
        f"  a plain loader               {jobs / (time.process_time() - cpu_s):>10,.0f} jobs per processor second"
    )


def measure_questions(directory: Path) -> None:
    from markab.provenance import queries
    from markab.provenance.run_database import open_database

    names = "summary wall_times transformations time_by_host integrity failed_jobs jobs"
    for name in names.split():
        start_s = time.perf_counter()
        with open_database(directory) as opened:
            getattr(queries, name)(opened)
        print(f"  open and ask {name:<16}{time.perf_counter() - start_s:>10.3f} s")


def measure_reference(directory: Path) -> None:
    """Decode each line; insert as many rows as wide as ours, without keys."""
    import msgspec

    decode = msgspec.json.Decoder().decode
    for name, skipped in (("plan.jsonl", 0), ("journal.jsonl", 9)):
        for line in (directory / name).read_bytes().splitlines():
            decode(line[skipped:])
    ours = sqlite3.connect(directory / "bench-0.stampede.db")
    bare = sqlite3.connect(":memory:")
    for (table,) in ours.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        rows = ours.execute(f"SELECT * FROM {table}").fetchall()
        if rows:
            bare.execute(f"CREATE TABLE {table} ({', '.join(f'c{n}' for n in range(len(rows[0])))})")
            bare.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    bare.close()
    ours.close()


@contextlib.contextmanager
def not_following(_: Path) -> Iterator[None]:
    yield


def measure_following(rounds: int) -> None:
    from markab.provenance.follower import following

    taken: dict[str, list[float]] = {"alone": [], "followed": []}
    for _ in range(rounds):
        for name, context in (("alone", not_following), ("followed", following)):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
                directory = Path(scratch)
                make_plan(directory, FOLLOWED_JOBS)
                back_ends = {"local": lambda site: PacedExecutor()}
                start_s = time.perf_counter()
                with context(directory) as recorder:
                    outcome = run(directory, RunOptions(cores=64), recorder=recorder, back_ends=back_ends)
                    assert outcome.state == "success"
                taken[name].append(time.perf_counter() - start_s)
    alone, followed = (statistics.median(times) for times in taken.values())
    print(f"a run of {FOLLOWED_RATE_PER_S:,} jobs/s, alone     {FOLLOWED_JOBS / alone:>10,.0f} jobs/s")
    print(
        f"  followed                     {FOLLOWED_JOBS / followed:>10,.0f} jobs/s ({followed / alone - 1:+.1%} time)"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("jobs", type=int, nargs="?", default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-following", action="store_true")
    parser.add_argument("--made", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.made:
        measure_projection(arguments.made, arguments.jobs, arguments.rounds)
        measure_questions(arguments.made)
        return
    for records, executor in (("whole", RecordingExecutor), ("short", InstantExecutor)):
        with tempfile.TemporaryDirectory(prefix="markab-bench-") as name:
            directory = Path(name)
            make_plan(directory, arguments.jobs)
            run(directory, RunOptions(cores=64), back_ends={"local": lambda site, make=executor: make()})
            size_mb = (directory / "journal.jsonl").stat().st_size / 1e6
            print(f"{records} records: a journal of {size_mb:,.0f} MB", flush=True)
            # In a process of its own: the memory of the engine is not the projection's.
            words = [str(arguments.jobs), "--rounds", str(arguments.rounds), "--made", name]
            subprocess.run([sys.executable, __file__, *words], check=True)
    if not arguments.no_following:
        measure_following(arguments.rounds)


if __name__ == "__main__":
    main()
