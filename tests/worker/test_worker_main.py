"""The worker as a program, from one zip file, on any Python."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from markab.worker.worker_zip import pack

PYTHONS = [sys.executable]
if shutil.which("python3.6"):
    PYTHONS.append("python3.6")


def spec(top: Path, script: str, **job: Any) -> Path:
    for name in ("scratch", "work"):
        (top / name).mkdir(exist_ok=True)
    tasks = [{"id": "ID1", "transformation": "sh", "executable": "/bin/sh", "arguments": f'-c "{script}"'}]
    content = {
        "job": {"id": "j", "kind": "compute", "site": "s", "tasks": tasks, **job},
        "attempt": 1,
        "scratch": str(top / "scratch"),
        "work": str(top / "work"),
        "uuid": "u",
        "workflow": "w",
        "submit_dir": str(top),
    }
    (top / "spec.json").write_text(json.dumps(content))
    return top / "spec.json"


@pytest.fixture
def worker(tmp_path: Path) -> str:
    pack(str(tmp_path / "worker.zip"))
    return str(tmp_path / "worker.zip")


@pytest.mark.parametrize("python", PYTHONS)
def test_it_runs_an_attempt_from_a_zip_file_with_nothing_else(
    python: str, worker: str, tmp_path: Path
) -> None:
    path = spec(tmp_path, "cat in > out; echo said", inputs=[{"lfn": "in"}], outputs=[{"lfn": "out"}])
    (tmp_path / "scratch/in").write_text("x")
    done = subprocess.run(
        [python, "-S", "-E", worker, str(path)], capture_output=True, text=True, cwd="/", check=False
    )

    if "pyenv" in done.stderr:
        pytest.skip("python3.6 is only a name here")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["outputs"] == [{"lfn": "out", "size": 1, "sha256": hashlib.sha256(b"x").hexdigest()}]
    assert record["stdout"] == "said\n"
    assert (tmp_path / "scratch/out").read_text() == "x"
    assert os.listdir(tmp_path / "work") == []


def test_a_failure_is_in_the_record_and_in_the_exit_code(worker: str, tmp_path: Path) -> None:
    path = spec(tmp_path, "exit 4")
    done = subprocess.run(
        [sys.executable, worker, str(path), "-o", str(tmp_path / "record.json")], check=False
    )

    assert done.returncode == 1
    assert json.loads((tmp_path / "record.json").read_text())["error"]["kind"] == "exit"


def test_sigterm_reaches_the_task_and_its_checkpoint_is_kept(worker: str, tmp_path: Path) -> None:
    script = "trap 'echo half > state; exit 1' TERM; touch ../../ready; while :; do sleep 0.02; done"
    path = spec(tmp_path, script, outputs=[{"lfn": "state", "checkpoint": True}])
    process = subprocess.Popen([sys.executable, worker, str(path)], stdout=subprocess.PIPE)
    give_up = time.monotonic() + 10
    while not (tmp_path / "ready").exists() and time.monotonic() < give_up:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    record = json.loads(process.communicate(timeout=10)[0])

    assert record["error"]["kind"] == "cancelled"
    assert record["outputs"][0]["lfn"] == "state"
    assert (tmp_path / "scratch/state").read_text() == "half\n"


def test_a_spec_that_cannot_be_read_is_a_wrong_command_line(worker: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, worker, "/no/spec"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "/no/spec" in done.stderr and "Traceback" not in done.stderr


def test_the_same_files_give_the_same_zip_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        pack(str(tmp_path / name))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
