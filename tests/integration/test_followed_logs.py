"""`markab logs -f` beside a real engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from integration.tools import Gate, environment, job_line, markab, plan, script, write_workflow
from kit.waiting import wait_until
from markab.journal.lock import holder

SPEAK = """#!/bin/sh
# Says which try it is, waits, says so, and fails at the first.
[ -e "$1" ] && try=2 || try=1
touch "$1"
echo "try $try"; echo "error $try" >&2
read line < "$2"
echo "end $try"
[ $try = 2 ]
"""


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


def a_run(tmp_path: Path, gate: Gate, **keys: object) -> Path:
    speak = script(tmp_path / "speak.sh", SPEAK)
    job = job_line(
        "a", "speak", f"{tmp_path}/tried {gate._path}", profiles={"dagman": {"retry": "1"}}, **keys
    )
    catalog = {"transformations": [{"name": "speak", "sites": [place(speak)]}]}
    return plan(write_workflow(tmp_path, [job], transformationCatalog=catalog), cwd=tmp_path)


def place(program: Path) -> dict[str, str]:
    return {"name": "condorpool", "type": "installed", "pfn": str(program)}


class Following:
    """`markab logs -f` under way."""

    def __init__(self, run: Path, *words: str) -> None:
        self.out, self.err = run.parent / "out", run.parent / "err"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "markab", "logs", str(run), "a", "-f", *words],
            stdout=open(self.out, "w"),
            stderr=open(self.err, "w"),
            env=environment(),
        )

    def has(self, text: str) -> None:
        wait_until(lambda: text in self.out.read_text() + self.err.read_text(), what=text)


@pytest.mark.integration
@pytest.mark.parametrize("stream", [None, "out.txt"])
def test_a_job_is_followed_while_it_runs_and_across_its_retry(
    tmp_path: Path, gate: Gate, stream: str | None
) -> None:
    keys = {"stdout": stream, "outputs": [stream]} if stream else {}
    run = a_run(tmp_path, gate, **keys)
    with gate:
        markab("run", "--detach", run, cwd=tmp_path)
        following = Following(run)
        following.has("try 1\n")
        following.has("error 1\n")
        gate.let(1)
        following.has("try 2\n")
        gate.let(1)
        assert following.process.wait(60) == 0
    assert following.out.read_text() == "try 1\nend 1\ntry 2\nend 2\n"
    lines = following.err.read_text().splitlines()
    assert [line for line in lines if line[0] != "["] == ["error 1", "error 2"]
    assert "[attempt 2 of speak_a]" in lines and lines[-1] == "[speak_a succeeded]"


@pytest.mark.integration
def test_following_ends_when_the_engine_is_killed(tmp_path: Path, gate: Gate) -> None:
    run = a_run(tmp_path, gate)
    with gate:
        markab("run", "--detach", run, cwd=tmp_path)
        following = Following(run, "--stdout")
        following.has("try 1\n")
        pid = holder(run / "lock")
        assert pid
        os.kill(pid, signal.SIGKILL)
        assert following.process.wait(60) == 15
    assert "speak_a has not ended: the engine of the run stopped unexpectedly" in following.err.read_text()
