"""What is particular to running on this machine."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.waiting import is_alive
from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, Report, RunContext, Seen
from markab.executors.local import LocalExecutor
from markab.plan.model import Input, Kind, Output, Place, PlannedJob, PlannedTask, Transfer
from markab.worker.oom_kills import OomKills


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[LocalExecutor]:
    for name in ("scratch", "work", "submit"):
        (tmp_path / name).mkdir()
    # Everything that has a byte goes through a thread.
    made = LocalExecutor(grace_s=0.2, quick_bytes=0)
    yield made
    made.close()


def as_attempt(top: Path, number: int, job: PlannedJob) -> Attempt:
    context = RunContext("u", "w", str(top / "submit"), "full", 2, 50, None)
    return Attempt(AttemptId("run", number, 1), job, context, str(top / "scratch"), str(top / "work"))


def attempt(top: Path, number: int, script: str = "true", **more: Any) -> Attempt:
    job = PlannedJob(
        f"j{number}", Kind.COMPUTE, "local", tasks=[PlannedTask("t", "t", "/bin/sh", f"-c '{script}'")]
    )
    for name, value in more.items():
        setattr(job, name, value)
    return as_attempt(top, number, job)


def wait_for(executor: LocalExecutor, count: int, timeout_s: float = 15.0) -> list[Report]:
    reports: list[Report] = []
    give_up = time.monotonic() + timeout_s
    while len(reports) < count:
        assert time.monotonic() < give_up
        reports.extend(executor.wait(1.0))
    return reports


def test_files_that_take_long_go_through_threads_with_the_same_result(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    (tmp_path / "scratch/in").write_text("x")
    more = {"inputs": [Input("in")], "success_messages": ["said"]}
    attempts = [
        attempt(tmp_path, n, f"cat in > o{n}; echo said", outputs=[Output(f"o{n}")], **more)
        for n in range(20)
    ]
    executor.submit(attempts)

    for report in wait_for(executor, 20):
        assert report.record is not None and report.record["ok"], report.record
        assert report.record["outputs"][0]["size"] == 1


def test_a_transfer_that_waits_for_its_source_can_be_cancelled(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/f"
        item = Transfer("f", [Place("x", url)], [Place("local", str(tmp_path / "scratch/f"))])
        transfer = as_attempt(tmp_path, 1, PlannedJob("in", Kind.STAGE_IN, "local", transfers=[item]))
        executor.submit([transfer])
        server.accept()[0].close()
    executor.cancel([transfer.id])
    (report,) = wait_for(executor, 1)

    assert report.record is not None and not report.record["ok"]


def test_it_works_outside_of_the_main_thread(executor: LocalExecutor, tmp_path: Path) -> None:
    records: list[Any] = []

    def work() -> None:
        executor.submit([attempt(tmp_path, 1, "echo 1")])
        records.extend(report.record for report in wait_for(executor, 1))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert records[0]["stdout"] == "1\n"


def test_an_output_directory_that_cannot_be_written_is_reported(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    (tmp_path / "submit").rmdir()
    executor.submit([attempt(tmp_path, 1)])
    (report,) = wait_for(executor, 1)

    assert report.record is not None
    assert report.record["error"]["kind"] == "storage"
    assert str(tmp_path / "submit") in report.record["error"]["message"]
    assert os.listdir(tmp_path / "work") in ([], ["j1.1"])


@pytest.fixture
def garbage_stays() -> Iterator[None]:
    """Close what earlier tests left to the garbage collector before the test counts."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("garbage_stays")
def test_nothing_is_left_open_or_running(tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    def children() -> set[str]:
        return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())

    of_others = children()
    for name in ("scratch", "work", "submit"):
        (tmp_path / name).mkdir()
    before = 0
    for round_number in range(3):
        executor = LocalExecutor()
        executor.submit([attempt(tmp_path, n) for n in range(5)])
        wait_for(executor, 5)
        executor.close()
        if round_number == 0:
            before = descriptors()
    assert descriptors() == before
    assert os.listdir(tmp_path / "work") == os.listdir(tmp_path / "submit") == []
    assert children() <= of_others


