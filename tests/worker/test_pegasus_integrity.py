"""`pegasus-integrity`: checksums of files, computed and verified."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from pathlib import Path

import pytest
import yaml

from markab.worker.pegasus_integrity import run

A = hashlib.sha256(b"a").hexdigest()


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a").write_text("a")
    Path("b c").write_text("b")


def known(**checksums: str) -> None:
    entries = [{"_id": lfn, "_attributes": {"checksum.value": sum_}} for lfn, sum_ in checksums.items()]
    Path("job.meta").write_text(json.dumps(entries))


def test_checksums_are_printed_as_sha256sum_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--generate", "a;;;b c"]) == 0
    assert capsys.readouterr().out == f"{A}  a\n{hashlib.sha256(b'b').hexdigest()}  b c\n"


def test_entries_are_those_of_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--generate-fullstat-yaml=lfn=a;;;b c"]) == 0
    entries = yaml.safe_load(capsys.readouterr().out)
    assert entries["lfn"]["sha256"] == A and entries["lfn"]["size"] == 1 and entries["b c"]["output"] is True

    assert run(["--generate-yaml", "lfn=a"]) == 0
    assert yaml.safe_load(capsys.readouterr().out).keys() == {"sha256", "checksum_timing"}


def test_entries_are_added_to_the_file_that_kickstart_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KICKSTART_INTEGRITY_DATA", "data")
    assert run(["--generate-fullstat-yaml", "a"]) == run(["--generate-fullstat-yaml", "b c"]) == 0
    assert yaml.safe_load(Path("data").read_text()).keys() == {"a", "b c"}
    assert not capsys.readouterr().out


@pytest.mark.parametrize("action", ["--generate", "--generate-yaml", "--generate-fullstat-yaml"])
def test_a_file_that_is_not_there_is_an_error(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([action, "none"]) == 1
    assert capsys.readouterr().out == "pegasus-integrity: 'none': No such file or directory\n"


def test_a_right_file_is_accepted_silently(capsys: pytest.CaptureFixture[str]) -> None:
    known(a=A, lfn=A.upper())
    assert run(["--verify", "a;;;lfn=a"]) == 0
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("wrong=a", f"'a' is not the file that was recorded: its sha256 is {A}, expected 0123"),
        ("b c", "no .meta file here has a checksum of 'b c'"),
        ("a=none", "'none' cannot be read: No such file or directory"),
    ],
)
def test_every_wrong_file_is_named(files: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    known(a=A, wrong="0123")
    assert run(["--verify", f"{files};;;a=a"]) == run(["--verify", f"a=a;;;{files}"]) == 1
    assert capsys.readouterr().out == f"pegasus-integrity: {message}\n" * 2


def test_the_files_may_come_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    known(a=A, wrong="0123")
    monkeypatch.setattr(sys, "stdin", io.StringIO("a;;;wrong=a\n"))
    assert run(["--verify", "stdin"]) == 1


@pytest.mark.parametrize("text", ["[{", "", '{"a": 1}', "[1, {}]", "\xff", "[" * 100_000])
def test_a_damaged_meta_file_hides_no_other(text: str) -> None:
    known(a=A)
    Path("damaged.meta").write_bytes(text.encode("latin-1"))
    assert run(["--verify", "a"]) == 0


def test_results_go_where_the_monitor_finds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    known(a=A, wrong="0123")
    Path("parts").mkdir()
    monkeypatch.setenv("PEGASUS_MULTIPART_DIR", "parts")
    assert run(["--print-timings", "--verify", "a;;;wrong=a;;;wrong=none;;;other=a"]) == 1

    (file,) = Path("parts").glob("*-integrity")
    attempts, summary = yaml.safe_load(file.read_text())
    assert [one["success"] for one in attempts["integrity_verification_attempts"]] == [True, False, False]
    assert attempts["integrity_verification_attempts"][1]["sha256_expected"] == "0123"
    assert (summary["integrity_summary"]["succeeded"], summary["integrity_summary"]["failed"]) == (1, 2)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 1, "give one of --generate, --generate-yaml, --generate-fullstat-yaml, --verify"),
        (["--generate", "a", "--verify", "a"], 1, "give one of --generate"),
        (["--verify", "a", "b"], 1, "its FILES as one word"),
        (["--generate-xmls", "a"], 1, "records in XML are not written; use --generate-yaml"),
        (["--bad"], 2, "option --bad not recognized; --help lists the options"),
        (["--help"], 0, "usage: pegasus-integrity ACTION"),
    ],
)
def test_a_wrong_command_line_says_what_is_right(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == code
    assert message in capsys.readouterr().out
