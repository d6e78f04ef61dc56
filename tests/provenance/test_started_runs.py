"""Runs that were started, and are not in the list of all runs yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from markab.operations.run_list import list_runs
from markab.provenance.started_runs import forget_started, note_started, started_runs


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "markab" / "started"


def test_a_run_is_noted_until_it_is_forgotten(tmp_path: Path, state: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        note_started(tmp_path / name)
    note_started(tmp_path / "a")

    assert {tmp_path / "a", tmp_path / "b"} == set(started_runs())
    forget_started(tmp_path / "a")
    forget_started(tmp_path / "a")
    assert [tmp_path / "b"] == started_runs()
    (tmp_path / "b").rmdir()
    assert [] == started_runs() and not list(state.iterdir())


def test_a_run_that_has_just_started_is_listed_from_any_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "far" / "run0001"
    run.mkdir(parents=True)
    (run / "plan.jsonl").write_text("")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run not in [found.submit_dir for found in list_runs()[0]]

    note_started(run)

    assert run in [found.submit_dir for found in list_runs()[0]]


def test_without_a_place_for_it_nothing_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))

    note_started(tmp_path)

    assert [] == started_runs()