def test_when_the_launcher_is_killed_its_attempts_are_lost_and_nothing_of_them_runs(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    pid_file, child_file = tmp_path / "pid", tmp_path / "child"
    child = f'setsid /bin/sh -c "echo \\$\\$ > {child_file}; exec sleep 1000" &'
    executor.submit([attempt(tmp_path, 1, f"{child} echo $$ > {pid_file}; exec sleep 1000")])
    while not (pid_file.exists() and pid_file.read_text() and child_file.exists()):
        executor.wait(0.01)
    os.kill(executor._launcher.pid, signal.SIGKILL)
    (report,) = wait_for(executor, 1)

    assert (report.seen, report.record) == (Seen.LOST, None) and "SIGKILL" in report.reason
    assert os.listdir(tmp_path / "work") == []
    for path in (pid_file, child_file):
        assert not is_alive(int(path.read_text()))
    executor.submit([attempt(tmp_path, 2, "echo again")])
    (report,) = wait_for(executor, 1)
    assert report.record is not None and report.record["stdout"] == "again\n"


def capture_inodes() -> dict[int, int]:
    """The inodes of capture files, each with a descriptor that keeps its number from being reused."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            if "/.capture-" in os.readlink(f"/proc/self/fd/{name}"):
                found[os.stat(f"/proc/self/fd/{name}").st_ino] = os.dup(int(name))
        except FileNotFoundError:
            continue  # it was the descriptor of the listing
    return found


def test_output_is_captured_in_new_files_when_another_process_may_write_into_the_old(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    def inode(number: int, before: str = "") -> int:
        executor.submit([attempt(tmp_path, number, before + "stat -Lc %i /proc/self/fd/1")])
        (report,) = wait_for(executor, 1)
        assert report.record is not None and report.record["ok"], report.record
        return int(report.record["stdout"])

    first = inode(1)
    held = capture_inodes()
    try:
        assert inode(2) == first, "as long as nothing is left, the same files do"
        assert inode(3, "setsid sleep 1000 & ") == first
        assert inode(4) not in held
    finally:
        for fd in held.values():
            os.close(fd)


def test_jobs_that_ask_for_gpus_see_different_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    for name in ("scratch", "work", "submit"):
        (tmp_path / name).mkdir()
    executor = LocalExecutor()
    script = "echo $CUDA_VISIBLE_DEVICES $NVIDIA_VISIBLE_DEVICES; while [ ! -e %s/go ]; do sleep 0.01; done"
    own = PlannedTask(
        "t", "t", "/bin/sh", "-c 'echo $CUDA_VISIBLE_DEVICES'", env={"CUDA_VISIBLE_DEVICES": "x"}
    )
    try:
        executor.submit(
            [
                attempt(tmp_path, number, script % tmp_path, gpus=gpus)
                for number, gpus in ((1, 2), (2, 0), (3, 1))
            ]
        )
        (tmp_path / "go").touch()
        printed = {report.id.job: (report.record or {})["stdout"] for report in wait_for(executor, 3)}
        assert printed == {1: "4,5 4,5\n", 2: "4,5,6\n", 3: "6 6\n"}

        executor.submit(
            [attempt(tmp_path, 4, gpus=2, tasks=[own]), attempt(tmp_path, 5, script % tmp_path, gpus=1)]
        )
        printed = {report.id.job: (report.record or {})["stdout"] for report in wait_for(executor, 2)}
        assert printed == {4: "x\n", 5: "6 6\n"}, "given back, and the user's variable takes precedence"
    finally:
        executor.close()


def test_a_task_that_the_system_killed_for_lack_of_memory_is_known_as_such(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills = iter([True, False])
    monkeypatch.setattr(OomKills, "claim", lambda self: next(kills))
    executor.submit([attempt(tmp_path, 0, "kill -9 $$"), attempt(tmp_path, 1, "kill -9 $$")])
    executor.submit([attempt(tmp_path, 2, "exit 137")])

    records = [report.record for report in wait_for(executor, 3)]
    kinds = sorted(record["error"]["kind"] for record in records if record is not None)
    assert ["exit", "memory", "signal"] == kinds
