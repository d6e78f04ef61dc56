"""The quick status of a run, which may leave the journal unread, equals that of a reading of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kit.made_run import engine_alive
from kit.planned_workflow import Bench, task
from markab.engine.control import request_remove
from markab.engine.run import RunOptions, run
from markab.journal.progress import RunningJob, read_progress, write_progress
from markab.journal.records import decode
from markab.journal.run_reader import RunReader
from markab.planner.planning import plan
from markab.reports.status import Status, current_status, quick_status


@pytest.fixture
def ended(tmp_path: Path) -> Path:
    """A run in which one job succeeded and one failed, so that a third was skipped."""
    bench = Bench(tmp_path)
    options = bench.options(
        task("good", tool="true"),
        task("bad", makes="x", tool="false"),
        task("never", "x", tool="true"),
        properties={"dagman.retry": "0"},
    )
    submit_dir = plan(options).submit_dir
    assert submit_dir is not None
    run(submit_dir, RunOptions(cores=2))
    return submit_dir


def both(submit_dir: Path) -> tuple[Status, Status]:
    return quick_status(RunReader(submit_dir)), current_status(RunReader(submit_dir))


def test_the_quick_status_of_a_run_that_ended_equals_that_of_the_journal(ended: Path) -> None:
    quick, read = both(ended)

    assert read.to_json() == quick.to_json()
    assert ("Failure", 1) == (quick.state, quick.failed)
    assert (read.started, round(read.ended, 1)) == (quick.started, round(quick.ended, 1))


def test_the_quick_status_does_not_read_a_journal_that_has_nothing_new(ended: Path) -> None:
    journal = ended / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    damaged = lines[0] + b"".join(line.replace(b'"', b"?") for line in lines[1:])
    journal.write_bytes(damaged)

    assert "Failure" == quick_status(RunReader(ended)).state


def test_a_run_ended_when_its_last_job_did_not_when_an_engine_found_nothing_left_to_do(ended: Path) -> None:
    said = read_progress(ended / "status.json")
    assert said is not None
    said.time += 100
    write_progress(ended / "status.json", said)

    quick, read = both(ended)

    assert (read.ended, read.to_json()) == (quick.ended, quick.to_json())


def test_the_clock_of_a_run_whose_engine_ended_unexpectedly_stands_still(ended: Path) -> None:
    journal = ended / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert b"run-end" in lines[-1]
    journal.write_bytes(b"".join(lines[:-1]))

    status = quick_status(RunReader(ended))

    assert ("Halted", decode(lines[-2][9:]).time) == (status.state, status.ended)


def test_what_was_written_since_is_read(ended: Path) -> None:
    assert request_remove(ended) is False

    quick, read = both(ended)

    assert read.to_json() == quick.to_json()
    assert "Removed" == quick.state


def test_the_status_file_of_another_run_is_ignored(ended: Path) -> None:
    said = read_progress(ended / "status.json")
    assert said is not None
    said.uuid, said.succeeded = "another", 99
    write_progress(ended / "status.json", said)

    assert both(ended)[1].to_json() == both(ended)[0].to_json()


def test_an_engine_that_ended_unexpectedly_is_not_taken_for_alive(ended: Path) -> None:
    said = read_progress(ended / "status.json")
    assert said is not None
    said.outcome = None
    write_progress(ended / "status.json", said)
    os.truncate(ended / "journal.jsonl", (ended / "journal.jsonl").stat().st_size - 1)

    quick, read = both(ended)

    assert read.to_json() == quick.to_json()
    assert ("Halted", True) == (quick.state, "ended unexpectedly" in quick.note)


def test_what_holds_an_engine_and_its_warnings_are_shown_while_it_runs(ended: Path) -> None:
    said = read_progress(ended / "status.json")
    assert said is not None
    said.outcome, said.time = None, time.time()
    said.held, said.warnings = "no room; nothing new is started until that works", ["no log either"]

    with engine_alive(ended):
        write_progress(ended / "status.json", said)
        for status in both(ended):
            assert status.held == status.note == said.held
            assert f"\n{said.held}\n" in status.text()
            assert "\nwarning: no log either\n" in status.text()
            assert status.to_json()["warnings"] == ["no log either"]
    for status in both(ended):
        assert not status.held and not status.warnings and said.held not in status.text()


@pytest.mark.parametrize("change", [{"uuid": "another"}, {"outcome": "failed"}])
def test_what_held_another_engine_is_not_shown(ended: Path, change: dict[str, str]) -> None:
    said = read_progress(ended / "status.json")
    assert said is not None
    said.outcome, said.held, said.warnings = None, "no room", ["no log"]
    for name, value in change.items():
        setattr(said, name, value)

    with engine_alive(ended):
        write_progress(ended / "status.json", said)
        status = current_status(RunReader(ended))
    assert not status.held and not status.note and not status.warnings


def test_what_held_a_killed_engine_is_not_shown_of_the_next_before_its_first_status(ended: Path) -> None:
    said = read_progress(ended / "status.json")
    assert said is not None
    said.outcome, said.time, said.held, said.warnings = None, time.time(), "no room", ["no log"]
    said.succeeded = 99
    write_progress(ended / "status.json", said)
    before_ns = time.time_ns() - 1_000_000_000
    os.utime(ended / "status.json", ns=(before_ns, before_ns))

    with engine_alive(ended):
        for status in both(ended):
            assert not status.held and not status.note and not status.warnings
            assert ("Running", 2) == (status.state, status.succeeded)
        write_progress(ended / "status.json", said)
        assert {"no room"} == {status.held for status in both(ended)}


def test_why_a_site_holds_a_job_is_shown_while_the_engine_runs(ended: Path) -> None:
    said = read_progress(ended / "status.json")
    assert said is not None
    said.outcome, said.time = None, time.time()
    said.jobs = [RunningJob("tool_never", "far", 1, said.time, held="no quota")]

    with engine_alive(ended):
        write_progress(ended / "status.json", said)
        assert [dict(status.on_hold) for status in both(ended)] == [{"tool_never": "no quota"}] * 2
    assert [dict(status.on_hold) for status in both(ended)] == [{}, {}]
