"""Starting an engine in the background: success means that the run was accepted, and every other end is an error."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from engine.engine_fakes import job, make_run
from markab.engine.background import start
from markab.engine.control import engine_pid
from markab.engine.start_report import Accepted, read_start, reporting_start
from markab.errors import CorruptJournal, DrawingError, JobRejected, MarkabError, RunBusy
from markab.journal.lock import RunLock

ENGINE = """
import os, sys
from pathlib import Path
from markab.engine.start_report import reporting_start
from markab.errors import CorruptJournal, JobRejected
from markab.journal.lock import RunLock
directory, *words, _, pipe = sys.argv[1:]
"""
ACCEPT_AND_WAIT = (
    ENGINE
    + """
with RunLock(Path(directory) / "lock"), reporting_start(int(pipe)) as accepted:
    print("arguments", words, flush=True)
    accepted(False)
    sys.stdin = open(Path(directory) / "stop")
    sys.stdin.read()
"""
)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", [job("a")])


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_an_engine_has_the_lock_and_a_session_of_its_own_when_start_returns(run: Path) -> None:
    os.mkfifo(run / "stop")
    pid, is_complete = start(run, ["--cores", "2"], command=python(ACCEPT_AND_WAIT))
    try:
        assert engine_pid(run) == pid != os.getpid() and not is_complete
        assert os.getsid(pid) == pid
        with pytest.raises(RunBusy, match=str(pid)):
            start(run, command=python(ACCEPT_AND_WAIT))
        with pytest.raises(RunBusy, match=str(pid)):
            RunLock(run / "lock").take()
    finally:
        (run / "stop").write_text("")
    os.waitpid(pid, 0)
    assert engine_pid(run) is None
    assert "arguments ['--cores', '2']" in (run / "run.log").read_text()


def test_an_engine_that_accepted_the_run_and_ended_at_once_did_start_it(run: Path) -> None:
    text = ENGINE + "with reporting_start(int(pipe)) as accepted: accepted(True); sys.exit(14)"
    started = start(run, command=python(text))
    assert started.pid > 0 and started.is_complete


def test_the_error_of_an_engine_that_refuses_the_run_is_the_error(run: Path) -> None:
    """Also after it has taken the lock: having it says nothing."""
    text = ENGINE + (
        "with RunLock(Path(directory) / 'lock'), reporting_start(int(pipe)):\n"
        "    print('error: of something else')\n"
        "    raise JobRejected('no GPUs\\nnone at all', 'buy some')"
    )
    with pytest.raises(JobRejected) as caught:
        start(run, command=python(text))

    assert ("no GPUs\nnone at all", "buy some") == (caught.value.message, caught.value.hint)
    assert engine_pid(run) is None


@pytest.mark.parametrize(
    ("ending", "message", "exit_code"),
    [
        ("os.kill(os.getpid(), 9)", "the engine was killed by signal 9 before it had started the run", 137),
        ("1/0", "exit code 1 before it had started the run\n.*ZeroDivisionError", 1),
        ("sys.exit(0)", "exit code 0 before it had started the run", 1),
        ("os.write(int(pipe), b'{}'); sys.exit(70)", "exit code 70 before it had started the run", 70),
    ],
)
def test_an_engine_that_ends_without_a_report_did_not_start_the_run(
    run: Path, ending: str, message: str, exit_code: int
) -> None:
    with pytest.raises(MarkabError, match=f"(?s){message}") as caught:
        start(run, command=python(ENGINE + ending))

    assert caught.value.exit_code == exit_code
    assert str(run / "run.log") in caught.value.hint


def test_the_end_of_the_process_that_waits_for_the_report_is_no_error_of_the_engine() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with reporting_start(theirs) as accepted:
        accepted(False)
        accepted(True)


def test_an_error_of_any_class_keeps_its_exit_code() -> None:
    for error in (CorruptJournal("damaged", "cut it"), DrawingError("no dot", "get it", stderr="what")):
        ours, theirs = os.pipe()
        with pytest.raises(type(error)), reporting_start(theirs):
            raise error
        read = read_start(ours)
        assert isinstance(read, MarkabError)
        assert (read.message, read.hint, read.exit_code) == (error.message, error.hint, error.exit_code)


def test_an_error_after_acceptance_is_not_reported_as_a_refusal() -> None:
    ours, theirs = os.pipe()
    with pytest.raises(CorruptJournal), reporting_start(theirs) as accepted:
        accepted(False)
        raise CorruptJournal("later")
    assert read_start(ours) == Accepted(is_complete=False)


def test_a_start_that_is_interrupted_leaves_no_engine(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(pipe: int) -> bool:
        os.close(pipe)
        raise KeyboardInterrupt

    monkeypatch.setattr("markab.engine.background.read_start", interrupted)
    text = "import os, sys; print(os.getpid(), flush=True); sys.stdin = open(sys.argv[1] + '/stop'); input()"
    os.mkfifo(run / "stop")
    with pytest.raises(KeyboardInterrupt):
        start(run, command=python(text))
    from markab.engine import background

    assert background._children[-1].wait() == -15
