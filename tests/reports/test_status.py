from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.made_run import (
    T0,
    began,
    compute,
    end,
    ended,
    engine_alive,
    failed,
    gave_up,
    make_run,
    retry,
    start,
)
from markab.errors import CorruptJournal, NotARun
from markab.journal.progress import Progress, write_progress
from markab.journal.records import AttemptRunning, Entry, Halt, Refused
from markab.journal.run_reader import RunReader
from markab.journal.writer import encode
from markab.reports.status import LONG_HEADER, Status, current_status, quick_status

CHAIN = [compute("a"), compute("b", 0), compute("c", 0), compute("d", 1, 2)]


def read_status(submit_dir: Path | None = None) -> Status:
    return quick_status(RunReader(submit_dir))


def counts(status: Status) -> tuple[int, ...]:
    """unready, ready, queued, running, succeeded, failed"""
    return (status.unready, status.ready, status.queued, status.running, status.succeeded, status.failed)


def test_a_planned_run_has_not_started_and_its_roots_are_ready(tmp_path: Path) -> None:
    status = read_status(make_run(tmp_path, CHAIN))
    assert status.state == "Not started" and not status.is_over
    assert counts(status) == (3, 1, 0, 0, 0, 0)
    assert status.percent_done == 0.0


def test_a_refused_run_says_why_until_an_engine_runs_it(tmp_path: Path) -> None:
    refused = Refused(T0, "this machine has no GPUs", "plan with --gpus N")
    make_run(tmp_path, CHAIN, [refused])
    status = read_status(tmp_path)
    assert status.state == "Refused" and status.is_over
    assert "refused: this machine has no GPUs\n  hint: plan with --gpus N\n" in status.text()
    assert "(Refused:1)\n" in status.text(), "no time has passed"

    make_run(tmp_path, CHAIN, [refused, began(T0 + 100), ended("failed", T0 + 103)])
    status = read_status(tmp_path)
    assert (status.state, status.note, status.started, status.ended) == ("Failure", "", T0 + 100, T0 + 103)


def test_the_time_of_a_run_that_is_read_from_its_status_file_is_without_refusals(tmp_path: Path) -> None:
    make_run(tmp_path, CHAIN, [Refused(T0, "no GPUs"), began(T0 + 100), ended("failed", T0 + 103)])
    size = (tmp_path / "journal.jsonl").stat().st_size
    progress = Progress("words", "7a3c", T0 + 103, 4, failed=4, outcome="failed", journal_bytes=size)
    write_progress(tmp_path / "status.json", progress)
    status = read_status(tmp_path)
    assert (status.failed, status.started, status.ended) == (4, T0 + 100, T0 + 103)


def test_a_running_run_counts_what_is_under_way(tmp_path: Path) -> None:
    make_run(tmp_path, CHAIN, [began(), start(0), end(0), start(1)])
    with engine_alive(tmp_path):
        status = read_status(tmp_path)
    assert status.state == "Running"
    assert counts(status) == (1, 1, 1, 1, 1, 0)
    assert [job.id for job in status.jobs] == ["wc_b"]
    assert status.percent_done == 25.0


def test_an_attempt_that_waits_in_a_batch_system_is_queued_until_it_is_seen_running(tmp_path: Path) -> None:
    waiting: list[Entry] = [began(), start(0, site="pool")]
    make_run(tmp_path, CHAIN, waiting)
    with engine_alive(tmp_path):
        run = RunReader(tmp_path)
        status = current_status(run)
        assert (status.queued, status.running, status.jobs[0].state) == (1, 0, "Idle")
        with (tmp_path / "journal.jsonl").open("ab") as file:
            file.write(encode(AttemptRunning(T0 + 5, 0, 1)))
        status = current_status(run)
        assert (status.queued, status.running, status.jobs[0].state) == (1, 1, "Run")


def test_a_job_that_failed_for_good_keeps_its_children_unready(tmp_path: Path) -> None:
    entries = [
        began(),
        start(0),
        failed(0),
        retry(0),
        start(0, 2),
        failed(0, 2),
        gave_up(0, 2),
        ended("failed"),
    ]
    status = read_status(make_run(tmp_path, CHAIN, entries))
    assert status.state == "Failure" and status.is_over
    assert counts(status) == (3, 0, 0, 0, 0, 1)


def test_a_failure_that_will_be_tried_again_is_ready_not_failed(tmp_path: Path) -> None:
    make_run(tmp_path, CHAIN, [began(), start(0), failed(0), retry(0)])
    with engine_alive(tmp_path):
        assert counts(read_status(tmp_path)) == (3, 1, 0, 0, 0, 0)


def test_the_next_engine_forgets_failures_and_keeps_successes(tmp_path: Path) -> None:
    first = [began(), start(0), end(0), start(1), failed(1), gave_up(1), ended("failed")]
    make_run(tmp_path, CHAIN, [*first, began(T0 + 20, restart=1)])
    with engine_alive(tmp_path):
        status = read_status(tmp_path)
    assert counts(status) == (1, 2, 0, 0, 1, 0)
    assert status.state == "Running"


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        ("success", "Success"),
        ("failed", "Failure"),
        ("halted", "Halted"),
        ("interrupted", "Halted"),
        ("removed", "Removed"),
    ],
)
def test_the_last_outcome_is_the_state(tmp_path: Path, outcome: str, state: str) -> None:
    assert read_status(make_run(tmp_path, CHAIN, [began(), ended(outcome)])).state == state


