"""Finding and ending the processes of a run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from markab.executors import orphan_processes

SLEEP = ["/bin/sleep", "1000"]


@pytest.fixture
def children():  # type: ignore[no-untyped-def]
    made: list[subprocess.Popen[bytes]] = []
    yield made
    for child in made:
        child.kill()
        child.wait()


def test_only_tasks_of_the_killed_engine_are_ended_wherever_they_run(
    children: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    def sleep(environ: dict[str, str]) -> subprocess.Popen[bytes]:
        children.append(subprocess.Popen(SLEEP, env=environ, cwd=tmp_path, stdin=subprocess.DEVNULL))
        return children[-1]

    ours = sleep({"MARKAB_ENGINE": "12", "MARKAB_ATTEMPT": "u/a/1"})
    of_next_engine = sleep({"MARKAB_ENGINE": "123", "MARKAB_ATTEMPT": "u/a/2"})
    of_the_user = sleep({})

    assert orphan_processes.kill_all(orphan_processes.has_engine("12")) == 1

    assert ours.wait(1) == -9
    assert of_next_engine.poll() is None and of_the_user.poll() is None


def test_a_run_is_found_by_its_uuid_but_not_what_we_started_ourselves() -> None:
    match = orphan_processes.has_runs({"u-1", "u-2"}, "5")
    assert match(b"\0MARKAB_ATTEMPT=u-1/j/1\0MARKAB_ENGINE=4\0")
    assert not match(b"\0MARKAB_ATTEMPT=u-1/j/1\0MARKAB_ENGINE=5\0")
    assert not match(b"\0MARKAB_ATTEMPT=u-12/j/1\0")
    assert not match(b"\0XMARKAB_ATTEMPT=u-1/j/1\0")
    assert os.getpid() not in orphan_processes.find(lambda environ: True)


def test_processes_are_looked_for_until_none_is_found_twice_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = [[], [7], [], [8, 7], [], [], [9]]
    killed: list[int] = []
    monkeypatch.setattr(orphan_processes, "find", lambda match: rounds.pop(0))
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append(pid))

    assert orphan_processes.kill_all(lambda environ: True) == 2

    assert (killed, rounds) == ([7, 8, 7], [[9]])
