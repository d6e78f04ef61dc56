"""A diamond of jobs with staging, and journals of its runs. Its attempts take 1 s of 1.5 s, by `/bin/wc`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kit import made_run
from kit.made_run import SHA, T0, began, brought, made, process, running, start, write_journal
from markab.journal.records import AttemptEnd, Entry, GiveUp, Retry, RunEnd
from markab.plan.model import Input, Kind, Output, Place, PlannedJob, Transfer

__all__ = [
    "DIAMOND", "SHA", "T0", "began", "brought", "compute", "diamond_story", "end", "failed", "failing_story",
    "made", "make_diamond", "process", "running", "start", "strange_story", "transfer", "write_journal",
]  # fmt: skip


def compute(id: str, *parents: int, inputs: str = "", outputs: str = "", **more: Any) -> PlannedJob:
    return made_run.compute(
        id,
        *parents,
        transformation="ns::wc:1.0",
        executable="/bin/wc",
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


def make_diamond(directory: Path, entries: Sequence[Entry] = (), **header: Any) -> Path:
    """Write a submit directory of the diamond."""
    return made_run.make_run(directory, DIAMOND, entries, **header)


def end(job: int, attempt: int = 1, time: float = T0 + 3, **record: Any) -> AttemptEnd:
    known = {"start": time - 1.5, "end": time - 0.5, "cwd": "/work"}
    return made_run.end(job, attempt, time, **known | record)


def failed(
    job: int, attempt: int = 1, kind: str = "exit", message: str = "exit code 1", **more: Any
) -> AttemptEnd:
    return end(job, attempt, ok=False, error={"kind": kind, "message": message}, **more)


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
    """Attempts without an end, queues that never reported "running", clusters, output that was kept, and every kind of gap."""
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
