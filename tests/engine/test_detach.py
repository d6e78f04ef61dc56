from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from engine.engine_fakes import job, make_run
from markab.engine.background import start
from markab.engine.control import engine_pid
from markab.errors import CorruptJournal, MarkabError, RunBusy
from markab.journal.lock import RunLock

HOLD = """
import sys, time
from pathlib import Path
from markab.journal.lock import RunLock
with RunLock(Path(sys.argv[1]) / "lock"):
    print("arguments", sys.argv[2:], flush=True)
    while not (Path(sys.argv[1]) / "stop").exists():
        time.sleep(0.01)
"""


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


def test_a_detached_engine_has_the_lock_when_start_returns(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a")])

    pid = start(directory, ["--cores", "2"], command=[sys.executable, "-c", HOLD])
    try:
        assert engine_pid(directory) == pid != os.getpid()
        assert os.getsid(pid) == pid
        with pytest.raises(RunBusy, match=str(pid)):
            start(directory, command=[sys.executable, "-c", HOLD])
        with pytest.raises(RunBusy, match=str(pid)):
            RunLock(directory / "lock").take()
    finally:
        (directory / "stop").touch()
    for _ in range(500):
        if engine_pid(directory) is None:
            break
        time.sleep(0.01)
    assert engine_pid(directory) is None
    assert "arguments ['--cores', '2']" in (directory / "run.log").read_text()


@pytest.mark.parametrize("exit_code", [0, 14, 15])
def test_an_engine_that_ended_before_its_lock_was_seen_did_start(tmp_path: Path, exit_code: int) -> None:
    directory = make_run(tmp_path / "run", [job("a")])

    assert start(directory, command=[sys.executable, "-c", f"raise SystemExit({exit_code})"]) > 0


def test_the_error_of_an_engine_that_cannot_start_is_reported(tmp_path: Path) -> None:
    directory = make_run(tmp_path / "run", [job("a")])
    say = "import sys; print('error: line 3 is damaged\\n  hint: cut it'); sys.exit(21)"

    with pytest.raises(CorruptJournal) as caught:
        start(directory, command=[sys.executable, "-c", say])
    assert (str(caught.value), caught.value.hint) == ("line 3 is damaged", "cut it")

    with pytest.raises(MarkabError, match="ZeroDivisionError"):
        start(directory, command=[sys.executable, "-c", "1/0"])
