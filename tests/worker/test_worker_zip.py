"""The worker as a program, from one zip file, on any Python."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.waiting import wait_until
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


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"executable": "/no/such/program"}, "no-program", "'/no/such/program' of task 'ID1' does not exist"),
        ({"executable": "/"}, "not-executable", "'/' of task 'ID1' is a directory"),
        ({"stdin": "absent"}, "missing-input", "absent"),
    ],
)
def test_a_program_that_cannot_be_started_on_a_node_is_in_the_record(
    worker: str, tmp_path: Path, change: dict[str, str], kind: str, words: str
) -> None:
    path = spec(tmp_path, "true")
    content = json.loads(path.read_text())
    content["job"]["tasks"][0].update(change)
    path.write_text(json.dumps(content))
    done = subprocess.run([sys.executable, worker, str(path)], capture_output=True, text=True, check=False)

    assert done.returncode == 1, done.stderr
    record = json.loads(done.stdout)
    assert record["error"]["kind"] == kind and words in record["error"]["message"]
    assert ["ID1"] == [one["task"] for one in record["invocations"]]


def test_sigterm_reaches_the_task_and_its_checkpoint_is_kept(worker: str, tmp_path: Path) -> None:
    script = "trap 'echo half > state; exit 1' TERM; touch ../../ready; while :; do sleep 0.02; done"
    path = spec(tmp_path, script, outputs=[{"lfn": "state", "checkpoint": True}])
    process = subprocess.Popen([sys.executable, worker, str(path)], stdout=subprocess.PIPE)
    wait_until((tmp_path / "ready").exists)
    process.send_signal(signal.SIGTERM)
    record = json.loads(process.communicate(timeout=60)[0])

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


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory, and its URL on a web server."""
    (tmp_path / "served").mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(tmp_path / "served"))  # type: ignore[arg-type]

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield tmp_path / "served", f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Sandbox:
    """A directory that the worker starts in, with a spec that knows no absolute path of it."""

    def __init__(self, top: Path, worker: str, script: str, **more: Any) -> None:
        self.path = top / "sandbox"
        self.path.mkdir()
        self.worker = worker
        tasks = [
            {"id": "ID1", "transformation": "sh", "executable": "/bin/sh", "arguments": f"-c '{script}'"}
        ]
        job = {"id": "j", "kind": "compute", "site": "s", "staging": "store", "tasks": tasks}
        job.update(more.pop("job"))
        spec = {
            "job": job,
            "attempt": 1,
            "uuid": "u",
            "workflow": "w",
            "work": "work",
            "transfer_attempts": 1,
        }
        (self.path / "spec.json").write_text(json.dumps({**spec, **more}))

    def run(self) -> dict[str, Any]:
        command = [sys.executable, "-S", "-E", self.worker, "spec.json", "-o", "record.json"]
        done = subprocess.run(command, cwd=self.path, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        record: dict[str, Any] = json.loads((self.path / "record.json").read_text())
        assert record["ok"] == (done.returncode == 0)
        return record


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_without_a_mounted_scratch_inputs_come_from_urls_and_outputs_are_put_to_its_url(
    worker: str, tmp_path: Path, served: tuple[Path, str]
) -> None:
    store = tmp_path / "the store"
    (store / "d").mkdir(parents=True)
    (store / "d/staged 1%").write_text("staged,")
    (served[0] / "tool").write_text('#!/bin/sh\ncat "$1"; echo made')
    sandbox = Sandbox(
        tmp_path,
        worker,
        './tool "d/staged 1%" > a/out; ln -s a/out link',
        job={
            "inputs": [
                {"lfn": "d/staged 1%"},
                {
                    "lfn": "tool",
                    "sources": [{"site": "s", "url": served[1] + name} for name in ("/none", "/tool")],
                    "executable": True,
                },
                {"lfn": "checkpoint", "optional": True},
            ],
            "outputs": [{"lfn": "a/out"}, {"lfn": "link"}],
        },
        scratch_url=f"file://{tmp_path}/the%20store",
        checksums={"d/staged 1%": sha256(b"staged,")},
    )
    record = sandbox.run()

    assert record["ok"], record
    out = b"staged,made\n"
    assert (store / "a/out").read_bytes() == (store / "link").read_bytes() == out
    assert not (store / "link").is_symlink()
    assert record["outputs"] == [
        {"lfn": lfn, "size": len(out), "sha256": sha256(out)} for lfn in ("a/out", "link")
    ]
    assert [moved["lfn"] for moved in record["transfers"]] == ["d/staged 1%", "tool", "a/out", "link"]
    assert record["checked"]["count"] == 1
    assert os.listdir(sandbox.path / "work") == []


def test_what_is_not_what_was_recorded_never_starts_a_task(worker: str, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store/in").write_text("other")
    sandbox = Sandbox(
        tmp_path,
        worker,
        "echo > out",
        job={"inputs": [{"lfn": "in"}], "outputs": [{"lfn": "out"}]},
        scratch_url=f"file://{tmp_path}/store",
        checksums={"in": "0" * 64},
    )
    record = sandbox.run()

    assert record["error"]["kind"] == "checksum" and "invocations" not in record
    assert os.listdir(tmp_path / "store") == ["in"]


def test_outputs_that_cannot_be_put_fail_the_attempt(worker: str, tmp_path: Path) -> None:
    sandbox = Sandbox(
        tmp_path,
        worker,
        "echo > out",
        job={"outputs": [{"lfn": "out"}]},
        scratch_url="gopher://h/store",
    )
    record = sandbox.run()

    assert record["error"]["kind"] == "refused" and "gopher" in record["error"]["message"]
    assert "outputs" not in record


def test_with_relative_paths_all_stays_in_the_sandbox(worker: str, tmp_path: Path) -> None:
    sandbox = Sandbox(
        tmp_path,
        worker,
        "cat in > out; seq 2000",
        job={"inputs": [{"lfn": "in"}], "outputs": [{"lfn": "out"}]},
        scratch="files",
        attachments="beside",
    )
    (sandbox.path / "files").mkdir()
    (sandbox.path / "files/in").write_text("x")
    record = sandbox.run()

    assert record["ok"], record
    assert (sandbox.path / "files/out").read_text() == "x"
    assert record["stdout_file"] == "j.out.000"
    assert (sandbox.path / "beside/j.out.000").read_text() == "".join(f"{n}\n" for n in range(1, 2001))
    assert sorted(os.listdir(sandbox.path)) == ["beside", "files", "record.json", "spec.json", "work"]
