"""`check_output`: the output of a job is renamed, judged and logged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from markab.diagnosis.job_output import Expected
from markab.errors import StorageError
from markab.operations import exit_check
from markab.operations.exit_check import check_output, log_check

RECORD = (
    "- invocation: True\n  mainjob:\n    status:\n      raw: {}\n"
    '  files:\n    "a":\n      output: True\n      size: 3\n      sha256: 0123\n'
)
GOOD, BAD = RECORD.format(0), RECORD.format(256)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def attempt(stdout: str, number: str) -> None:
    Path("job.out").write_text(stdout)
    Path("job.err").write_text(number)


def test_each_attempt_keeps_its_output(directory: Path) -> None:
    for number in ("000", "001", "002"):
        attempt(BAD, number)
        checked = check_output("job.out", Expected())
        assert (checked.number, checked.verdict.problem) == (int(number), "task exited with raw status 256")
        assert Path(f"job.err.{number}").read_text() == number
    assert len(names(directory)) == 6


def test_a_job_without_stderr_is_checked_too(directory: Path) -> None:
    Path("job.out").write_text(GOOD)
    assert not check_output("job.out", Expected()).verdict.problem
    assert names(directory) == ["job.meta", "job.out.000"]


def test_only_success_writes_the_outputs_with_their_checksums(directory: Path) -> None:
    attempt(BAD, "")
    check_output("job.out", Expected(), all_metadata="wf.meta")
    assert not Path("job.meta").exists() and not Path("wf.meta").exists()

    for _ in range(2):
        attempt(GOOD, "")
        check_output("job.out", Expected(), all_metadata="wf.meta")
    attributes = {"size": "3", "checksum.type": "sha256", "checksum.value": "0123"}
    assert json.loads(Path("job.meta").read_text()) == [
        {"_id": "a", "_type": "file", "_attributes": attributes}
    ]
    line = 'a @@PFN@@ size="3" checksum.type="sha256" checksum.value="0123"\n'
    assert Path("wf.meta").read_text() == line * 2


def test_nothing_is_renamed_or_written_that_is_not_wanted(directory: Path) -> None:
    attempt(GOOD, "")
    checked = check_output("job.out", Expected(), is_renamed=False, with_metadata=False)
    assert checked.number is None and names(directory) == ["job.err", "job.out"]


def test_what_is_no_output_of_a_job_stays_as_it_is(directory: Path) -> None:
    Path("job.txt").write_text(GOOD)
    assert (
        check_output("job.txt", Expected()).verdict.problem
        == "job.txt does not look like a kickstart .out file"
    )
    assert check_output("none.out", Expected()).verdict.problem == "none.out does not exist"
    assert names(directory) == ["job.txt"]


def test_output_that_is_not_utf_8_is_judged() -> None:
    Path("job.out").write_bytes(GOOD.encode() + b"\xff\xfe\n")
    assert not check_output("job.out", Expected()).verdict.problem


def test_no_output_is_overwritten_when_all_names_are_taken(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exit_check, "NUMBERS", 1)
    attempt(BAD, "first")
    check_output("job.out", Expected())
    attempt(BAD, "second")
    with pytest.raises(StorageError, match="there are 1 outputs of earlier attempts"):
        check_output("job.out", Expected())
    assert Path("job.err.000").read_text() == "first" and Path("job.err").read_text() == "second"


def test_both_outputs_have_the_same_number_after_a_kill_between_the_renames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attempt(BAD, "first")
    whole, calls = exit_check.os.rename, 0

    def dying(*words: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        whole(*words)

    monkeypatch.setattr(exit_check.os, "rename", dying)
    with pytest.raises(KeyboardInterrupt):
        check_output("job.out", Expected())
    assert check_output("job.out", Expected()).number == 0
    assert Path("job.err.000").read_text() == "first" and Path("job.out.000").read_text() == BAD


def test_the_log_has_a_line_for_each_check() -> None:
    for stdout in (GOOD, BAD):
        attempt(stdout, "")
        log_check("log", check_output("job.out", Expected()), 3)
    good, bad = map(json.loads, Path("log").read_text().splitlines())

    assert [good[key] for key in ("name", "exitcode", "app_exitcode", "retry", "job_retry", "std_err")] == [
        "job.out",
        0,
        0,
        0,
        3,
        "",
    ]
    assert [bad[key] for key in ("exitcode", "app_exitcode", "retry", "std_out", "std_err")] == [
        1,
        256,
        1,
        "",
        "task exited with raw status 256\n ",
    ]


def test_a_log_that_cannot_be_written_is_an_error(directory: Path) -> None:
    attempt(GOOD, "")
    with pytest.raises(StorageError, match="cannot write '/dev/none/log'"):
        log_check("/dev/none/log", check_output("job.out", Expected()), 0)
