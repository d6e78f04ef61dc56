from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from kit.made_run import T0, began, compute, end, engine_alive, failed, gave_up, make_run, start
from markab.diagnosis.waiting import Waiting, WaitingReasons
from markab.journal.records import GiveUp, Halt, Incomplete, Retry, RunStart
from markab.journal.run_reader import RunReader
from markab.plan.model import Kind, PlannedJob
from markab.reports.status import current_status


def reasons(directory: Path, jobs: list[PlannedJob], entries: list[Any], **header: Any) -> dict[str, Waiting]:
    make_run(directory, jobs, entries, **header)
    with engine_alive(directory):
        run = RunReader(directory)
        status = current_status(run)
        waits = WaitingReasons(run.plan, run.history, status.state, now=T0 + 5)
        return {group.word: group for group in waits.groups()}


def test_a_job_waits_for_its_parents(tmp_path: Path) -> None:
    found = reasons(tmp_path, [compute("a"), compute("b", 0)], [began(), start(0)])
    assert found["parents"].line() == "1 job: waiting for a parent (wc_b)"


def test_a_job_below_a_failed_one_waits_for_nothing(tmp_path: Path) -> None:
    jobs = [compute("a"), compute("b", 0), compute("c", 1)]
    found = reasons(tmp_path, jobs, [began(), start(0), failed(0), gave_up(0)])
    assert found["failed-parent"].jobs == 2 and len(found) == 1


@pytest.mark.parametrize(
    ("room", "asks", "words"),
    [
        ({"cores": 2}, {"cores": 2}, "cores, 2 of 2 in use"),
        ({"cores": 9, "memory_mb": 1000}, {"memory_mb": 600}, "memory, 600 MB of 1.0 GB in use"),
        ({"cores": 9, "gpus": 1}, {"gpus": 1}, "GPUs, 1 of 1 in use"),
    ],
)
def test_a_job_waits_for_a_slot(tmp_path: Path, room: Any, asks: Any, words: str) -> None:
    found = reasons(tmp_path, [compute("a", **asks), compute("b", **asks)], [began(**room), start(0)])
    assert found["slot"].reason == f"waiting for a slot: {words}"


def test_a_job_waits_for_its_category_or_for_all_jobs(tmp_path: Path) -> None:
    jobs = [compute("a", category="big"), compute("b", category="big")]
    found = reasons(tmp_path / "1", jobs, [began(cores=9), start(0)], limits={"big": 1})
    assert "1 job of category 'big' may run at once" in found["throttle"].reason
    found = reasons(tmp_path / "2", jobs, [began(cores=9), start(0)], max_jobs=1)
    assert "1 job may run at once (dagman.maxjobs)" in found["throttle"].reason


def test_auxiliary_jobs_share_a_throttle(tmp_path: Path) -> None:
    jobs = [PlannedJob(id=f"s{n}", kind=Kind.STAGE_IN, site="local") for n in range(9)]
    found = reasons(tmp_path, jobs, [began(), *(start(n) for n in range(8))])
    assert "8 jobs that only move or tidy files may run at once" in found["throttle"].reason


def test_a_job_pauses_before_a_retry(tmp_path: Path) -> None:
    found = reasons(tmp_path, [compute("a")], [began(cores=1), start(0), failed(0), Retry(T0 + 2, 0, 1, 8.0)])
    assert found["retry"].reason == "pausing before a retry, up to 5.0 s"


def test_of_several_pauses_the_longest_is_shown(tmp_path: Path) -> None:
    jobs = [compute("a"), compute("b")]
    entries = [
        began(),
        start(0),
        failed(0),
        Retry(T0 + 3, 0, 1, 11.0),
        start(1),
        failed(1),
        Retry(T0 + 3, 1, 1, 12.0),
    ]
    found = reasons(tmp_path, jobs, entries)
    assert (found["retry"].jobs, found["retry"].reason) == (2, "pausing before a retry, up to 10 s")
    assert found["retry"].examples == ["wc_a", "wc_b"]


def test_nothing_is_started_after_a_halt(tmp_path: Path) -> None:
    found = reasons(tmp_path, [compute("a"), compute("b")], [began(cores=1), start(0), Halt(T0 + 3)])
    assert found["halt"].jobs == 1


def test_nothing_is_started_after_a_failure_with_fail_fast(tmp_path: Path) -> None:
    begun = RunStart(*msgspec.structs.astuple(began(cores=2))[:-1], keep_going=False)
    jobs = [compute("a"), compute("b"), compute("c")]
    found = reasons(tmp_path, jobs, [begun, start(0), start(1), failed(0), gave_up(0)])
    assert "1 job: nothing new is started: a job failed, and --fail-fast was given (wc_c)" == (
        found["fail-fast"].line()
    )


def test_nothing_is_started_while_what_happens_cannot_be_recorded(tmp_path: Path) -> None:
    make_run(tmp_path, [compute("a")], [began(cores=1)])
    run = RunReader(tmp_path)
    with engine_alive(tmp_path):
        run.read()
    waits = WaitingReasons(run.plan, run.history, "Running", T0, held="no room")
    assert [group.word for group in waits.groups()] == ["held"]


def test_a_job_that_its_site_holds_waits_for_that(tmp_path: Path) -> None:
    make_run(tmp_path, [compute("a"), compute("b")], [began(cores=2), start(0), start(1)])
    run = RunReader(tmp_path)
    with engine_alive(tmp_path):
        run.read()
    waits = WaitingReasons(run.plan, run.history, "Running", T0, on_hold={"wc_a": "no quota"})
    assert [group.line() for group in waits.groups()] == ["1 job: held by its site: no quota (wc_a)"]


def test_what_could_start_is_about_to(tmp_path: Path) -> None:
    assert reasons(tmp_path, [compute("a")], [began(cores=1)])["turn"].jobs == 1


def test_the_status_says_why_when_asked(tmp_path: Path) -> None:
    make_run(tmp_path, [compute("a"), compute("b", 0)], [began(), start(0), end(0)])
    run = RunReader(tmp_path)
    assert current_status(run).waiting == ()
    status = current_status(run, why=True)
    assert "  1 job: no engine is running (wc_b)\n" in status.text()
    assert status.to_json()["waiting"][0]["why"] == "engine"


def test_a_job_whose_own_files_arrived_does_not_wait_for_its_stage_in(tmp_path: Path) -> None:
    jobs = [PlannedJob("in", Kind.STAGE_IN, "local"), compute("a", 0), compute("b", 0)]
    given_up = GiveUp(T0 + 2, 0, 1, served=[1])
    found = reasons(tmp_path, jobs, [began(cores=1), start(0), failed(0), given_up])
    assert found["turn"].examples == ["wc_a"] and found["failed-parent"].examples == ["wc_b"]


def test_what_was_done_in_part_waits_for_nothing(tmp_path: Path) -> None:
    out = PlannedJob("out", Kind.STAGE_OUT, "local", parents=[0, 1])
    after = PlannedJob("clean", Kind.CLEANUP, "local", parents=[2], removes_scratch=True)
    entries = [began(), start(0), failed(0), gave_up(0), start(1), end(1), start(2), failed(2)]
    found = reasons(tmp_path, [compute("a"), compute("b"), out, after], [*entries, Incomplete(T0 + 3, 2, 1)])
    assert list(found) == ["failed-parent"] and found["failed-parent"].examples == ["clean"]
