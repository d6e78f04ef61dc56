from __future__ import annotations

from pathlib import Path

from kit.made_run import T0, began, compute, end, ended, engine_alive, failed, gave_up, make_run, start
from markab import operations
from markab.journal.records import Incomplete
from markab.plan.model import Kind, Output, Place, PlannedJob, Transfer


def test_the_status_of_a_run_has_reasons_of_waiting_only_if_they_are_wanted(tmp_path: Path) -> None:
    run = make_run(tmp_path, [compute("a"), compute("b", 0)], [began(), start(0)])
    with engine_alive(run):
        assert operations.read_status(run).waiting == ()
        assert operations.read_status(run, why=True).waiting != ()


def test_a_followed_status_has_what_happened_since(tmp_path: Path) -> None:
    story = [began(), start(0), end(0), ended("success")]
    run = make_run(tmp_path, [compute("a")], story)
    look = operations.follow_status(run)
    assert look().state == look().state == "Success"


def test_a_result_has_the_last_failures_and_the_places_of_the_results(tmp_path: Path) -> None:
    story = [began(), start(0), failed(0), gave_up(0), ended("failed")]
    ends = [Place("local", f"file://{tmp_path}/result"), Place("local", f"file://{tmp_path}/empty/other")]
    out = PlannedJob("out", Kind.STAGE_OUT, "local", parents=[0], transfers=[Transfer("x", [], ends)])
    (tmp_path / "result").touch()
    (tmp_path / "empty").mkdir()
    places = {"local": str(tmp_path), "far": "https://far/out", "empty": str(tmp_path / "empty")}
    run = make_run(tmp_path, [compute("a"), out], story, outputs=places)

    result = operations.read_result(run)

    assert [failure.job for failure in result.failures] == ["wc_a"]
    assert (result.status.state, result.outputs) == ("Failure", [str(tmp_path), "https://far/out"])


def test_a_place_has_results_only_if_the_run_puts_some_there(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", [compute("a")], outputs={"local": str(tmp_path)})
    assert operations.read_result(run).outputs == []
    scratch = tmp_path / "b/scratch"
    run = make_run(tmp_path / "b", [compute("a")])
    assert operations.read_result(run).outputs == []
    (scratch / ".work").mkdir(parents=True)
    (scratch / ".markab").touch()
    assert operations.read_result(run).outputs == []
    (scratch / "result").touch()
    assert operations.read_result(run).outputs == [str(scratch)]


def test_the_identity_of_a_run_is_its_braindump(tmp_path: Path) -> None:
    assert operations.read_braindump(make_run(tmp_path, [compute("a")]))["wf_uuid"] == "7a3c"


def test_the_results_that_a_failed_run_did_not_deliver_are_named(tmp_path: Path) -> None:
    out = PlannedJob("out", Kind.STAGE_OUT, "local", parents=[0], transfers=[Transfer("x", [], [])])
    jobs = [compute("a", outputs=[Output("x")]), out]
    story = [began(), start(0), failed(0), gave_up(0), ended("failed")]
    run = make_run(tmp_path / "failed", jobs, story)

    assert operations.read_result(run).undelivered == [("x", "out", "wc_a failed")]
    assert operations.read_undelivered(operations.read_status(run)) == [("x", "out", "wc_a failed")]
    halted = make_run(tmp_path / "halted", jobs, [*story[:-1], ended("halted")])
    assert operations.read_result(halted).undelivered == []


def test_what_was_done_in_part_is_no_failure_of_its_own(tmp_path: Path) -> None:
    out = PlannedJob("out", Kind.STAGE_OUT, "local", parents=[0, 1])
    part = [
        start(2),
        end(2, ok=False, error={"kind": "incomplete", "message": "x"}),
        Incomplete(T0 + 3, 2, 1),
    ]
    story = [began(), start(0), failed(0), gave_up(0), start(1), end(1), *part, ended("failed")]
    run = make_run(tmp_path, [compute("a"), compute("b"), out], story)

    result = operations.read_result(run)

    assert [failure.job for failure in result.failures] == ["wc_a"]
    assert (result.status.failed, result.status.unready) == (1, 1)
