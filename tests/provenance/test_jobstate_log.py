"""jobstate.log: what it says, and that it is only ever appended to."""

from __future__ import annotations

import fcntl
from itertools import product
from pathlib import Path

import pytest

from kit.diamond import (
    T0,
    began,
    compute,
    diamond_story,
    failed,
    failing_story,
    make_diamond,
    process,
    start,
    write_journal,
)
from kit.made_run import make_run
from markab.journal.records import AttemptHeld, AttemptReleased, AttemptRunning
from markab.provenance import jobstate_log
from markab.provenance.jobstate_log import JobstateLog

LOCAL_SITES = frozenset({"local"})
STORY = diamond_story()


def log_of(run: Path) -> list[str]:
    JobstateLog(run, LOCAL_SITES).update()
    return (run / "jobstate.log").read_text().splitlines()


def test_a_run_reads_as_dagman_and_its_watcher_would_have_written_it(tmp_path: Path) -> None:
    lines = log_of(make_diamond(tmp_path / "run", entries=STORY))
    t = int(T0)

    assert lines[:6] == [
        f"{t} INTERNAL *** MONITORD_STARTED ***",
        f"{t} INTERNAL *** DAGMAN_STARTED 1.0 ***",
        f"{t + 1} j0 SUBMIT 1.0 local - 1",
        f"{t + 1} j0 EXECUTE 1.0 local - 1",
        f"{t + 3} j0 JOB_TERMINATED 1.0 local - 1",
        f"{t + 3} j0 JOB_SUCCESS 0 local - 1",
    ]
    assert lines[-2:] == [
        f"{t + 9} INTERNAL *** DAGMAN_FINISHED 0 ***",
        f"{t + 9} INTERNAL *** MONITORD_FINISHED 0 ***",
    ]
    assert [line.split()[2] for line in lines if line.split()[1] == "j3"] == [
        "SUBMIT",
        "EXECUTE",
        "JOB_TERMINATED",
        "JOB_SUCCESS",
    ]


def test_what_a_site_holds_is_held_and_released(tmp_path: Path) -> None:
    story = [
        began(),
        start(0, site="pool"),
        AttemptHeld(T0 + 2, 0, 1, "no quota", "12.0"),
        AttemptReleased(T0 + 3, 0, 1),
        AttemptRunning(T0 + 4, 0, 1, "12.0", "node7"),
    ]
    run = make_diamond(tmp_path / "run", entries=story)
    states = [line.split()[2] for line in log_of(run) if " j0 " in line]
    assert states == ["SUBMIT", "JOB_HELD", "JOB_RELEASED", "EXECUTE"]


def test_an_attempt_has_its_own_number_and_exit_code(tmp_path: Path) -> None:
    lines = [line for line in log_of(make_diamond(tmp_path / "run", entries=STORY)) if " j2 " in line]
    assert f"{int(T0) + 3} j2 JOB_FAILURE 1 local - 3" in lines
    assert f"{int(T0) + 3} j2 JOB_SUCCESS 0 local - 5" in lines


def test_the_log_spells_a_failed_post_script_in_its_own_way(tmp_path: Path) -> None:
    lines = log_of(make_diamond(tmp_path / "run", entries=failing_story()))
    assert f"{int(T0) + 3} j1 POST_SCRIPT_FAILURE 1 local - 2" in lines
    assert f"{int(T0) + 3} j1 JOB_SUCCESS 0 local - 2" in lines, "the process itself has succeeded"
    assert lines[-2].endswith("DAGMAN_FINISHED 1 ***")


def test_a_signal_is_a_negative_exit_code(tmp_path: Path) -> None:
    story = [began(), start(0), failed(0, kind="signal", invocations=[process("A", 9)])]
    assert "JOB_FAILURE -9" in log_of(make_run(tmp_path / "run", [compute("A")], story))[-1]


def test_writing_bit_by_bit_gives_what_writing_at_once_gives(tmp_path: Path) -> None:
    """Every two cuts, by one process that goes on, and by a new one each time."""
    whole = log_of(make_diamond(tmp_path / "whole", entries=STORY))
    run = make_diamond(tmp_path / "bits")
    every = range(len(STORY) + 1)
    for first, second, keep in product(every, every, (True, False)):
        if first > second:
            continue
        for name in ("jobstate.log", "journal.jsonl"):
            (run / name).unlink(missing_ok=True)
        log = JobstateLog(run, LOCAL_SITES)
        for cut in (first, second, len(STORY)):
            write_journal(run, STORY[:cut])
            if not keep:
                log = JobstateLog(run, LOCAL_SITES)
            log.update()
        assert whole == (run / "jobstate.log").read_text().splitlines(), (first, second, keep)
        assert not (run / "jobstate.log.000").exists(), (first, second, keep)


def test_a_log_that_was_cut_anywhere_is_completed(tmp_path: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY)
    log_of(run)
    whole = (run / "jobstate.log").read_bytes()
    log = JobstateLog(run, LOCAL_SITES)
    for size in range(0, len(whole), 37):
        (run / "jobstate.log").write_bytes(whole[:size])
        log.update()
        assert whole == (run / "jobstate.log").read_bytes()


def test_a_log_that_grows_with_the_journal_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known of it is not compared again: a run writes it once a second for days."""
    whole = log_of(make_diamond(tmp_path / "whole", entries=STORY))
    read: list[int] = []
    real = jobstate_log._read
    monkeypatch.setattr(
        jobstate_log, "_read", lambda file, count: read.append(file.tell()) or real(file, count)
    )
    run = make_diamond(tmp_path / "run", entries=STORY)
    log = JobstateLog(run, LOCAL_SITES)
    for cut in range(1, len(STORY) + 1):
        write_journal(run, STORY[:cut])
        log.update()
    assert read == [] and whole == (run / "jobstate.log").read_text().splitlines()
    assert not (run / "jobstate.log.000").exists()

    write_journal(run, STORY[:-2])
    text = (run / "jobstate.log").read_bytes()
    JobstateLog(run, LOCAL_SITES).update()
    assert (run / "jobstate.log.000").read_bytes() == text and read == [0]


def test_another_process_that_goes_on_with_a_log_begins_at_its_end(tmp_path: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY)
    first, second = JobstateLog(run, LOCAL_SITES), JobstateLog(run, LOCAL_SITES)
    for cut in range(1, len(STORY) + 1):
        write_journal(run, STORY[:cut])
        (first, second)[cut % 2].update()
    text = (run / "jobstate.log").read_text()
    assert text.splitlines() == log_of(make_diamond(tmp_path / "whole", entries=STORY))
    assert not (run / "jobstate.log.000").exists()


def test_a_log_that_says_something_else_is_set_aside(tmp_path: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY)
    (run / "jobstate.log").write_text("my notes\n")
    whole = log_of(run)
    assert "my notes\n" == (run / "jobstate.log.000").read_text()
    assert "MONITORD_STARTED" in whole[0]

    write_journal(run, STORY[:4])
    assert whole[:8] == log_of(run)
    assert (run / "jobstate.log.001").exists()


def test_two_do_not_write_at_once(tmp_path: Path) -> None:
    run = make_diamond(tmp_path / "run", entries=STORY)
    with open(run / "jobstate.log", "ab") as other:
        fcntl.flock(other.fileno(), fcntl.LOCK_EX)
        log = JobstateLog(run, LOCAL_SITES)
        log.update()
        assert b"" == (run / "jobstate.log").read_bytes()
    log.update()
    assert (run / "jobstate.log").read_bytes()