def test_an_engine_that_ended_unexpectedly_is_shown_as_stopped(tmp_path: Path) -> None:
    status = read_status(make_run(tmp_path, CHAIN, [began(), start(0)]))
    assert status.state == "Halted"
    assert f"`markab run {tmp_path}` continues" in status.note and status.note in status.text()
    assert counts(status) == (3, 1, 0, 0, 0, 0), "what was under way is to be done again"


def test_an_engine_that_ended_unexpectedly_hides_how_the_one_before_it_ended(tmp_path: Path) -> None:
    status = read_status(make_run(tmp_path, CHAIN, [began(), ended("failed"), began(T0 + 20)]))
    assert (status.state, status.note[:7]) == ("Halted", "stopped")


def test_a_halt_in_progress_is_shown(tmp_path: Path) -> None:
    make_run(tmp_path, CHAIN, [began(), start(0), Halt(T0 + 3)])
    with engine_alive(tmp_path):
        assert "halting" in read_status(tmp_path).note


def test_the_json_has_the_shape_that_pegasus_tools_read(tmp_path: Path) -> None:
    make_run(tmp_path, CHAIN, [began(), start(0), end(0), start(1)])
    with engine_alive(tmp_path):
        without = read_status(tmp_path).to_json(queue=False)
        shown: dict[str, Any] = json.loads(json.dumps(read_status(tmp_path).to_json()))
    nine = {
        *("unready", "ready", "pre", "queued", "post", "succeeded", "failed", "percent_done", "total"),
    }
    assert set(shown["totals"]) == nine
    assert set(shown["dags"]["root"]) == nine | {"state", "dagname"}
    assert shown["dags"]["root"]["dagname"] == "words-0.dag"
    assert shown["condor_jobs"]["7a3c"]["DAG_CONDOR_JOBS"][0]["DAGNodeName"] == "wc_b"
    assert without == shown | {"condor_jobs": {}}
    assert all(isinstance(value, int) for key, value in shown["totals"].items() if key != "percent_done")


def test_the_table_has_the_columns_that_pegasus_users_know(tmp_path: Path) -> None:
    status = read_status(make_run(tmp_path, CHAIN, [began(), start(0), end(0), ended("halted")]))
    header, row, summary = status.text().splitlines()[:3]
    assert header.split() == ["UNREADY", "READY", "PRE", "QUEUED", "POST", "SUCCESS", "FAILURE", "%DONE"]
    assert row.split() == ["1", "2", "0", "0", "0", "1", "0", "25.0"]
    assert summary.startswith("Summary: 1 DAG total (Halted:1)")

    header, row = status.text(long=True).splitlines()[:2]
    assert header.split() == [*LONG_HEADER]
    assert row.split()[-2:] == ["Halted", "words-0.dag"]
    assert str(tmp_path) in status.text(long=True, directories=True)


def test_jobs_under_way_are_listed_with_how_long(tmp_path: Path) -> None:
    make_run(tmp_path, CHAIN, [began(), start(0), end(0), start(1), start(2, attempt=2)])
    with engine_alive(tmp_path):
        status = read_status(tmp_path)
    text = status.text(clock=lambda: T0 + 31)
    assert "30 s   ├─wc_b" in text
    assert "└─wc_c  (attempt 2)" in text
    assert "Summary: 2 jobs total (R:2)" in text
    assert "wc_b" not in status.text(queue=False)


def test_no_submit_directory_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(NotARun, match="is not a submit directory"):
        read_status(tmp_path)


def test_damage_in_the_middle_is_an_error_not_a_guess(tmp_path: Path) -> None:
    make_run(tmp_path, CHAIN, [began(), start(0), end(0)])
    journal = tmp_path / "journal.jsonl"
    text = bytearray(journal.read_bytes())
    text[30] ^= 1
    journal.write_bytes(text)
    with pytest.raises(CorruptJournal, match="byte 0"):
        read_status(tmp_path)


def test_a_journal_of_another_plan_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorruptJournal, match="position 9, and the plan has 4 jobs"):
        read_status(make_run(tmp_path, CHAIN, [began(), start(9)]))


STORY: list[Entry] = [
    *(began(), start(0), end(0), start(1), start(2), failed(1), retry(1), end(2)),
    *(start(1, 2), end(1, 2), start(3), end(3), ended("success")),
]


@given(cuts=st.lists(st.integers(0, len(b"".join(map(encode, STORY)))), max_size=6))
def test_a_journal_read_while_it_grows_adds_up_to_the_same(tmp_path_factory: Any, cuts: list[int]) -> None:
    """The engine may be in the middle of a write at any reading."""
    directory = make_run(tmp_path_factory.mktemp("run"), CHAIN)
    whole = b"".join(map(encode, STORY))
    run = RunReader(directory)
    for size in [*sorted(cuts), len(whole)]:
        (directory / "journal.jsonl").write_bytes(whole[:size])
        status = current_status(run)
        once = read_status(directory)
        assert (status.state, counts(status)) == (once.state, counts(once))
    assert status.state == "Success" and status.percent_done == 100.0


def test_a_workflow_without_jobs_is_done(tmp_path: Path) -> None:
    assert read_status(make_run(tmp_path, [], [began(), ended("success")])).percent_done == 100.0
