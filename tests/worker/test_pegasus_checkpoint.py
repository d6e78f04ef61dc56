"""`pegasus-checkpoint`: files of a job packed into a checkpoint."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from markab.worker import pegasus_checkpoint
from markab.worker.pegasus_checkpoint import ARCHIVE, PID_FILE, URLS, Log, run, save


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("state.1").write_text("one")
    Path("states").mkdir()
    Path("states/deep").write_text("deep")
    Path("other").write_text("x")


def packed() -> set[str]:
    with tarfile.open(ARCHIVE) as archive:
        return set(archive.getnames())


def wait_for(condition: Callable[[], object]) -> None:
    end_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.02)


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def begin(*words: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "markab.worker.pegasus_checkpoint", *words]
        started.append(subprocess.Popen(argv))
        wait_for(lambda: Path(PID_FILE).exists() and Path(PID_FILE).read_text())
        return started[-1]

    yield begin
    for process in started:
        process.terminate()
        process.wait()


def test_what_matches_as_a_whole_is_packed_and_nothing_of_its_own() -> None:
    save([re.compile(r"state.*")], Log())
    assert packed() == {"state.1", "states", "states/deep"}
    save([re.compile("state"), re.compile("other")], Log())
    assert packed() == {"other"}
    save([re.compile(".*")], Log())
    assert ARCHIVE not in packed()


def test_each_signal_packs_what_is_there_then(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = start("-p", r"state\..")
    assert int(Path(PID_FILE).read_text()) == process.pid and not Path(ARCHIVE).exists()
    process.send_signal(signal.SIGUSR1)
    wait_for(Path(ARCHIVE).exists)
    assert packed() == {"state.1"}
    Path("state.2").write_text("two")
    process.send_signal(signal.SIGUSR1)
    wait_for(lambda: packed() == {"state.1", "state.2"})


def test_an_interval_packs_without_a_signal(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    start("-p", "state.1", "-i", "1", "-l")
    wait_for(Path(ARCHIVE).exists)
    wait_for(lambda: "bytes" in Path("pegasus-checkpoint.log").read_text())


def test_the_last_archive_stays_when_the_next_cannot_be_packed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save([re.compile("state.1")], Log())

    def fail(*words: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "add", fail)
    save([re.compile("other")], Log())
    assert packed() == {"state.1"} and "the last one stays" in capsys.readouterr().err


def test_it_is_sent_where_a_list_of_urls_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fake = tmp_path / "bin/pegasus-transfer"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho sent $*\nexit 3\n")
    fake.chmod(0o755)
    Path(URLS).write_text("[]")
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    save([re.compile("other")], Log())
    assert "no pegasus-transfer on PATH" in capfd.readouterr().err
    monkeypatch.setenv("PATH", f"{fake.parent}:/bin")
    save([re.compile("other")], Log())
    seen = capfd.readouterr()
    assert seen.out == f"sent -m 3 -n 8 -f {URLS} -s\n" and "exited with 3" in seen.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give each pattern with -p"),
        (["-p", "a", "b"], "give each pattern with -p"),
        (["-p", "("], "the pattern '(' is not a regular expression"),
        (["-p", "a", "-i", "-3"], "the interval '-3' is not"),
        (["-p", "a", "--interval", "2.5"], "the interval '2.5' is not"),
        (["-x"], "option -x not recognized"),
    ],
)
def test_a_wrong_command_line_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    assert message in capsys.readouterr().err and not Path(PID_FILE).exists()


def test_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    assert capsys.readouterr().out == pegasus_checkpoint.USAGE
