"""The runs of a user, through the API."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

import Pegasus.api
from kit.made_run import began, compute, end, ended, make_run, start
from markab.api import PegasusClientError, Workflow, clean_runs, list_runs
from markab.errors import StorageError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "one", [compute("a")], [began(), start(0), end(0), ended("success")])
    make_run(tmp_path / "two", [compute("a")], workflow="rain[1]")
    return tmp_path


def test_the_runs_of_a_workflow_are_those_of_its_name(here: Path) -> None:
    (run,) = Workflow("rain[1]").runs()
    assert (run.submit_dir, run.state) == (here / "two", "Not started")
    assert Workflow("rain").runs() == [] and Workflow("words").runs(state="failed") == []
    workflow = Workflow("words")
    workflow.use_run(workflow.runs(here, state=["success"])[0].submit_dir)
    assert workflow.submit_dir == here / "one"


def test_all_runs_are_listed(here: Path) -> None:
    assert {run.submit_dir for run in list_runs()} == {here / "one", here / "two"}
    assert list_runs(since=datetime(2999, 1, 1)) == list_runs(here / "none") == []
    assert len(list_runs(str(here), since=timedelta(days=10_000))) == 2
    assert Pegasus.api.list_runs is list_runs
    with pytest.raises(PegasusClientError, match=r"(?s)listing the runs failed.*no state of a run 'lost'"):
        list_runs(state="lost")


def test_a_list_that_cannot_be_read_is_a_warning(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    (here / "home/.pegasus/workflow.db").mkdir(parents=True)
    assert len(list_runs()) == 2
    assert "the database of runs cannot be read" in caplog.text


def test_old_runs_are_deleted_only_when_that_is_said(here: Path) -> None:
    (one,) = clean_runs(state="success")
    assert (one.run.submit_dir, one.why_kept, one.bytes > 100) == (here / "one", "", True)
    assert [old.run.submit_dir for old in Workflow("rain[1]").clean(older=timedelta(days=99_999))] == []
    (old,) = Workflow("rain[1]").clean(keep=0)
    assert (old.run.submit_dir, (here / "two").exists()) == (here / "two", True)
    Workflow("rain[1]").clean(here / "two", yes=True)
    assert not (here / "two").exists() and (here / "one").exists()
    assert Pegasus.api.clean_runs is clean_runs
    with pytest.raises(ValueError, match="name runs, or choose some with older, state"):
        clean_runs(yes=True)
    with pytest.raises(PegasusClientError, match=r"(?s)deleting runs failed.*nowhere"):
        clean_runs("nowhere")


def test_a_run_that_cannot_be_deleted_is_an_error_and_the_others_go(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from markab.operations import old_runs

    delete = old_runs.delete_run

    def refuse_one(path: Path) -> Path:
        if path.name == "one":
            raise StorageError("no")
        return delete(path)

    monkeypatch.setattr(old_runs, "delete_run", refuse_one)
    with pytest.raises(PegasusClientError, match=r"(?s)deleting runs failed.*no"):
        clean_runs(keep=0, yes=True)
    assert (here / "one").exists() and not (here / "two").exists()
