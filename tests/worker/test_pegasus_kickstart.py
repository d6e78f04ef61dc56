"""`pegasus-kickstart`: it runs a program, and writes a record of it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from markab.worker.kickstart_record import block_text
from markab.worker.kickstart_run import Runner, Section
from markab.worker.pegasus_kickstart import run

SOURCES = Path(__file__).parents[2] / "src"
Record = dict[str, Any]


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KICKSTART_TMP", str(tmp_path / "temporary"))


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, own_directory: None) -> Iterator[None]:
    descriptors = set(os.listdir("/proc/self/fd"))
    yield
    assert not list((tmp_path / "temporary").iterdir())
    assert set(os.listdir("/proc/self/fd")) == descriptors


def recorded(*words: str, code: int = 0) -> Record:
    """Run a command line that is to end with `code`; return its record."""
    Path("log").unlink(missing_ok=True)
    assert run(["-l", "log", *words]) == code
    (record,) = yaml.safe_load(Path("log").read_text())
    return dict(record)


def sh(*words: str, code: int = 0) -> Record:
    return recorded(*words[:-1], "/bin/sh", "-c", words[-1], code=code)


def test_the_record_says_what_ran_and_how_it_ended() -> None:
    names = ("-n", "ns::wc:1", "-N", "ID1", "-R", "local", "-L", "words", "-T", "2026-11-30")
    record = sh(*names, "echo out; echo err >&2")

    assert record["invocation"] is True and record["version"] == 3.0
    assert [record[key] for key in ("transformation", "derivation", "resource", "wf-label", "wf-stamp")] == [
        "ns::wc:1",
        "ID1",
        "local",
        "words",
        "2026-11-30",
    ]
    main = record["mainjob"]
    assert main["status"] == {"raw": 0, "regular_exitcode": 0}
    assert main["executable"]["file_name"] == "/bin/sh" and main["argument_vector"][0] == "-c"
    assert main["pid"] > 0 and main["usage"]["maxrss"] > 0
    assert record["files"]["stdout"]["data"] == "out\n" and record["files"]["stderr"]["data"] == "err\n"
    assert record["cwd"] == os.getcwd() and record["machine"]["uname_system"] == "Linux"
    assert "environment" not in record and "limits" not in record


@pytest.mark.parametrize(
    ("command", "code", "status"),
    [
        ("exit 3", 3, {"raw": 768, "regular_exitcode": 3}),
        (
            r"kill -9 \$\$",
            137,
            {"raw": 9, "signalled_signal": 9, "signalled_name": "SIGKILL", "corefile": False},
        ),
    ],
)
def test_a_failure_is_passed_on_and_has_the_environment(command: str, code: int, status: Record) -> None:
    record = sh(command, code=code)

    assert record["mainjob"]["status"] == status
    assert record["environment"]["PATH"] == os.environ["PATH"] and "nofile" in record["limits"]


def test_a_program_that_does_not_start_has_the_error_in_the_record() -> None:
    record = recorded("/not/there", code=127)

    assert record["mainjob"]["status"] == {"raw": -1, "failure_error": "No such file or directory"}
    assert record["mainjob"]["executable"] == {
        "file_name": "/not/there",
        "error": "No such file or directory",
    }


def test_no_secret_of_the_environment_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("DB_PASSWORD", "hidden1"), ("PLACE", "https://me:hidden2@host/x"), ("OPEN", "seen")):
        monkeypatch.setenv(name, value)
    record = recorded("-f", "/bin/true", "https://me:hidden3@host/y")

    assert record["environment"]["OPEN"] == "seen" and record["environment"]["DB_PASSWORD"] == "***"
    assert record["mainjob"]["argument_vector"] == ["https://host/y"]
    assert "hidden" not in Path("log").read_text()


def test_outputs_are_described_with_their_checksum() -> None:
    Path("in").write_text("before")
    record = sh(
        "-S", "a=in", "-s", "out.txt", "-s", "b=none", "-s", "a=in", "echo made > out.txt; echo longer > in"
    )
    made = record["files"]["out.txt"]

    assert (made["size"], made["output"], made["lfn"]) == (5, True, "out.txt")
    assert made["sha256"] == hashlib.sha256(b"made\n").hexdigest() and made["mode"] == "0o100644"
    assert record["files"]["b"]["integrity_error"] is True
    assert record["files"]["a"]["size"] == 7


def test_a_file_is_described_as_it_was_before_the_program_ran() -> None:
    Path("in").write_text("before")
    assert sh("-S", "in", "echo longer > in; rm in")["files"]["in"]["size"] == 6


def test_only_the_end_of_a_long_output_is_kept() -> None:
    stdout = sh("-B", "4", "echo 123456789")["files"]["stdout"]

    assert (stdout["size"], stdout["data_truncated"], stdout["data"]) == (10, True, "789\n")
    assert sh("-B", "all", "echo 123456789")["files"]["stdout"]["data"] == "123456789\n"


def test_a_quiet_record_has_the_output_of_failures_only() -> None:
    assert "data" not in sh("-q", "echo a")["files"]["stdout"]
    assert sh("-q", "echo a; exit 1", code=1)["files"]["stdout"]["data"] == "a\n"


def test_streams_may_be_files() -> None:
    Path("in").write_text("read")
    Path("out").write_text("kept ")
    Path("err").write_text("lost")
    record = sh("-i", "in", "-o", "!out", "-e", "err", "cat; echo e >&2")

    assert Path("out").read_text() == "kept read" and Path("err").read_text() == "e\n"
    assert record["files"]["stdin"]["file_name"] == "in" and "data" not in record["files"]["stdout"]


def test_a_stream_that_cannot_be_opened_starts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-i", "none", "/bin/sh", "-c", "echo > started"]) == 126
    assert capsys.readouterr().err == "pegasus-kickstart: cannot open 'none': No such file or directory\n"
    assert not Path("started").exists()


def test_records_are_appended_to_a_log() -> None:
    for number in ("1", "2"):
        assert run(["-l", "log", "-F", "-N", number, "/bin/true"]) == 0
    assert [one["derivation"] for one in yaml.safe_load(Path("log").read_text())] == ["1", "2"]


def test_a_directory_is_made_and_entered() -> None:
    top = os.getcwd()
    assert run(["-W", "a/b", "-l", f"{top}/log", "/bin/true"]) == 0
    assert yaml.safe_load(Path(top, "log").read_text())[0]["cwd"] == f"{top}/a/b"


def test_a_directory_that_is_not_there_starts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-w", "none", "/bin/true"]) == 127
    assert "cannot run in 'none': No such file or directory" in capsys.readouterr().err


def test_a_program_can_be_made_executable() -> None:
    Path("prog").write_text("#!/bin/sh\nexit 4\n")
    recorded("./prog", code=127)
    recorded("-X", "./prog", code=4)


def test_what_a_program_says_of_itself_and_its_files_is_in_the_record() -> None:
    entry = '    "made":\\n      lfn: "made"\\n      output: True\\n'
    command = f"echo key=value > \\$KICKSTART_METADATA; printf '{entry}' > \\$KICKSTART_INTEGRITY_DATA"
    record = sh(command)

    assert record["files"]["metadata"]["data"] == "key=value\n"
    assert record["files"]["made"] == {"lfn": "made", "output": True}


def test_what_is_not_an_entry_of_a_file_does_not_spoil_the_record() -> None:
    assert sh("echo '- invocation: True' > \\$KICKSTART_INTEGRITY_DATA")["files"].keys() == {
        "stdin",
        "stdout",
        "stderr",
        "metadata",
    }


@pytest.mark.parametrize(
    ("failing", "ran", "code"),
    [
        ("", ["setup", "prejob", "mainjob", "postjob", "cleanup"], 0),
        ("setup", ["setup", "prejob", "mainjob", "postjob", "cleanup"], 0),
        ("prejob", ["setup", "prejob", "cleanup"], 1),
        ("mainjob", ["setup", "prejob", "mainjob", "cleanup"], 1),
        ("postjob", ["setup", "prejob", "mainjob", "postjob", "cleanup"], 1),
        ("cleanup", ["setup", "prejob", "mainjob", "postjob", "cleanup"], 0),
    ],
)
def test_commands_run_around_the_program(
    failing: str, ran: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("setup", "prejob", "postjob", "cleanup"):
        end = "exit 1" if kind == failing else "exit 0"
        monkeypatch.setenv(f"KICKSTART_{kind.upper()}", f"/bin/sh -c 'echo {kind} >> ran; {end}'")
    record = sh(f"echo mainjob >> ran; exit {int(failing == 'mainjob')}", code=code)

    assert Path("ran").read_text().split() == ran
    assert [kind for kind in record if kind in {*ran, "mainjob"}] == (
        ran if "mainjob" in ran else ["setup", "prejob", "mainjob", "cleanup"]
    )
    if failing == "prejob":
        assert record["mainjob"]["status"] == {
            "raw": -1,
            "failure_error": "it was not started: the job before it failed",
        }


def test_a_wrapper_goes_before_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KICKSTART_WRAPPER", "env WRAPPED='a b'")
    assert sh("echo \\$WRAPPED")["files"]["stdout"]["data"] == "a b\n"


def test_path_can_be_longer_for_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KICKSTART_PREPEND_PATH", "/first")
    assert sh("echo \\$PATH")["files"]["stdout"]["data"] == f"/first:{os.environ['PATH']}\n"


def test_a_signal_goes_to_the_program_and_the_record_is_written() -> None:
    words = ["-l", "log", "/bin/sh", "-c", r"kill -TERM \$PPID; exec sleep 100"]
    code = "from markab.worker.pegasus_kickstart import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env=os.environ | {"PYTHONPATH": str(SOURCES)}, timeout=60
    )

    assert done.returncode == 128 + signal.SIGTERM
    (record,) = yaml.safe_load(Path("log").read_text())
    assert record["mainjob"]["status"]["signalled_name"] == "SIGTERM"


def test_a_time_limit_ends_the_program_with_the_signals_that_are_due() -> None:
    section = Section("mainjob", ["/bin/sh", "-c", "exec sleep 100"])
    with open(os.devnull) as null, Runner((null.fileno(),) * 3, os.environ, 0.01, 5.0) as runner:
        runner.run(section)
        assert runner.is_over and runner.why_over == "the time limit had passed"

    assert section.status == signal.SIGTERM
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_after_a_signal_nothing_but_the_cleanup_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KICKSTART_SETUP", f"/bin/sh -c 'kill -USR1 {os.getpid()}; exec sleep 100'")
    monkeypatch.setenv("KICKSTART_CLEANUP", "/bin/sh -c 'echo > cleaned'")
    record = sh("echo > started", code=127)

    assert Path("cleaned").exists() and not Path("started").exists()
    assert record["mainjob"]["status"]["failure_error"] == "it was not started: signal 10 came"


def test_a_record_that_cannot_be_written_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-l", "/dev/full", "/bin/true"]) == 126
    assert "cannot write the record: No space left on device" in capsys.readouterr().err


def test_a_wrong_command_line_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-y"]) == 127
    assert capsys.readouterr().err == "pegasus-kickstart: there is no option -y; -h lists them\n"
    assert run(["-h"]) == run(["--help"]) == run(["-V"]) == 0
    assert capsys.readouterr().out.startswith("usage: pegasus-kickstart")


@given(st.text(st.characters(codec="utf-8") | st.sampled_from(" \n\t'\"#:-|>\x00\r\x85\u2028\ufeff")))
def test_every_output_is_read_again_as_it_was(text: str) -> None:
    document = f"- files:\n    stdout:\n      data: {block_text(text, 8)}      size: 1\n"

    assert yaml.safe_load(document) == [{"files": {"stdout": {"data": text, "size": 1}}}]
