"""Runs for the provenance tests: made by hand, or really run; and databases as plain values."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

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
from markab.plan.model import (
    FORMAT,
    Header,
    Input,
    Kind,
    Output,
    Place,
    PlannedJob,
    PlannedTask,
    PlanSite,
    Transfer,
)
from markab.plan.plan_file import write_plan

T0 = 1_800_000_000.0
SHA = "ab" * 32


def compute(id: str, *parents: int, inputs: str = "", outputs: str = "", **more: Any) -> PlannedJob:
    task = PlannedTask(
        id=id, transformation="ns::wc:1.0", executable="/bin/wc", arguments="-l in", **more.pop("task", {})
    )
    return PlannedJob(
        id=f"wc_{id}",
        kind=Kind.COMPUTE,
        site=more.pop("site", "local"),
        parents=list(parents),
        tasks=[task],
        inputs=[Input(lfn) for lfn in inputs.split()],
        outputs=[Output(lfn) for lfn in outputs.split()],
        **more,
    )


def transfer(kind: Kind, id: str, *parents: int, lfns: str) -> PlannedJob:
    ends = {Kind.STAGE_IN: ("/data", "/scratch"), Kind.STAGE_OUT: ("/scratch", "/results")}[kind]
    moves = [
        Transfer(lfn, [Place("local", f"{ends[0]}/{lfn}")], [Place("out", f"{ends[1]}/{lfn}")])
        for lfn in lfns.split()
    ]
    return PlannedJob(id=id, kind=kind, site="local", parents=list(parents), transfers=moves)


DIAMOND = [
    transfer(Kind.STAGE_IN, "stage_in_local", lfns="f.a"),
    compute("A", 0, inputs="f.a", outputs="f.b"),
    compute("B", 1, inputs="f.b", outputs="f.c", retries=1),
    compute("C", 1, inputs="f.b", outputs="f.d", site="pool"),
    compute("D", 2, 3, inputs="f.c f.d", outputs="f.e"),
    transfer(Kind.STAGE_OUT, "stage_out_local", 4, lfns="f.e"),
]


def make_run(
    directory: Path, jobs: Sequence[PlannedJob] = DIAMOND, entries: Sequence[Entry] = (), **header: Any
) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    sites = {"local": PlanSite(scratch=str(directory / "scratch")), "pool": PlanSite(executor="condor")}
    write_plan(
        directory / "plan.jsonl", Header(FORMAT, "words", len(jobs), sites=sites, **header), list(jobs)
    )
    write_braindump(
        directory / "braindump.yml",
        {
            "user": "ada",
            "wf_uuid": "7a3c",
            "root_wf_uuid": "7a3c",
            "dax_label": "words",
            "pegasus_wf_name": "words-0",
            "timestamp": "20261120T200000+0000",
            "dag": "words-0.dag",
            "grid_dn": None,
            "properties": "pegasus.1.properties",
        },
    )
    write_journal(directory, entries)
    return directory


def write_journal(directory: Path, entries: Sequence[Entry]) -> None:
    if entries:
        (directory / "journal.jsonl").write_bytes(b"".join(map(encode, entries)))


def began(time: float = T0, restart: int = 0) -> RunStart:
    return RunStart(time, uuid="7a3c", pid=41, host="here", restart=restart)


def start(job: int, attempt: int = 1, time: float = T0 + 1, site: str = "local") -> AttemptStart:
    return AttemptStart(time, job=job, id=f"j{job}", attempt=attempt, site=site)


def running(job: int, attempt: int = 1, time: float = T0 + 1) -> AttemptRunning:
    return AttemptRunning(time, job, attempt)


def end(job: int, attempt: int = 1, time: float = T0 + 3, **record: Any) -> AttemptEnd:
    known = {"ok": True, "start": time - 1.5, "end": time - 0.5, "host": "here", "cwd": "/work"}
    return AttemptEnd(time, job, attempt, known | record)


def process(task: str, status: int = 0, **more: Any) -> dict[str, Any]:
    known = {"start": T0 + 1.5, "duration_s": 1.0, "pid": 7, "status": status}
    known |= {"argv": ["/bin/wc", "-l", "a file"], "utime_s": 0.4, "stime_s": 0.1, "maxrss_kb": 3000}
    return {"task": task, **known, **more}


def failed(
    job: int, attempt: int = 1, kind: str = "exit", message: str = "exit code 1", **more: Any
) -> AttemptEnd:
    return end(job, attempt, ok=False, error={"kind": kind, "message": message}, **more)


def made(lfn: str, size: int = 10) -> dict[str, Any]:
    return {"lfn": lfn, "size": size, "sha256": SHA}


def brought(lfn: str, size: int = 10) -> dict[str, Any]:
    ends = {"source": f"/data/{lfn}", "destination": f"/scratch/{lfn}"}
    return {"lfn": lfn, **ends, "bytes": size, "duration_s": 0.5, "attempts": 1, "sha256": SHA}


def diamond_story() -> list[Entry]:
    """B fails once; C runs at a site that queues; all succeeds in the end."""
    return [
        began(),
        start(0),
        end(0, transfers=[brought("f.a", 100)]),
        start(1),
        end(
            1,
            invocations=[process("A")],
            checked={"count": 1, "failed": 0, "duration_s": 0.25},
            outputs=[made("f.b")],
            stdout="it's 100%\n",
        ),
        start(2),
        start(3, site="pool"),
        running(3, time=T0 + 2),
        failed(2, invocations=[process("B", 256)], stderr="no\n"),
        Retry(T0 + 3, 2, 1),
        start(2, 2),
        end(2, 2, invocations=[process("B")], outputs=[made("f.c")]),
        end(3, invocations=[process("C")], outputs=[made("f.d")], host="node7"),
        start(4),
        end(4, invocations=[process("D")], outputs=[made("f.e", 99)]),
        start(5),
        end(5, time=T0 + 8, transfers=[brought("f.e", 99)]),
        RunEnd(T0 + 9, "success", {"succeeded": 6}),
    ]


def failing_story() -> list[Entry]:
    """A fails for good, by a missing output; all below it never starts."""
    return [
        began(),
        start(0),
        end(0, transfers=[brought("f.a")]),
        start(1),
        failed(1, kind="missing-output", message="output 'f.b' is missing", invocations=[process("A")]),
        GiveUp(T0 + 3, 1, 1),
        RunEnd(T0 + 9, "failed", {"succeeded": 1, "failed": 1, "skipped": 4}),
    ]


def strange_story() -> list[Entry]:
    """Ends that nobody saw, queues that never said "running", clusters, output that was kept, and every kind of gap."""
    two = [process("A", duration_s=0.25), process("A2", start=T0 + 2.1, utime_s=None, duration_s=0.0)]
    return [
        began(),
        start(0),
        start(3, site="pool"),
        failed(0, kind="cancelled", start=None, end=None, host="", cwd=None),
        began(T0 + 2, 1),
        start(3, 2, T0 + 2, site="pool"),  # the end of its first attempt is not in the journal
        start(0, 2, T0 + 2.123456789),
        running(3, 2, T0 + 2.5),
        end(0, 2, T0 + 3.987654321, transfers=[brought("f.a"), {"lfn": "f.b", "bytes": 7}]),
        start(1, site="pool"),
        end(1, invocations=two, outputs=[made("f.b"), {"lfn": "f.x", "size": 1}, {"lfn": "f.b", "size": 3}]),
        failed(3, 2, kind="lost", start=None, host="node7", stdout_file="00/00/out"),
        start(3, 3, site="pool"),
        end(3, 3, start=None, checked={"count": 2, "failed": 1, "duration_s": 0.5}, stderr="caf\xe9 \u2603"),
        start(2),
        start(4),
        failed(4, message="exit code 3", invocations=[process("D", 3 << 8)], stdout="", stderr="it's\0"),
        end(2, invocations=[process("B")], outputs=[{"lfn": "f.c", "sha256": SHA}]),
        start(2, 2),
        end(2, 2, invocations=[process("B")], outputs=[{"lfn": "f.c", "size": 5}]),
        start(4, 2),
        start(5),
    ]


def contents(file: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of an SQLite database, in no order, except when it was made."""
    connection = sqlite3.connect(file)
    try:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}
    finally:
        connection.close()
    rows["dbversion"] = [row[:3] for row in rows["dbversion"]]
    return rows


def ask(file: Path, sql: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(file)
    try:
        return list(connection.execute(sql))
    finally:
        connection.close()


def make_homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a user the system does not know, as in a container."""
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
