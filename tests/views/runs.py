"""Runs made by hand, in which every fact that a view can show has a value of its own.

fetch ── count ── sort, at a site that queues ── sum and plot, a cluster ─┬─ deliver ── register, remove
                                                                          └─ pack
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from kit.made_run import SHA, T0, began, end, ended, engine_alive, failed, make_run, process, running, start
from markab.journal.records import Entry, GiveUp, Halt, Incomplete, Refused, Retry, Undone
from markab.plan.model import (
    GivenSlots,
    Input,
    Kind,
    Output,
    Place,
    PlannedJob,
    PlannedTask,
    PlanSite,
    Registration,
    TaskContainer,
    Transfer,
    local_directory,
)
from views.failures import many_failures, many_jobs

OTHER_SHA = "cd" * 32
SECRET = "hunter2"
"""A password in a URL, which no view shows."""
FETCH, COUNT, SORT, CLUSTER, PACK, DELIVER, REGISTER, REMOVE = range(8)


def task(id: str, name: str, arguments: str, **more: Any) -> PlannedTask:
    return PlannedTask(
        id=id, transformation=f"ns::{name}:1.0", executable=f"/opt/bin/{name}", arguments=arguments, **more
    )


def jobs() -> list[PlannedJob]:
    """All kinds of jobs, and of each field at least one that has no default."""
    at_home, at_pool = [Place("local", "/scratch/counts.txt")], [Place("pool", "file:///pool/sorted.txt")]
    book = Transfer(
        "book.txt",
        [
            Place("web", f"https://ada:{SECRET}@data.invalid/book.txt?key={SECRET}"),
            Place("local", "/data/book.txt"),
        ],
        [Place("local", "/scratch/book.txt")],
        sha256=SHA,
        size_bytes=1000,
    )
    delivered = [
        Transfer(lfn, [Place("local", f"/scratch/{lfn}")], [Place("out", f"/results/{lfn}")])
        for lfn in ("sum.txt", "plots/plot.svg")
    ]
    counting = {"node_label": "count words", "metadata": {"tool": "counter"}, "env": {"LANG": "C"}}
    plotting = task(
        "ID4",
        "plot",
        "'two words.txt' -o plots/plot.svg",
        node_label="plot",
        container=TaskContainer("image", "docker", "image"),
    )
    return [
        PlannedJob(
            id="fetch", kind=Kind.STAGE_IN, site="local", transfers=[book], why="stage-in: inputs of ID1"
        ),
        PlannedJob(
            id="count_ID1",
            kind=Kind.COMPUTE,
            site="local",
            level=1,
            priority=5,
            category="heavy",
            retries=2,
            parents=[FETCH],
            cores=2,
            memory_mb=512,
            runtime_s=60,
            max_wall_s=600,
            tasks=[task("ID1", "count", "-l book.txt", stdout="counts.txt", **counting)],
            inputs=[Input("book.txt", sha256=SHA, metadata={"language": "en"})],
            outputs=[Output("counts.txt", metadata={"kind": "table"}), Output("mark", checkpoint=True)],
            why="task ID1",
        ),
        PlannedJob(
            id="sort_ID2",
            kind=Kind.COMPUTE,
            site="pool",
            staging="local",
            level=2,
            gpus=1,
            disk_mb=64,
            parents=[COUNT],
            tasks=[task("ID2", "sort", "counts.txt")],
            inputs=[Input("counts.txt", sources=at_home)],
            outputs=[Output("sorted.txt")],
            why="task ID2",
        ),
        PlannedJob(
            id="merge_cluster_1",
            kind=Kind.COMPUTE,
            site="local",
            level=3,
            parents=[COUNT, SORT],
            tasks=[task("ID3", "sum", "sorted.txt", node_label="sum up", stdout="sum.txt"), plotting],
            inputs=[Input("sorted.txt", sources=at_pool), Input("mark", optional=True)],
            outputs=[Output("sum.txt"), Output("plots/plot.svg", metadata={"title": "Counts"})],
            why="cluster of 2 tasks",
        ),
        PlannedJob(
            id="pack_ID5",
            kind=Kind.COMPUTE,
            site="local",
            level=4,
            parents=[CLUSTER],
            tasks=[task("ID5", "pack", "plots/plot.svg", stderr="pack.log", environment="tools")],
            inputs=[Input("plots/plot.svg")],
            outputs=[Output("pack.tar")],
            success_messages=["packed"],
            why="task ID5",
        ),
        PlannedJob(
            id="deliver",
            kind=Kind.STAGE_OUT,
            site="local",
            level=4,
            parents=[CLUSTER],
            transfers=delivered,
            why="stage-out",
        ),
        PlannedJob(
            id="register",
            kind=Kind.REGISTER,
            site="local",
            level=5,
            parents=[DELIVER],
            registrations=[Registration("sum.txt", "file:///results/sum.txt", "out", metadata={"by": "ada"})],
            why="register",
        ),
        PlannedJob(
            id="remove",
            kind=Kind.CLEANUP,
            site="local",
            level=5,
            parents=[PACK, DELIVER],
            removes=["book.txt", "counts.txt"],
            removes_scratch=True,
            why="cleanup",
        ),
    ]


def moved(lfn: str, top: str, to: str, size: int, duration_s: float, **more: Any) -> dict[str, Any]:
    ends = {"source": f"{top}/{lfn}", "destination": f"{to}/{lfn}"}
    return {"lfn": lfn, **ends, "bytes": size, "duration_s": duration_s, "attempts": 1, **more}


def complete() -> list[Entry]:
    """It was interrupted and continued; counting failed once; all succeeds."""
    fetched = moved("book.txt", "https://data.invalid", "/scratch", 1000, 0.5, sha256=SHA)
    counted = process("ID1", argv=["/opt/bin/count", "-l", "book.txt"], maxrss_kb=204800, minflt=9, inblock=8)
    two = [
        process("ID3", start=T0 + 31, duration_s=2.0, utime_s=1.5, argv=["/opt/bin/sum", "sorted.txt"]),
        process("ID4", start=T0 + 33.5, duration_s=1.25, stime_s=0.125, pid=32, oublock=16),
    ]
    return [
        began(cores=8, memory_mb=16000, gpus=1, max_jobs=4),
        start(FETCH),
        end(
            FETCH,
            time=T0 + 3,
            transfers=[fetched],
            checked={"count": 1, "failed": 0, "duration_s": 0.25},
        ),
        start(COUNT, time=T0 + 3.5),
        failed(
            COUNT,
            time=T0 + 6,
            invocations=[{**counted, "start": T0 + 4, "duration_s": 1.5, "status": 768}],
            stderr="cannot count\n",
            cwd="/scratch/count.1",
            also=[
                {"kind": "missing-output", "message": "output 'counts.txt' is missing", "hint": "write it"}
            ],
        ),
        Retry(T0 + 6, COUNT, 1, 2.0),
        Halt(T0 + 7),
        ended("halted", T0 + 7.5),
        began(T0 + 10, 1, cores=4, memory_mb=8000),
        start(COUNT, 2, T0 + 11),
        end(
            COUNT,
            2,
            T0 + 15,
            invocations=[{**counted, "start": T0 + 12, "duration_s": 2.5}],
            outputs=[
                {"lfn": "counts.txt", "size": 200, "sha256": SHA},
                {"lfn": "mark", "size": 1, "sha256": OTHER_SHA, "checkpoint": True},
            ],
            hashed={"count": 2, "duration_s": 0.125},
            checked={"count": 1, "failed": 0, "duration_s": 0.0625},
            stdout="done: 100%\n",
            cwd="/scratch/count.2",
            undeclared=["notes.tmp"],
        ),
        start(SORT, time=T0 + 16, site="pool"),
        running(SORT, time=T0 + 20),
        end(
            SORT,
            time=T0 + 28,
            invocations=[process("ID2", start=T0 + 21, duration_s=6.0, argv=["/opt/bin/sort", "counts.txt"])],
            outputs=[{"lfn": "sorted.txt", "size": 200, "sha256": OTHER_SHA}],
            host="node7",
            cwd="/pool/sort.1",
            stdout_file="00/00/sort_ID2.out",
        ),
        start(CLUSTER, time=T0 + 30),
        end(
            CLUSTER,
            time=T0 + 36,
            start=T0 + 30.5,
            invocations=two,
            containers=[
                {
                    "name": "image",
                    "type": "docker",
                    "program": "podman",
                    "image": "image",
                    "sha256": SHA,
                    "id": "1234",
                }
            ],
            outputs=[
                {"lfn": "sum.txt", "size": 20, "sha256": SHA},
                {"lfn": "plots/plot.svg", "size": 5000, "sha256": OTHER_SHA},
            ],
            hashed={"count": 2, "duration_s": 0.25},
        ),
        start(PACK, time=T0 + 36.25),
        start(DELIVER, time=T0 + 36.5),
        end(
            PACK,
            time=T0 + 38,
            invocations=[
                process("ID5", start=T0 + 37, duration_s=0.5, argv=["/opt/bin/pack", "plots/plot.svg"])
            ],
            outputs=[{"lfn": "pack.tar", "size": 6000, "sha256": SHA}],
        ),
        end(
            DELIVER,
            time=T0 + 39,
            transfers=[
                moved("sum.txt", "/scratch", "/results", 20, 0.125, sha256=SHA),
                moved("plots/plot.svg", "/scratch", "/results", 5000, 0.75, sha256=OTHER_SHA, link="hard"),
            ],
        ),
        start(REGISTER, time=T0 + 39.25),
        start(REMOVE, time=T0 + 39.5),
        end(REGISTER, time=T0 + 40),
        end(REMOVE, time=T0 + 41, removed=3),
        ended("success", T0 + 42),
    ]


def failing() -> list[Entry]:
    """Counting fails twice, plotting for good; one of two results is delivered, and packing never starts."""
    counted = process("ID1", argv=["/opt/bin/count", "-l", "book.txt"])
    summed = process("ID3", start=T0 + 14, argv=["/opt/bin/sum", "sorted.txt"])
    plotted = process("ID4", 768, start=T0 + 15, argv=["/opt/bin/plot", "two words.txt"], pid=9)
    missing = "output 'plots/plot.svg' of job 'merge_cluster_1' is missing"
    return [
        began(cores=2, memory_mb=4000),
        start(FETCH),
        end(FETCH, time=T0 + 3, transfers=[moved("book.txt", "/data", "/scratch", 1000, 0.5, found=True)]),
        start(COUNT, time=T0 + 4),
        end(
            COUNT, time=T0 + 5, ok=False, error={"kind": "lost", "message": "the engine was killed"}, host=""
        ),
        Retry(T0 + 5, COUNT, 1),
        start(COUNT, 2, T0 + 6),
        failed(
            COUNT,
            2,
            "killed by signal 9 (SIGKILL)",
            time=T0 + 8,
            invocations=[{**counted, "status": 9}],
            stdout="so far\n",
            cwd="/scratch/count.2",
        ),
        Retry(T0 + 8, COUNT, 2),
        start(COUNT, 3, T0 + 9),
        end(COUNT, 3, T0 + 10, invocations=[counted], outputs=[{"lfn": "counts.txt", "size": 200}]),
        start(SORT, time=T0 + 11, site="pool"),
        end(SORT, time=T0 + 12, invocations=[process("ID2")], outputs=[{"lfn": "sorted.txt", "size": 200}]),
        start(CLUSTER, time=T0 + 13),
        end(
            CLUSTER,
            time=T0 + 17,
            ok=False,
            error={
                "kind": "missing-output",
                "message": missing,
                "hint": "the task must write it to 'plots/plot.svg'",
                "lfn": "plots/plot.svg",
            },
            also=[{"kind": "exit", "message": "exit code 3"}],
            invocations=[summed, plotted],
            outputs=[{"lfn": "sum.txt", "size": 20, "sha256": SHA}],
            stdout="plotting\n",
            stderr="plot: no axes\nbye\n",
            stderr_bytes=70000,
            logs=[{"lfn": "plot.log", "text": "the log\n", "bytes": 90}],
            undeclared=["plot.svg"],
            cwd="/scratch/merge.1",
        ),
        GiveUp(T0 + 17, CLUSTER, 1, served=[DELIVER]),
        start(DELIVER, time=T0 + 18),
        end(
            DELIVER,
            time=T0 + 19,
            ok=False,
            error={"kind": "incomplete", "message": "1 of 2 files was not made"},
            transfers=[moved("sum.txt", "/scratch", "/results", 20, 0.125, sha256=SHA)],
        ),
        Incomplete(T0 + 19, DELIVER, 1, [REGISTER]),
        start(REGISTER, time=T0 + 20),
        end(REGISTER, time=T0 + 21),
        ended("failed", T0 + 22),
    ]


def odd() -> list[Entry]:
    """At work, after a kill: a job that must run again, one that waits at its site, checks that failed, texts to escape."""
    evil = '<b>"it\'s"</b>\t\x1b[31m caf\xe9 \u2603\n'
    unreachable = 'cannot reach https://data.invalid: <timeout> & "more"'
    return [
        began(cores=1),
        start(FETCH),
        failed(FETCH, message=unreachable, start=None, host=""),
        Retry(T0 + 2, FETCH, 1, 1.5),
        start(FETCH, 2, T0 + 4),
        began(T0 + 100, 1, keep_going=False),
        end(
            FETCH,
            2,
            T0 + 101,
            transfers=[moved("book.txt", "/data", "/scratch", 0, 0.0, link=True)],
            checked={"count": 2, "failed": 1, "duration_s": 0.5},
        ),
        start(COUNT, time=T0 + 102),
        end(
            COUNT,
            time=T0 + 104,
            invocations=[process("ID1", start=T0 + 103, duration_s=0.0)],
            outputs=[{"lfn": "counts.txt", "size": 0}],
            stdout=evil,
        ),
        Undone(T0 + 104, COUNT, 1, "file 'counts.txt' is missing"),
        start(COUNT, 2, T0 + 105),
        end(COUNT, 2, T0 + 107, start=None, outputs=[{"lfn": "counts.txt", "size": 3}], stderr=evil),
        start(SORT, time=T0 + 108, site="pool"),
    ]


def refused() -> list[Entry]:
    return [Refused(T0, "job 'count_ID1' needs 2 cores, and 1 is there", "run it with --cores 2")]


STORIES: dict[str, tuple[Callable[[], list[PlannedJob]], Callable[[], list[Entry]]]] = {
    "complete": (jobs, complete),
    "failing": (jobs, failing),
    "odd": (jobs, odd),
    "refused": (jobs, refused),
    "planned": (jobs, list),
    "many-failures": (many_jobs, many_failures),
}


@contextmanager
def made(name: str, directory: Path) -> Iterator[Path]:
    """The submit directory of a run, as it is during the context."""
    sites = {
        "local": PlanSite(scratch=local_directory("local", "/scratch")),
        "pool": PlanSite(executor="slurm", work="/pool"),
    }
    planned, happened = STORIES[name]
    run = make_run(
        directory / "run0001",
        planned(),
        happened(),
        sites=sites,
        limits={"heavy": 2},
        outputs={"out": "/results"},
        slots=GivenSlots(cores=8),
        metadata={"author": "Ada"},
    )
    written = {"name": "count", "type": "job", "id": "ID1", "arguments": ["-l"], "nodeLabel": "count words"}
    uses = [
        {"lfn": "book.txt", "type": "input"},
        {"lfn": "counts.txt", "type": "output", "metadata": {"kind": "table"}},
    ]
    with (run / "braindump.yml").open("a") as file:
        file.write(f"dax: https://ada:{SECRET}@data.invalid/workflow.yml\n")
    (run / "catalogs").mkdir()
    document = {"pegasus": "5.0.4", "name": "words", "jobs": [{**written, "uses": uses}]}
    (run / "catalogs/workflow.yml").write_text(json.dumps(document))
    (run / "00/00").mkdir(parents=True)
    (run / "00/00/sort_ID2.out").write_text("sorted\n" * 30)
    with engine_alive(run) if name == "odd" else nullcontext():
        yield run
