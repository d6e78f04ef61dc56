from __future__ import annotations

from pathlib import Path

from kit.made_run import began, compute, end, ended, engine_alive, make_run, start
from markab.reports.why import read_why

CHAIN = [compute("a"), compute("b", 0), compute("c", 1)]


def verdict(run: Path, job: str) -> str:
    return read_why(run, job).text().splitlines()[0].partition(") ")[2]


def test_a_job_of_a_run_that_goes_on_waits_for_its_parents(tmp_path: Path) -> None:
    run = make_run(tmp_path, CHAIN, [began(), start(0)])
    with engine_alive(run):
        assert verdict(run, "a") == "is under way"
        assert verdict(run, "b") == "waits for wc_a (under way)"
        assert verdict(run, "c") == "waits for wc_b (waiting)"


def test_nothing_waits_for_parents_where_no_engine_is_at_work(tmp_path: Path) -> None:
    planned = make_run(tmp_path / "planned", CHAIN)
    assert verdict(planned, "a") == verdict(planned, "c") == "waits: the run is not started yet"

    dead = make_run(tmp_path / "dead", CHAIN, [began(), start(0)])
    assert verdict(dead, "a") == "was lost with the engine; running it again continues"
    assert verdict(dead, "b") == "was not started: the run ended before wc_a (lost with the engine)"

    cancelled = end(0, ok=False, error={"kind": "cancelled", "message": "it was cancelled"})
    removed = make_run(tmp_path / "removed", CHAIN, [began(), start(0), cancelled, ended("removed")])
    assert verdict(removed, "c") == "was not started: the run ended before wc_b (not started)"


def test_of_many_parents_some_are_named_in_the_sentence(tmp_path: Path) -> None:
    jobs = [*(compute(f"p{n}") for n in range(5)), compute("last", 0, 1, 2, 3, 4)]
    run = make_run(tmp_path, jobs, [began(), start(0)])
    with engine_alive(run):
        assert verdict(run, "last") == "waits for wc_p0 (under way), wc_p1 (waiting), wc_p2 (waiting), …"
