from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from kit.made_run import began, compute, end, ended, make_run, start
from markab.operations import list_runs
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


def test_a_run_that_cannot_be_read_is_listed_as_such(home: Path) -> None:
    run = made(Path.cwd() / "run0001", "20260101T000000+0000")
    (run / "plan.jsonl").write_text("damaged\n")
    assert [(one.submit_dir, one.state) for one in list_runs()[0]] == [(run, "Unreadable")]
