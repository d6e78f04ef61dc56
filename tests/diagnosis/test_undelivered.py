"""Which results a run did not deliver, and why."""

from __future__ import annotations

from pathlib import Path

from kit.diamond import compute
from kit.made_run import T0, began, end, ended, gave_up, make_run, start
from markab.diagnosis.failure_analysis import Analyzer
from markab.diagnosis.undelivered import Undelivered
from markab.journal.records import Entry, Incomplete, Retry
from markab.plan.model import Kind, Output, PlannedJob, Transfer


def maker(name: str, *parents: int) -> PlannedJob:
    job = compute(name, *parents)
    job.outputs = [Output(f"{name}.txt")]
    return job


def delivery(*lfns: str, parents: list[int]) -> PlannedJob:
    transfers = [Transfer(f"{lfn}.txt", [], []) for lfn in lfns]
    transfers.append(Transfer("state", [], [], optional=True))
    return PlannedJob("out", Kind.STAGE_OUT, "local", parents=parents, transfers=transfers)


JOBS = [maker("a"), maker("b"), maker("c", 1), delivery("a", "b", "c", parents=[0, 1, 2])]


def undelivered(directory: Path, *entries: Entry) -> list[Undelivered]:
    make_run(directory, JOBS, [began(), *entries])
    analyzer = Analyzer(directory)
    found = analyzer.analyze().undelivered
    analyzer.close()
    return found


FAILED = [start(1), end(1, ok=False, error={"kind": "exit", "message": "exit code 1"}), gave_up(1)]
ARRIVED = [{"lfn": "a.txt", "source": "/s/a.txt", "destination": "/out/a.txt", "bytes": 1}]


def test_each_result_is_named_with_the_job_that_held_it_back(tmp_path: Path) -> None:
    error = {"kind": "incomplete", "message": "2 files not delivered"}
    part = [start(3), end(3, ok=False, error=error, transfers=ARRIVED), Incomplete(T0 + 3, 3, 1)]

    assert undelivered(tmp_path / "1", start(0), end(0), *FAILED, *part) == [
        ("b.txt", "out", f"{JOBS[1].id} failed"),
        ("c.txt", "out", f"{JOBS[1].id} failed"),
    ]


def test_a_transfer_that_failed_is_the_reason_itself(tmp_path: Path) -> None:
    done = [entry for job in range(3) for entry in (start(job), end(job))]
    errors = [{"kind": "storage", "message": f"no space for {name}", "lfn": f"{name}.txt"} for name in "bc"]
    bad = end(3, ok=False, error=errors[0], also=errors[1:], transfers=ARRIVED)

    assert [
        one.why for one in undelivered(tmp_path / "1", *done, start(3), bad, gave_up(3), ended("failed"))
    ] == [
        "no space for b",
        "no space for c",
    ]
    assert undelivered(tmp_path / "2", *done, start(3), bad, Retry(T0 + 3, 3, 1)) == [], "it is tried again"


def test_what_may_still_be_delivered_counts_only_when_the_run_has_failed(tmp_path: Path) -> None:
    assert undelivered(tmp_path / "1", *FAILED) == []
    assert [one.lfn for one in undelivered(tmp_path / "2", *FAILED, ended("halted"))] == []
    found = undelivered(tmp_path / "3", *FAILED, ended("failed"))
    assert [one.why for one in found] == [
        f"{JOBS[0].id} was not run",
        f"{JOBS[1].id} failed",
        f"{JOBS[1].id} failed",
    ], "the third was not run because of the second"


def test_what_an_earlier_call_delivered_is_delivered(tmp_path: Path) -> None:
    lost = {"kind": "lost", "message": "the engine was killed"}
    first = end(3, ok=False, error={"kind": "incomplete", "message": "1"}, transfers=ARRIVED)
    entries = [start(0), end(0), *FAILED, start(3), first, Incomplete(T0 + 3, 3, 1), ended("failed"), began()]
    entries += [start(3, 2), end(3, 2, ok=False, error=lost), ended("failed")]

    assert [one.lfn for one in undelivered(tmp_path / "1", *entries)] == ["b.txt", "c.txt"]


def test_a_run_that_succeeded_lacks_nothing(tmp_path: Path) -> None:
    done = [entry for job in range(4) for entry in (start(job), end(job))]

    assert undelivered(tmp_path / "1", *done, ended("success")) == []
