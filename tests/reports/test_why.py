from __future__ import annotations

import time
from pathlib import Path

from kit.made_run import T0, began, compute, end, ended, engine_alive, make_run, start, write_journal
from markab.journal.progress import Progress, RunningJob, write_progress
from markab.journal.records import AttemptHeld, AttemptRunning, Entry
from markab.operations import read_status, show_job
from markab.plan.model import PlanSite
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


def test_a_job_at_another_site_is_explained_in_the_words_of_that_site(tmp_path: Path) -> None:
    chain = [compute("a", site="pool"), compute("b", 0, site="pool")]
    sites = {"local": PlanSite(), "pool": PlanSite("slurm")}
    story: list[Entry] = [began(), start(0, site="pool")]
    run = make_run(tmp_path, chain, story, sites=sites)
    said = Progress("w", "", T0, 2, jobs=[RunningJob("wc_a", "pool", 1, T0, queued=True, reason="Priority")])
    with engine_alive(run):
        assert verdict(run, "a") == "waits: in the queue of site 'pool'"
        said.uuid, said.time = "7a3c", time.time()
        write_progress(run / "status.json", said)
        assert verdict(run, "a") == "waits: in the queue of site 'pool': Priority"
        text = read_status(run, why=True).text()
        assert "wc_a  [pool: Priority]" in text
        assert "1 job: in the queue of site 'pool': Priority (wc_a)" in text
        write_journal(run, [*story, AttemptHeld(T0 + 2, 0, 1, "no quota", "12.0")])
        assert verdict(run, "a") == "waits: held by its site: no quota"
        write_journal(run, [*story, AttemptRunning(T0 + 3, 0, 1, "12.0", "node7")])
        assert verdict(run, "a") == "is under way"
        assert "under way at site 'pool', 12.0 on node7" in read_why(run, "a").text()
    assert verdict(run, "a") == "was left at its site; running it again continues"
    assert "left at site 'pool', 12.0 on node7" in read_why(run, "a").text()
    assert "12.0 at site 'pool', on node7" in show_job(run, "wc_a").text()
