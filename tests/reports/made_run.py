"""Submit directories made by hand: a plan, a braindump, and whatever journal a test wants."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from markab.journal.records import AttemptEnd, AttemptStart, Entry, GiveUp, Retry, RunEnd, RunStart
from markab.journal.writer import encode
from markab.plan.braindump import write_braindump
from markab.plan.model import FORMAT, Header, Kind, PlannedJob, PlannedTask, PlanSite
from markab.plan.plan_file import write_plan

T0 = 1_800_000_000.0


def compute(id: str, *parents: int, **more: Any) -> PlannedJob:
    task = PlannedTask(id=id, transformation="wc", executable="/usr/bin/wc", arguments="-l in")
    return PlannedJob(
        id=f"wc_{id}", kind=Kind.COMPUTE, site="local", parents=list(parents), tasks=[task], **more
    )


def make_run(
    directory: Path, jobs: Sequence[PlannedJob], entries: Sequence[Entry] = (), **header: Any
) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    sites = {"local": PlanSite(scratch=str(directory / "scratch")), "pool": PlanSite(executor="condor")}
    head = Header(format=FORMAT, workflow="words", jobs=len(jobs), sites=sites, **header)
    write_plan(directory / "plan.jsonl", head, jobs)
    write_braindump(
        directory / "braindump.yml",
        {"wf_uuid": "7a3c", "pegasus_wf_name": "words-0", "dag": "words-0.dag", "grid_dn": None},
    )
    if entries:
        (directory / "journal.jsonl").write_bytes(b"".join(map(encode, entries)))
    return directory


def began(time: float = T0, **more: Any) -> RunStart:
    return RunStart(time, uuid="7a3c", pid=1, host="here", **more)


def start(job: int, attempt: int = 1, time: float = T0 + 1, site: str = "local") -> AttemptStart:
    return AttemptStart(time, job=job, id=f"j{job}", attempt=attempt, site=site)


def end(job: int, attempt: int = 1, time: float = T0 + 2, **record: Any) -> AttemptEnd:
    return AttemptEnd(
        time, job, attempt, {"ok": True, "start": time - 1, "end": time, "host": "here"} | record
    )


def failed(job: int, attempt: int = 1, message: str = "exit code 3", **record: Any) -> AttemptEnd:
    return end(job, attempt, ok=False, error={"kind": "exit", "message": message}, **record)


def retry(job: int, attempt: int = 1) -> Retry:
    return Retry(T0 + 2, job, attempt)


def gave_up(job: int, attempt: int = 1) -> GiveUp:
    return GiveUp(T0 + 2, job, attempt)


def ended(outcome: Any, time: float = T0 + 9) -> RunEnd:
    return RunEnd(time, outcome)


@contextmanager
def engine_alive(directory: Path) -> Iterator[None]:
    """Hold the lock, as an engine would."""
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, b"4711 here\n")
    try:
        yield
    finally:
        os.close(descriptor)
