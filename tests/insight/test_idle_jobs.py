from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kit.made_run import T0, began, compute, end, engine_alive, failed, gave_up, make_run, retry, start
from markab.cli.why_idle import why_idle as command
from markab.errors import MarkabError
from markab.insight.idle_jobs import IdleJobs, why_idle
from markab.journal.records import Retry


def waiting(directory: Path, jobs: list[Any], entries: list[Any], **header: Any) -> dict[str, IdleJobs]:
    make_run(directory, jobs, entries, **header)
    with engine_alive(directory):
        return {group.word: group for group in why_idle(directory, now=T0 + 5).groups}


def test_a_job_that_waits_for_a_slot_says_how_much_is_missing(tmp_path: Path) -> None:
    jobs = [compute("a", memory_mb=3000), compute("b", memory_mb=2000)]
    found = waiting(tmp_path, jobs, [began(cores=4, memory_mb=4000), start(0)])

    assert found["slot"].examples == ["wc_b"]
    assert found["slot"].lacks == ["wc_b asks for 2.0 GB; 1.0 GB of 3.9 GB are free: 1.0 GB too little"]


def test_a_job_that_waits_for_parents_names_them_and_what_runs(tmp_path: Path) -> None:
    jobs = [compute("a"), compute("b"), compute("c", 0, 1)]
    found = waiting(tmp_path, jobs, [began(cores=4), start(0), end(0), start(1)])

    assert found["parents"].lacks == ["wc_c lacks 1 of 2 parents: wc_b", "wc_b is under way for 4.0 s"]


def test_a_job_behind_a_failure_leads_to_its_explanation(tmp_path: Path) -> None:
    found = waiting(tmp_path, [compute("a"), compute("b", 0)], [began(), start(0), failed(0), gave_up(0)])

    assert found["failed-parent"].lacks == ["wc_b needs wc_a, which failed"]
    assert found["failed-parent"].steps[0].command == f"markab explain {tmp_path} wc_b"


def test_a_throttle_is_named_with_its_limit(tmp_path: Path) -> None:
    jobs = [compute("a", category="db"), compute("b", category="db")]
    found = waiting(tmp_path, jobs, [began(cores=4), start(0)], limits={"db": 1})

    assert found["throttle"].lacks == ["1 of category 'db' are under way, and 1 may be"]


def test_a_pause_says_when_it_ends(tmp_path: Path) -> None:
    paused = Retry(T0 + 2, 0, 1, pause_s=20)
    found = waiting(tmp_path, [compute("a")], [began(cores=4), start(0), failed(0), paused])

    assert found["retry"].lacks == ["wc_a starts again in 17 s"]


def test_without_an_engine_it_says_how_to_go_on(tmp_path: Path) -> None:
    make_run(tmp_path, [compute("a"), compute("b")], [began(), start(0), failed(0), retry(0)])

    done = CliRunner().invoke(command, [str(tmp_path)])

    assert done.exit_code == 0 and "no engine is running" in done.output
    assert f"markab run {tmp_path}" in done.output


def test_a_job_that_does_not_wait_is_refused(tmp_path: Path) -> None:
    make_run(tmp_path, [compute("a")], [began(), start(0), end(0)])

    with pytest.raises(MarkabError, match="does not wait: it has ended"):
        why_idle(tmp_path, "a")


def test_a_job_in_the_queue_of_its_site_is_named_with_the_site(tmp_path: Path) -> None:
    found = waiting(tmp_path, [compute("a", site="pool")], [began(cores=4), start(0, site="pool")])

    assert found["queue"].reason == "in the queue of site 'pool'"
    assert found["queue"].steps[0].command == f"markab why {tmp_path} wc_a"
