from __future__ import annotations

import sqlite3
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from kit.made_run import began, compute, end, ended, make_run, start
from markab.errors import MarkabError
from markab.journal.run_reader import STATES
from markab.operations import RUN_STATES, bytes_of_run, list_runs
from markab.plan.braindump import write_braindump


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return tmp_path / "home"


def made(path: Path, stamp: str) -> Path:
    run = make_run(path, [compute("a")], [began(), start(0), end(0), ended("success")])
    write_braindump(run / "braindump.yml", {"wf_uuid": path.name, "timestamp": stamp})
    return run


def entered(home: Path, *runs: tuple[Path, str]) -> None:
    """Write runs into the database of runs as the engine does."""
    (home / ".pegasus").mkdir(parents=True)
    with sqlite3.connect(home / ".pegasus" / "workflow.db") as connection:
        connection.execute(
            "CREATE TABLE master_workflow (submit_dir, dax_label, wf_uuid, timestamp, archived DEFAULT 0)"
        )
        for path, uuid in runs:
            values = (str(path), "words", uuid, 1000.0)
            connection.execute("INSERT INTO master_workflow VALUES (?, ?, ?, ?, 0)", values)


def test_runs_come_from_the_directory_and_from_the_database_each_once(home: Path, tmp_path: Path) -> None:
    old = made(Path.cwd() / "ada/pegasus/w/run0001", "20260101T000000+0000")
    new = made(Path.cwd() / "ada/pegasus/w/run0002", "20260201T000000+0000")
    elsewhere = made(tmp_path / "elsewhere", "20260301T000000+0000")
    entered(home, (old, "run0001"), (elsewhere, "elsewhere"), (tmp_path / "gone", "gone"))

    runs, warning = list_runs()

    assert warning == ""
    assert [(run.submit_dir, run.state, run.succeeded, run.total) for run in runs] == [
        (elsewhere, "Success", 1, 1),
        (new, "Success", 1, 1),
        (old, "Success", 1, 1),
        (tmp_path / "gone", "Gone", 0, 0),
    ]
    assert (runs[-1].workflow, runs[-1].planned) == ("words", 1000.0)


def test_without_a_database_the_runs_below_are_found(home: Path) -> None:
    run = made(Path.cwd() / "run0001", "20260101T000000+0000")
    assert [one.submit_dir for one in list_runs()[0]] == [run]
    assert not (home / ".pegasus").exists()


def test_a_database_that_cannot_be_read_is_a_warning(home: Path) -> None:
    (home / ".pegasus").mkdir(parents=True)
    (home / ".pegasus" / "workflow.db").write_text(
        "no database at all, but long enough to be read as one\n" * 99
    )
    runs, warning = list_runs()
    assert runs == [] and warning.startswith("the database of runs cannot be read: ")


def test_a_database_whose_tables_are_still_being_made_has_no_runs(home: Path) -> None:
    (home / ".pegasus").mkdir(parents=True)
    (home / ".pegasus" / "workflow.db").touch()
    assert list_runs() == ([], "")


def test_a_run_that_cannot_be_read_is_listed_as_such(home: Path) -> None:
    run = made(Path.cwd() / "run0001", "20260101T000000+0000")
    (run / "plan.jsonl").write_text("damaged\n")
    assert [(one.submit_dir, one.state) for one in list_runs()[0]] == [(run, "Unreadable")]


def test_runs_are_chosen_by_state_name_and_time(home: Path) -> None:
    old = made(Path.cwd() / "run0001", "20260101T000000+0000")
    new = make_run(Path.cwd() / "run0002", [compute("a")], workflow="rain-2")

    def found(**filters: Any) -> list[Path]:
        return [run.submit_dir for run in list_runs(**filters)[0]]

    assert found(states=["success"]) == [old] and found(states=["not-started", "gone"]) == [new]
    assert found(workflow="rain*") == [new] and found(workflow="words") == [old] and found(workflow="r") == []
    assert found(since=new_time() - 1) == [new] and found(since=new_time() + 1) == []
    with pytest.raises(MarkabError, match="no state of a run 'broken'") as caught:
        found(states=["broken"])
    assert "success, failed" in caught.value.hint


def new_time() -> float:
    """When `make_run` says that runs are planned."""
    return datetime(2026, 11, 20, 20, tzinfo=timezone.utc).timestamp()


def test_each_state_has_a_word() -> None:
    words = {word.capitalize().replace("-", " ") for word in RUN_STATES} - {"Failed"}
    assert {*RUN_STATES.values()} == words | {"Failure"}
    assert {*STATES.values()} <= {*RUN_STATES.values()}


def test_bytes_are_those_of_submit_directory_and_own_scratch(home: Path) -> None:
    run = made(Path.cwd() / "run0001", "20260101T000000+0000")
    before = bytes_of_run(run)
    scratch = run / "scratch"
    (scratch / "deep/er").mkdir(parents=True)
    (scratch / "deep/er/x").write_bytes(bytes(1000))
    (scratch / "deep/loop").symlink_to(scratch)
    assert bytes_of_run(run).scratch == 0, "it is not marked as that of the run"
    marker = f"run0001\n{run}\nhost\n"
    (scratch / ".markab").write_text(marker)
    now = bytes_of_run(run)
    assert now.scratch == 1000 + len(marker) + len(str(scratch))
    assert now.submit_dir == before.submit_dir + now.scratch
    assert bytes_of_run(run / "nothing") == (0, 0)
