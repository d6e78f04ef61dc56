"""An element of a batch job: which attempts a worker runs, and what it leaves to the executor."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from kit.waiting import wait_until
from markab.worker import batch_element
from markab.worker.batch_element import run_element

SRC = Path(__file__).parents[2] / "src"


class Batch:
    """The directory of a batch, in which this process works."""

    def __init__(self, top: Path) -> None:
        self.top = top
        for name in ("claims", "fences", "records", "attachments", "scratch", "work"):
            (top / name).mkdir()

    def write(self, *elements: list[dict[str, Any]]) -> None:
        position, lines = 0, []
        for element in elements:
            line = []
            for spec in element:
                line.append({"position": position, "spec": spec})
                position += 1
            lines.append(json.dumps(line))
        (self.top / "specs").write_text("".join(line + "\n" for line in lines))

    def run(self, element: int = 0, **more: Any) -> int:
        return run_element("specs", element, more.pop("stop", threading.Event()), **more)

    def record(self, position: int) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.top / f"records/{position}.json").read_text())
        return read

    def records(self) -> list[str]:
        return sorted(path.name for path in (self.top / "records").iterdir())

    def start(self, element: int = 0, *options: str) -> subprocess.Popen[bytes]:
        """Start a worker as a batch system does."""
        words = [sys.executable, "-m", "markab.worker", "specs", f"--pick={element}", *options]
        return subprocess.Popen(words, cwd=self.top, env=os.environ | {"PYTHONPATH": str(SRC)})


@pytest.fixture
def batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Batch:
    monkeypatch.chdir(tmp_path)
    return Batch(tmp_path)


def spec(name: str, script: str, outputs: tuple[str, ...] = ()) -> dict[str, Any]:
    arguments = "-c '" + script.replace("'", "'\\''") + "'"
    task = {"id": name, "transformation": "sh", "executable": "/bin/sh", "arguments": arguments}
    job = {
        "id": name,
        "kind": "compute",
        "site": "cluster",
        "tasks": [task],
        "outputs": [{"lfn": lfn} for lfn in outputs],
    }
    return {"job": job, "attempt": 1, "uuid": "u", "workflow": "w", "work": "work", "scratch": "scratch"}


def test_an_element_runs_its_attempts_one_after_the_other(batch: Batch) -> None:
    batch.write([spec("a", "echo > out", ("out",))], [spec("b", "exit 3"), spec("c", "echo $PWD")])

    assert batch.run(0) == 0
    assert batch.records() == ["0.json"] and (batch.top / "scratch/out").exists()
    assert batch.run(1) == 1
    assert batch.record(1)["error"]["kind"] == "exit"
    assert batch.record(2)["stdout"] == f"{batch.top}/work/c.1\n", (
        "paths are relative to where the worker starts"
    )
    assert (batch.top / "claims/2").read_text().split()[1] == str(os.getpid())


def test_an_attempt_that_was_begun_before_is_left_out(batch: Batch) -> None:
    batch.write([spec("a", "echo x >> ../../log"), spec("b", "true")])
    batch.run()
    (batch.top / "records/0.json").unlink()

    assert batch.run() == 0
    assert (batch.top / "log").read_text() == "x\n" and batch.records() == ["1.json"]


def test_an_attempt_that_was_withdrawn_never_begins(batch: Batch) -> None:
    batch.write([spec("a", "echo > ../../ran"), spec("b", "true")])
    (batch.top / "claims/0").write_text("revoked\n")

    assert batch.run() == 0
    assert not (batch.top / "ran").exists() and batch.records() == ["1.json"]


def test_an_attempt_behind_its_fence_puts_no_output_in_place(batch: Batch) -> None:
    batch.write([spec("a", "echo > out; echo revoked > ../../fences/0", ("out",))])

    assert batch.run() == 1
    assert batch.record(0)["error"]["kind"] == "lost" and "outputs" not in batch.record(0)
    assert not (batch.top / "scratch/out").exists() and not any((batch.top / "work").iterdir())


def test_an_attempt_whose_batch_is_gone_puts_no_output_in_place(batch: Batch) -> None:
    batch.write([spec("a", "echo > out; rm -r ../../fences", ("out",))])

    assert batch.run() == 1
    assert batch.record(0)["error"]["kind"] == "storage" and not (batch.top / "scratch/out").exists()


def test_the_fence_is_passed_before_outputs_are_put_in_place(batch: Batch) -> None:
    batch.write([spec("a", "echo > out", ("out",))])
    batch.run()

    assert (batch.top / "fences/0").read_text().split()[1] == str(os.getpid())


def test_a_worker_ends_the_attempt_that_is_revoked_and_goes_on(batch: Batch) -> None:
    batch.write([spec("a", "echo > ../../ready; exec sleep 1000"), spec("b", "true")])
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.append(batch.run(pulse_s=0.02)))
    thread.start()
    wait_until((batch.top / "ready").exists)
    (batch.top / "fences/0").write_text("revoked\n")
    thread.join()

    assert batch.record(0)["error"]["kind"] == "cancelled" and batch.record(1)["ok"]


def test_the_claim_gets_a_new_time_while_the_worker_lives(batch: Batch) -> None:
    batch.write([spec("a", "touch -d @1 ../../claims/0; while [ ! -e ../../go ]; do sleep 0.01; done")])
    thread = threading.Thread(target=lambda: batch.run(pulse_s=0.02))
    thread.start()
    claim = batch.top / "claims/0"
    wait_until(lambda: claim.exists() and claim.stat().st_mtime > 10**6)
    (batch.top / "go").touch()
    thread.join()

    assert batch.record(0)["ok"]


def test_after_sigterm_the_attempt_is_recorded_and_no_other_is_begun(batch: Batch) -> None:
    batch.write([spec("a", "echo > ../../ready; exec sleep 1000"), spec("b", "true")])
    worker = batch.start()
    wait_until((batch.top / "ready").exists)
    worker.send_signal(signal.SIGTERM)

    assert worker.wait() == 1
    assert batch.record(0)["error"]["kind"] == "cancelled" and batch.records() == ["0.json"]
    assert not (batch.top / "claims/1").exists()


def test_before_its_limit_a_worker_ends_the_task_and_begins_no_other(batch: Batch) -> None:
    batch.write([spec("a", "exec sleep 1000"), spec("b", "true")])

    assert batch.run(limit_s=0.3) == 1
    error = batch.record(0)["error"]
    assert error["kind"] == "timeout" and error["hint"] == "raise the profile pegasus.runtime"
    assert batch.records() == ["0.json"]


def test_what_a_task_leaves_behind_has_ended_with_its_attempt(batch: Batch) -> None:
    daemon = "setsid sh -c 'echo $$ > ../../pid; exec sleep 1000' & while [ ! -s ../../pid ]; do :; done"
    batch.write([spec("a", daemon)])
    assert batch.start().wait() == 0

    assert not Path(f"/proc/{(batch.top / 'pid').read_text().strip()}").exists()


def test_a_spec_that_cannot_be_read_fails_only_its_attempt(batch: Batch) -> None:
    batch.write([{"nonsense": 1}, spec("b", "true")])

    assert batch.run() == 1
    assert batch.record(0)["error"]["kind"] == "internal" and batch.record(1)["ok"]


def test_an_element_that_is_not_there_is_an_error_on_the_command_line(batch: Batch) -> None:
    batch.write([spec("a", "true")])

    assert batch.start(7).wait() == 2


def test_a_record_appears_whole(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    rename = os.rename

    def look(source: str, destination: str) -> None:
        if destination.endswith("0.json"):
            seen.extend(batch.records())
            assert json.loads(Path(source).read_text())["ok"]
        rename(source, destination)

    monkeypatch.setattr(batch_element.os, "rename", look)
    batch.write([spec("a", "true")])
    batch.run()
    assert seen == ["0.json.part"]
