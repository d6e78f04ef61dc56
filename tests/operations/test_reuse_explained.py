"""`plan --explain`, `why` and `trace` of runs with reuse by content."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.content_runs import Lab, chain
from markab import operations
from markab.errors import MarkabError


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path, chain("a", "b", "c"), {"in": "input\n"})
    lab.run()
    return lab


def explained(lab: Lab, *, dry: bool = False) -> dict[str, str]:
    lab.write()
    plan = operations.dry_run if dry else operations.plan
    planned = plan(lab.plan_options(), explain=True)
    return {r.job: r.why for r in planned.reasons if r.by == "reuse_by_content"}


@pytest.mark.parametrize("dry", [True, False])
def test_a_plan_says_which_program_changed(lab: Lab, dry: bool) -> None:
    lab.steps[1].line = "edited"

    why = explained(lab, dry=dry)

    assert why["a"].startswith("reused: as made by job tool_a_a of run ")
    assert why["b"].startswith(f"it runs again because {lab.path}/bin/b changed (sha256 ")
    assert "it reads 'b.out', which b makes in this run" == why["c"]


def test_a_first_plan_says_that_nothing_is_known(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a"), {"in": "input\n"})

    assert {"a": "no earlier run of this workflow made its outputs"} == explained(lab)


def test_what_changed_is_told_against_the_run_that_made_what_is_in_use(lab: Lab) -> None:
    lab.steps[0].argument = "second"
    lab.run()
    lab.steps[0].argument = ""
    lab.run()  # reuses what the first run made
    lab.steps[0].argument = "third"

    assert "its arguments changed: a.out - in → a.out third in" in explained(lab)["a"]


def test_why_tells_what_ran_again_what_was_brought_and_what_was_left_out(lab: Lab) -> None:
    lab.steps[1].comment = "edited"
    run = lab.run().submit_dir

    texts = {name: operations.why(run, name).text() for name in "abc"}

    assert "a was not run: reused, as made by job tool_a_a of run " in texts["a"]
    assert "reuse     it runs again because " in texts["b"] and "bin/b changed (sha256 " in texts["b"]
    assert "reuse     its outputs were brought, as made by job tool_c_c of run " in texts["c"]
    assert operations.why(run, "a").to_json()["reused"]["job"] == "tool_a_a"


def test_why_of_a_task_that_is_nowhere_is_an_error(lab: Lab) -> None:
    with pytest.raises(MarkabError, match="the run has no job 'zz'"):
        operations.why(lab.run().submit_dir, "zz")


def test_trace_says_which_job_made_what_was_brought(lab: Lab) -> None:
    lab.steps[1].comment = "edited"

    text = operations.trace(lab.run().submit_dir, "c.out").text()

    assert (
        "made by tool_c_c (tool_c at condorpool), which brought it: as made by job tool_c_c of run " in text
    )


def test_show_tells_what_was_brought(lab: Lab) -> None:
    lab.steps[1].comment = "edited"

    run = lab.run().submit_dir
    text = operations.show_job(run, "c").text(run)

    assert "brought c.out" in text and "as made by job tool_c_c of run " in text


def test_trace_names_the_run_that_made_a_reused_file(lab: Lab) -> None:
    lab.steps[2].line = "edited"
    run = lab.run().submit_dir

    text = operations.trace(run, "c.out").text()

    assert "from job tool_b_b of run " in text and "reused" in text
    left_out = operations.trace(lab.run().submit_dir, "c.out")
    assert left_out.files["c.out"].source.endswith("reused")
