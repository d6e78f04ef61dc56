"""What is read of the output of tasks while they run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.waiting import wait_until
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, RunContext
from markab.executors.live_output import LiveOutput, find_live_output
from markab.executors.local import LocalExecutor
from markab.plan.model import Kind, Output, PlannedJob, PlannedTask

RUN = f"run-of-{os.getpid()}"
"""Uuid of the run: another process of pytest may run these tests at the same time."""


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[LocalExecutor]:
    for name in ("scratch", "work", "submit"):
        (tmp_path / name).mkdir()
    made = LocalExecutor(grace_s=0.2)
    yield made
    made.close()


class Blocked:
    """Jobs whose tasks go on when a line is written into a FIFO of theirs."""

    def __init__(self, top: Path, executor: LocalExecutor) -> None:
        self.top = top
        self.executor = executor

    def submit(self, name: str, script: str, number: int, **task: Any) -> None:
        os.mkfifo(self.top / f"fifo_{name}")
        tasks = [PlannedTask("t", "t", "/bin/sh", f"-c '{script}; read x < {self.top}/fifo_{name}'", **task)]
        outputs = [Output(lfn) for lfn in task.values()]
        job = PlannedJob(name, Kind.COMPUTE, "local", tasks=tasks, outputs=outputs)
        context = RunContext(RUN, "w", str(self.top / "submit"), "full", 2, 50, None)
        places = str(self.top / "scratch"), str(self.top / "work")
        self.executor.submit([Attempt(AttemptId("run", number, 1), job, context, *places)])

    def end(self, name: str) -> None:
        with open(self.top / f"fifo_{name}", "w") as fifo:
            fifo.write("\n")
        wait_until(lambda: self.executor.wait(0.05))


@pytest.fixture
def jobs(tmp_path: Path, executor: LocalExecutor) -> Blocked:
    return Blocked(tmp_path, executor)


def found(job: str, number: int = 1, names: tuple[str, ...] = (), writes: str = "") -> LiveOutput:
    def look() -> LiveOutput | None:
        live = find_live_output(f"{RUN}/{job}/1", number, names)
        if live is not None and live.size_bytes() < len(writes):
            live.close()
            return None
        return live

    return wait_until(look)


def test_both_streams_of_a_running_task_are_read(jobs: Blocked) -> None:
    jobs.submit("a", "echo out; echo error >&2", 0)
    for number, text in ((1, "out\n"), (2, "error\n")):
        live = found("a", number, writes=text)
        assert (live.name, live.is_alive, live.read(0, 100)) == ("", True, text.encode())
        assert live.read(2, 2) == text[2:4].encode()
        live.close()
    jobs.end("a")


def test_what_a_capture_has_of_a_later_attempt_is_not_read(jobs: Blocked) -> None:
    jobs.submit("a", "echo first", 0)
    live = found("a", writes="first\n")
    jobs.end("a")
    jobs.submit("b", "echo the second", 1)
    other = found("b", writes="the second\n")

    assert live.size_bytes() == len("the second\n"), "the capture was not used again"
    assert (live.is_alive, live.read(0, 100)) == (False, b"")
    assert other.read(0, 100) == b"the second\n"
    jobs.end("b")


def test_a_declared_file_is_read_to_its_end_after_its_task_ended(jobs: Blocked) -> None:
    jobs.submit("a", "echo one", 0, stdout="dir/log.txt")
    live = found("a", names=("g.txt", "log.txt", "dir/log.txt"), writes="one\n")
    assert (live.name, live.read(0, 100)) == ("dir/log.txt", b"one\n")
    jobs.end("a")
    assert (live.is_alive, live.read(0, 100)) == (False, b"one\n")
    live.close()
    live.close()


@pytest.mark.parametrize("target", ["/dev/null", "elsewhere"])
def test_what_a_task_redirected_itself_is_not_taken_for_its_output(jobs: Blocked, target: str) -> None:
    jobs.submit("a", f"exec > {target}; echo x; echo ready >&2", 0)
    found("a", 2, writes="ready\n").close()
    assert find_live_output(f"{RUN}/a/1", 1, ["log.txt"]) is None
    jobs.end("a")


def test_nothing_is_found_of_an_attempt_that_does_not_run() -> None:
    assert find_live_output("u/nothing/1", 1, []) is None
