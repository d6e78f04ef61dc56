"""`markab runs`: the filters, and how lines fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kit.made_run import began, compute, end, ended, make_run, start
from markab.cli.runs import lines_of, runs


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "run0001", [compute("a")], [began(), start(0), end(0), ended("success")])
    make_run(tmp_path / "run0002", [compute("a")], workflow="rain")
    return tmp_path


def printed(*words: str) -> str:
    done = CliRunner().invoke(runs, words)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.usefixtures("here")
def test_runs_are_chosen_by_words() -> None:
    assert printed("--state", "Success").split()[-2:] == ["words", "run0001"]
    assert printed("--workflow", "r*").split()[-2:] == ["rain", "run0002"]
    assert len(printed("--since", "2026-11-20").splitlines()) == 2
    assert printed("--since", "2999-01-01") == ""
    assert printed("--state", "failed,halted") == ""


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--state", "broken"], "there is no state 'broken'; the states are: success, failed"),
        (["--state", ","], "there is no state ','"),
        (["--since", "soon"], "'soon' is neither a date such as 2026-11-30 nor an age such as 7d"),
        (["--since", "9999999d"], "'9999999d' is not an age"),
        (["nowhere"], "does not exist"),
    ],
)
def test_what_chooses_no_runs_is_a_wrong_command_line(words: list[str], message: str) -> None:
    done = CliRunner().invoke(runs, words)
    assert done.exit_code == 2 and message in done.output


@pytest.mark.usefixtures("here")
def test_sizes_are_printed_on_demand() -> None:
    assert " KB  " in printed("--size") and " KB  " not in printed()
    (first, _) = json.loads(printed("--size", "-J"))
    assert first["submit_dir_bytes"] > 500 and first["scratch_bytes"] == 0
    assert "scratch_bytes" not in json.loads(printed("-J"))[0]


def test_columns_are_as_wide_as_their_texts() -> None:
    rows = [["Success", "1/1", "a/long/path"], ["Halted", "11/11", "b"]]
    assert lines_of(rows) == ["Success  1/1    a/long/path", "Halted   11/11  b"]
    assert lines_of(rows, 27) == lines_of(rows)
    assert lines_of(rows, 26) == ["Success  1/1", "  a/long/path", "Halted   11/11", "  b"]
    assert lines_of([]) == lines_of([], 80) == []
