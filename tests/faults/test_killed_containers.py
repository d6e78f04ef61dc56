"""`kill -9` of the engine, of its launcher too, while tasks run in containers: the run goes on, and nothing stays."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.tools import environment, plan, processes_of_run, write_workflow
from kit.podman import Podman, install

KILLS = 12
TASKS = 12


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Podman]:
    if not install():
        assert not os.environ.get("CI"), "there is no podman"
        pytest.skip("there is no podman, and none can be installed")
    found = Podman(tmp_path / "podman")
    for name, value in found.environ.items():
        monkeypatch.setenv(name, value)
    yield found
    found.remove()


@pytest.mark.faults
def test_a_run_in_containers_survives_kills_and_leaves_nothing(podman: Podman, tmp_path: Path) -> None:
    image = podman.save_image(tmp_path / "tool.tar")
    at = {"name": "local", "type": "installed", "pfn": "/bin/sh", "container": "box"}
    box = {"name": "box", "type": "docker", "image": f"file://{image}"}
    box["profiles"] = {"pegasus": {"container.program": "podman"}}  # type: ignore[assignment]
    jobs = [
        {
            "type": "job",
            "name": "sh",
            "id": f"t{number}",
            "arguments": [f"-c 'sleep 0.5; echo {number} > {number}.txt'"],
            "uses": [{"lfn": f"{number}.txt", "type": "output", "stageOut": True}],
        }
        for number in range(TASKS)
    ]
    catalog = {"transformations": [{"name": "sh", "sites": [at]}], "containers": [box]}
    workflow = write_workflow(tmp_path, jobs, transformationCatalog=catalog)
    run = plan(workflow, "--dir", "sub", "--output-dir", "out", cwd=tmp_path)
    command = [sys.executable, "-m", "markab", "run", "--cores", "2", str(run)]
    seed = random.randrange(1 << 32)
    moments = random.Random(seed)

    for _ in range(KILLS):
        engine = subprocess.Popen(
            command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(moments.uniform(0.5, 5.0))  # the moment of the kill, and nothing to wait for
        victims = [engine.pid, *(_children(engine.pid) if moments.random() < 0.5 else [])]
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # the run had ended
        engine.wait()

    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"seed {seed}: {done.stdout}{done.stderr}"
    results = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert results == {f"{number}.txt": f"{number}\n" for number in range(TASKS)}, f"seed {seed}"
    uuid = json.loads((run / "journal.jsonl").read_text().splitlines()[0].partition(" ")[2])["uuid"]
    assert (podman.containers(), podman.images(), processes_of_run(uuid)) == ([], [], []), f"seed {seed}"


def _children(pid: int) -> list[int]:
    try:
        return [
            int(word)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for word in (task / "children").read_text().split()
        ]
    except OSError:
        return []
