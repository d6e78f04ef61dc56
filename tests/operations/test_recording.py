"""`record_again`: what is derived from the journal is made again on request."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.databases import ask, contents
from kit.made_run import began, compute, end, ended, engine_alive, make_run, start
from markab import operations
from markab.errors import NotARun, RunBusy


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return make_run(tmp_path / "run", [compute("a")], [began(), start(0), end(0), ended("success")])


def database(run: Path) -> Path:
    return run / "words-0.stampede.db"


def test_all_that_is_derived_is_made(run: Path, tmp_path: Path) -> None:
    assert operations.record_again(run) == []
    assert (run / "jobstate.log").exists() and (run / "monitord.done").exists()
    assert ask(database(run), "SELECT count(*) FROM job_instance") == [(1,)]
    assert ask(tmp_path / "home/.pegasus/workflow.db", "SELECT submit_dir FROM master_workflow") == [
        (str(run),)
    ]


def test_a_replay_makes_it_again_and_keeps_the_old_log(run: Path) -> None:
    operations.record_again(run)
    rows, log = contents(database(run)), (run / "jobstate.log").read_bytes()
    database(run).write_bytes(b"damaged")
    operations.record_again(run, replay=True)

    assert contents(database(run)) == rows
    assert (run / "jobstate.log").read_bytes() == (run / "jobstate.log.000").read_bytes() == log


def test_a_replay_into_a_shared_database_erases_this_run_only(run: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shared.db"
    other = make_run(tmp_path / "other", [compute("b")], [began(), start(0), end(0)], uuid="7a3d")
    for one in (run, other, run):
        operations.record_again(one, replay=True, url=url)

    assert ask(tmp_path / "shared.db", "SELECT wf_uuid FROM workflow ORDER BY 1") == [("7a3c",), ("7a3d",)]
    assert ask(tmp_path / "shared.db", "SELECT count(*) FROM job_instance") == [(2,)]
    assert not database(run).exists()


def test_the_log_may_be_all_that_is_wanted_and_elsewhere(run: Path, tmp_path: Path) -> None:
    operations.record_again(run, with_database=False, log=tmp_path / "states")
    assert "JOB_SUCCESS" in (tmp_path / "states").read_text()
    assert not database(run).exists() and not (run / "jobstate.log").exists()


def test_a_run_that_is_running_is_not_replayed_but_brought_up_to_date(run: Path) -> None:
    with engine_alive(run):
        with pytest.raises(RunBusy):
            operations.record_again(run, replay=True)
        operations.record_again(run)
    assert database(run).exists()


def test_there_must_be_a_run(tmp_path: Path) -> None:
    with pytest.raises(NotARun):
        operations.record_again(tmp_path / "none")
