"""Submit directories made by hand: a plan, a braindump, and whatever journal a test wants."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from markab.journal.records import (
    AttemptEnd,
    AttemptRunning,
    AttemptStart,
    Entry,
    GiveUp,
    Retry,
    RunEnd,
    RunStart,
)
from markab.journal.writer import encode
from markab.plan.braindump import write_braindump
from markab.plan.model import FORMAT, Header, Kind, PlannedJob, PlannedTask, PlanSite, local_directory
from markab.plan.plan_file import write_plan

T0 = 1_800_000_000.0
SHA = "ab" * 32


def compute(
    id: str,
    *parents: int,
    transformation: str = "wc",
    executable: str = "/usr/bin/wc",
    task: Mapping[str, Any] = {},
    **more: Any,
) -> PlannedJob:
    one = PlannedTask(id=id, transformation=transformation, executable=executable, arguments="-l in", **task)
    return PlannedJob(
        id=f"wc_{id}", kind=Kind.COMPUTE, parents=list(parents), tasks=[one], **{"site": "local"} | more
    )


def make_run(
    directory: Path,
    jobs: Sequence[PlannedJob],
    entries: Sequence[Entry] = (),
    *,
    workflow: str = "words",
    uuid: str = "7a3c",
    root: str = "",
    sites: Mapping[str, PlanSite] | None = None,
    **header: Any,
) -> Path:
    """Write a submit directory: plan, braindump and, if there are entries, a journal."""
    directory.mkdir(parents=True, exist_ok=True)
    if sites is None:
        scratch = local_directory("local", f"{directory}/scratch")
        sites = {"local": PlanSite(scratch=scratch), "pool": PlanSite(executor="condor")}
    head = Header(format=FORMAT, workflow=workflow, jobs=len(jobs), sites=dict(sites), **header)
    write_plan(directory / "plan.jsonl", head, jobs)
    write_braindump(
        directory / "braindump.yml",
        {
            "user": "ada",
            "wf_uuid": uuid,
            "root_wf_uuid": root or uuid,
            "dax_label": workflow,
            "pegasus_wf_name": f"{workflow}-0",
            "timestamp": "20261120T200000+0000",
            "dag": f"{workflow}-0.dag",
            "grid_dn": None,
            "properties": "pegasus.1.properties",
        },
    )
    write_journal(directory, entries)
    return directory


def write_journal(directory: Path, entries: Sequence[Entry]) -> None:
    if entries:
        (directory / "journal.jsonl").write_bytes(b"".join(map(encode, entries)))


def began(time: float = T0, restart: int = 0, **more: Any) -> RunStart:
    return RunStart(time, uuid="7a3c", pid=1, host="here", restart=restart, **more)


def start(job: int, attempt: int = 1, time: float = T0 + 1, site: str = "local") -> AttemptStart:
    return AttemptStart(time, job=job, id=f"j{job}", attempt=attempt, site=site)


def running(job: int, attempt: int = 1, time: float = T0 + 1) -> AttemptRunning:
    return AttemptRunning(time, job, attempt)


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


def process(task: str, status: int = 0, **more: Any) -> dict[str, Any]:
    known = {"start": T0 + 1.5, "duration_s": 1.0, "pid": 7, "status": status}
    known |= {"argv": ["/bin/wc", "-l", "a file"], "utime_s": 0.4, "stime_s": 0.1, "maxrss_kb": 3000}
    return {"task": task, **known, **more}


def made(lfn: str, size: int = 10) -> dict[str, Any]:
    return {"lfn": lfn, "size": size, "sha256": SHA}


def brought(lfn: str, size: int = 10) -> dict[str, Any]:
    ends = {"source": f"/data/{lfn}", "destination": f"/scratch/{lfn}"}
    return {"lfn": lfn, **ends, "bytes": size, "duration_s": 0.5, "attempts": 1, "sha256": SHA}


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
