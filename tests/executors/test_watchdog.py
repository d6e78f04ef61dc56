"""Finding and ending the processes of a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from markab.executors import watchdog

SLEEP = ["/bin/sleep", "1000"]


@pytest.fixture
def children():  # type: ignore[no-untyped-def]
    made: list[subprocess.Popen[bytes]] = []
    yield made
    for child in made:
        child.kill()
        child.wait()


def test_only_tasks_of_the_killed_engine_are_ended(
    children: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    def sleep(environ: dict[str, str], cwd: Path) -> subprocess.Popen[bytes]:
        children.append(subprocess.Popen(SLEEP, env=environ, cwd=cwd, stdin=subprocess.DEVNULL))
        return children[-1]

    (tmp_path / "work/a.1").mkdir(parents=True)
    (tmp_path / "work2").mkdir()
    ours = sleep({"MARKAB_ENGINE": "12", "MARKAB_ATTEMPT": "u/a/1"}, tmp_path)
    nameless = sleep({}, tmp_path / "work/a.1")
    of_next_engine = sleep({"MARKAB_ENGINE": "123", "MARKAB_ATTEMPT": "u/a/2"}, tmp_path / "work/a.1")
    beside = sleep({}, tmp_path / "work2")

    dog = subprocess.Popen([sys.executable, "-I", "-S", watchdog.__file__, "12"], stdin=subprocess.PIPE)
    assert dog.stdin is not None
    dog.stdin.write(f"{tmp_path}/work\n".encode())
    dog.stdin.close()

    assert dog.wait(20) == 0
    assert ours.wait(1) == nameless.wait(1) == -9
    assert of_next_engine.poll() is None and beside.poll() is None


def test_an_engine_that_ends_well_needs_no_watchdog(children: list[subprocess.Popen[bytes]]) -> None:
    children.append(subprocess.Popen(SLEEP, env={"MARKAB_ENGINE": "77", "MARKAB_ATTEMPT": "u/a/1"}))
    dog = subprocess.run([sys.executable, watchdog.__file__, "77"], input=b"\n", timeout=20, check=False)

    assert dog.returncode == 0
    assert children[0].poll() is None


def test_a_run_is_found_by_its_uuid_but_not_what_we_started_ourselves() -> None:
    match = watchdog.has_run("u-1", "5")
    assert match(b"\0MARKAB_ATTEMPT=u-1/j/1\0MARKAB_ENGINE=4\0")
    assert not match(b"\0MARKAB_ATTEMPT=u-1/j/1\0MARKAB_ENGINE=5\0")
    assert not match(b"\0MARKAB_ATTEMPT=u-12/j/1\0")
    assert not match(b"\0XMARKAB_ATTEMPT=u-1/j/1\0")
    assert os.getpid() not in watchdog.find(lambda environ: True, [])
