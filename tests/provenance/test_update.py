"""What keeps log, database and list of runs current while an engine works: it is quick to go, and hard to kill it with."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from kit.databases import ask, make_homeless
from kit.diamond import diamond_story, make_diamond, write_journal
from kit.waiting import is_alive, wait_until
from markab.provenance import follower as follower_module
from markab.provenance import queries
from markab.provenance.follower import FollowerProcess
from markab.provenance.run_database import open_database
from markab.provenance.started_runs import note_started, started_runs
from markab.provenance.update import Pass, RunUpdater

SRC = Path(__file__).resolve().parents[2] / "src"
STORY = diamond_story()
DATABASE = "words-0.stampede.db"
ALL_WELL = Pass("", [])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(SRC))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def instances(run: Path) -> int:
    try:
        return int(ask(run / DATABASE, "SELECT count(*) FROM job_instance")[0][0])
    except sqlite3.Error:
        return 0


def test_a_pass_keeps_all_three_current(tmp_path: Path, home: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY[:5])
    updater = RunUpdater(run)
    master = home / ".pegasus/workflow.db"
    note_started(run)

    assert updater.update() == ALL_WELL
    assert run not in started_runs()
    assert ask(master, "SELECT wf_uuid, submit_dir, archived FROM master_workflow") == [("7a3c", str(run), 0)]
    assert ask(master, "SELECT state FROM master_workflowstate") == [("WORKFLOW_STARTED",)]

    write_journal(run, STORY)
    assert updater.update() == ALL_WELL
    assert instances(run) == 7
    assert "MONITORD_FINISHED" in (run / "jobstate.log").read_text()
    assert ask(master, "SELECT state, status FROM master_workflowstate ORDER BY timestamp") == [
        ("WORKFLOW_STARTED", None),
        ("WORKFLOW_TERMINATED", 0),
    ]
    assert ask(master, "SELECT db_url FROM master_workflow") == [(f"sqlite:///{run / DATABASE}",)]


def test_the_list_of_runs_has_each_run_once(tmp_path: Path, home: Path) -> None:
    for name, uuid in (("one", "1"), ("two", "2"), ("one", "1")):
        run = make_diamond(tmp_path / name, entries=STORY)
        text = (run / "braindump.yml").read_text()
        (run / "braindump.yml").write_text(text.replace("7a3c", uuid))
        assert RunUpdater(run).update() == ALL_WELL
    assert ask(home / ".pegasus/workflow.db", "SELECT wf_uuid FROM master_workflow") == [("1",), ("2",)]


def test_a_list_of_runs_that_cannot_be_written_stops_nothing(tmp_path: Path, home: Path) -> None:
    (home / ".pegasus").write_text("a file where the directory should be")
    run = make_diamond(tmp_path / "run", entries=STORY)
    error, (warning,) = RunUpdater(run).update()
    assert not error, "jobs do not wait for that"
    assert "the list of all your runs was not updated" in warning and str(home) in warning
    assert instances(run) == 7


def test_without_a_home_directory_a_run_is_recorded_and_can_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_homeless(monkeypatch)
    run = make_diamond(tmp_path / "run", entries=STORY)
    error, (warning,) = RunUpdater(run).update()
    assert not error
    assert "the list of all your runs was not updated: no home directory" in warning
    with open_database(run) as database:
        assert (queries.summary(database).jobs.succeeded, database.notes) == (6, [])


def test_each_is_tried_whatever_the_others_do(tmp_path: Path, home: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY)
    (run / "jobstate.log").mkdir()
    error, (warning,) = RunUpdater(run).update()
    assert not error, "jobs do not wait for that"
    assert warning.startswith("jobstate.log cannot be written") and "its journal is complete" in warning
    assert instances(run) == 7


def test_a_database_that_cannot_be_used_is_an_error_and_the_log_is_kept(tmp_path: Path, home: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY)
    (run / "pegasus.1.properties").write_text("pegasus.catalog.workflow.url = mysql://ada:geheim@db/runs\n")
    error, warnings = RunUpdater(run).update()
    assert "names an unsupported database 'mysql'" in error and "geheim" not in error and not warnings
    assert "write it as" in error, "the hint is part of it"
    assert "MONITORD_FINISHED" in (run / "jobstate.log").read_text()


def test_a_database_named_in_place_of_a_broken_one_is_used(tmp_path: Path, home: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY)
    properties = run / "pegasus.1.properties"
    properties.write_text(f"pegasus.catalog.workflow.url = sqlite:///{tmp_path}/nowhere/all.db\n")
    updater = RunUpdater(run)
    assert "nowhere" in updater.update().error and "nowhere" in updater.probe()

    properties.write_text("")
    assert updater.probe() == ""
    assert updater.update() == ALL_WELL
    assert instances(run) == 7


def test_a_probe_makes_no_database(tmp_path: Path, home: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY)
    assert RunUpdater(run).probe() == ""
    assert not (run / DATABASE).exists()


def test_a_relative_file_is_no_place_for_a_database(tmp_path: Path, home: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY)
    (run / "pegasus.1.properties").write_text("pegasus.catalog.workflow.url = sqlite:///all.db\n")
    assert "sqlite:////" in RunUpdater(run).probe()


def test_without_events_there_is_a_log_and_no_database(tmp_path: Path, home: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY)
    (run / "pegasus.1.properties").write_text("pegasus.monitord.events = false\n")
    assert RunUpdater(run).update() == ALL_WELL
    assert not (run / DATABASE).exists() and (run / "jobstate.log").exists()
    with open_database(run) as database:
        assert queries.summary(database).jobs.succeeded == 6


def test_a_follower_takes_in_a_journal_that_grows(tmp_path: Path, home: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY[:5])
    follower = FollowerProcess(run)
    try:
        wait_until(lambda: instances(run) == 2)
        write_journal(run, STORY)
        wait_until(lambda: instances(run) == 7)
    finally:
        follower.finish(10)
    assert follower.warnings == []


def test_what_is_wrong_with_a_database_is_known_before_a_job_may_start(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_module, "ANSWER_S", 60.0)
    run = make_diamond(tmp_path / "run", entries=STORY[:5])
    (run / DATABASE).mkdir()
    follower = FollowerProcess(run)
    try:
        may_start: list[bool] = []
        error = wait_until(lambda: may_start.append(follower.may_start) or follower.error)
        assert DATABASE in error and not any(may_start) and not follower.may_start
    finally:
        follower.finish(20)


def test_a_later_error_is_known_with_the_next_pass(tmp_path: Path, home: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY[:5])
    follower = FollowerProcess(run)
    try:
        assert follower.may_start
        wait_until(lambda: instances(run) == 2)
        (run / DATABASE).unlink()
        (run / DATABASE).mkdir()
        wait_until(lambda: not follower.may_start)
        assert DATABASE in follower.error
    finally:
        follower.finish(20)


def test_the_end_of_a_run_is_taken_in_before_the_follower_goes(tmp_path: Path, home: Path) -> None:
    run = make_diamond(tmp_path / "run")
    follower = FollowerProcess(run)
    write_journal(run, STORY)
    follower.finish(20)
    assert instances(run) == 7
    assert follower.warnings == []


def test_the_end_of_a_run_does_not_wait_for_a_slow_follower(tmp_path: Path) -> None:
    slow = (sys.executable, "-c", "import sys, time; sys.stdin.read(); time.sleep(1000)")
    follower = FollowerProcess(tmp_path, slow)
    follower.finish()
    child = follower_module._unfinished.pop()
    assert child.poll() is None
    child.kill()
    child.wait()


def test_an_error_is_reported_once(tmp_path: Path, home: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY)
    (run / "jobstate.log").mkdir()
    follower = FollowerProcess(run)
    wait_until(lambda: instances(run) == 7)
    follower.finish(20)
    assert len(follower.warnings) == 1
    assert "jobstate.log" in follower.warnings[0]


def test_when_it_cannot_be_started_nothing_else_may_start(tmp_path: Path) -> None:
    follower = FollowerProcess(tmp_path, ("/nonexistent/python",))
    assert not follower.may_start
    assert "cannot be started" in follower.error
    follower.finish()


def test_a_follower_ends_with_its_engine_after_a_last_pass(tmp_path: Path, home: Path) -> None:
    run = make_diamond(tmp_path / "run")
    engine = (
        "import sys, time; from pathlib import Path; from markab.provenance.follower import FollowerProcess\n"
        "f = FollowerProcess(Path(sys.argv[1])); print(f._child.pid, flush=True); time.sleep(1000)"
    )
    process = subprocess.Popen([sys.executable, "-c", engine, str(run)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    write_journal(run, STORY)
    process.send_signal(signal.SIGKILL)
    process.communicate()

    wait_until(lambda: not is_alive(pid))
    assert instances(run) == 7


def test_a_directory_that_goes_away_ends_it_quietly(tmp_path: Path, home: Path) -> None:
    follower = FollowerProcess(tmp_path / "gone")
    follower.finish(20)
    assert follower.warnings == []


def test_a_run_that_cannot_be_read_any_more_is_an_error_with_its_reason(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_module, "AFTER_ERROR_S", 0.2)
    run = make_diamond(tmp_path / "run", entries=STORY[:5])
    kept = (run / "braindump.yml").rename(run / "kept")
    follower = FollowerProcess(run)
    try:
        wait_until(lambda: follower.error)
        assert "is not a submit directory: it has no braindump.yml" in follower.error
        kept.rename(run / "braindump.yml")
        wait_until(lambda: follower.may_start)
        assert instances(run) == 2
    finally:
        follower.finish(20)


def test_without_events_a_run_goes_on_where_databases_cannot_be_opened_at_all(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY[:5])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/sqlalchemy.py").write_text("raise ImportError('half an installation')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'broken'}:{SRC}")
    monkeypatch.setattr(follower_module, "AFTER_ERROR_S", 0.2)
    follower = FollowerProcess(run)
    try:
        wait_until(lambda: follower.error)
        assert "half an installation" in follower.error and not follower.may_start
        (run / "pegasus.1.properties").write_text("pegasus.monitord.events = false\n")
        wait_until(lambda: follower.may_start)
    finally:
        follower.finish(20)


def test_starting_one_imports_nothing_that_touches_databases() -> None:
    code = "import sys, markab.provenance.follower; print([m for m in sys.modules if 'sql' in m.lower()])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        check=True,
    )
    assert done.stdout.strip() == b"[]"


def test_modules_beside_a_workflow_are_not_taken_for_the_librarys(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY)
    for name in ("copy", "signal", "markab", "sqlalchemy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the module of the user')")
    monkeypatch.chdir(tmp_path)

    follower = FollowerProcess(run)
    follower.finish(20.0)

    assert ("", []) == (follower.error, follower.warnings)
    assert instances(run) == 7
