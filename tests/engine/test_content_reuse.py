"""Workflows that are run again after an edit, with reuse by content: what runs, what does not, and what comes out."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from kit.content_runs import Lab, Ran, Step, chain


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path, chain("a", "b", "c"), {"in": "input\n"})
    lab.run()
    return lab


def ran(lab: Lab) -> Ran:
    """Run again; whatever ran, the results are those of a run from nothing."""
    found = lab.run()
    assert ("success", lab.expected_results()) == (found.state, lab.delivered())
    return found


def test_nothing_runs_again_if_nothing_changed(lab: Lab) -> None:
    again = ran(lab)

    assert ([], ["a", "b", "c"], [], 1) == (again.executed, again.reused, again.moved, again.jobs)


def test_touching_everything_runs_nothing(lab: Lab) -> None:
    for path in (lab.path / "data" / "in", *(lab.path / "bin").iterdir(), lab.results / "c.out"):
        os.utime(path)

    assert [] == ran(lab).executed


def test_an_edited_program_runs_again_with_all_that_depends_on_it(lab: Lab) -> None:
    lab.steps[1].line = "edited"

    again = ran(lab)

    assert (["b", "c"], ["a"]) == (again.executed, again.reused)


def test_a_program_that_makes_the_same_ends_the_cone(lab: Lab) -> None:
    lab.steps[1].comment = "a comment"

    again = ran(lab)

    assert (["b"], ["a"], ["c"]) == (again.executed, again.reused, again.cut_off)


def test_an_edit_that_is_undone_runs_nothing(lab: Lab) -> None:
    lab.steps[0].line = "edited"
    assert ["a", "b", "c"] == ran(lab).executed
    lab.steps[0].line = "a"

    again = ran(lab)

    assert ([], ["a", "b", "c"], ["c.out"]) == (again.executed, again.reused, again.moved)


def test_an_edited_input_an_argument_a_variable_and_the_name_of_an_output_count(lab: Lab) -> None:
    lab.inputs["in"] = "edited\n"
    assert ["a", "b", "c"] == ran(lab).executed
    lab.steps[1].argument = "--fast"
    assert ["b", "c"] == ran(lab).executed
    lab.steps[2].tag = "night"
    assert ["c"] == ran(lab).executed
    lab.steps[0].makes, lab.steps[1].reads = "renamed", ["renamed"]
    again = ran(lab)
    assert (["a", "b"], ["c"]) == (again.executed, again.cut_off)


def test_a_deleted_result_comes_back_from_the_store(lab: Lab) -> None:
    (lab.results / "c.out").unlink()

    again = ran(lab)

    assert ([], ["c.out"]) == (again.executed, again.moved)


def test_an_altered_result_is_noticed_and_replaced(lab: Lab) -> None:
    path = lab.results / "c.out"
    path.write_text(path.read_text().upper())

    again = ran(lab)

    assert [] == again.executed
    assert any("altered" in str(warning) for warning in again.planned.warnings)


def test_a_result_of_which_no_bytes_are_left_is_made_again_with_what_it_needs(lab: Lab) -> None:
    shutil.rmtree(lab.store)
    (lab.results / "c.out").unlink()

    assert ["a", "b", "c"] == ran(lab).executed


def test_results_that_are_in_place_need_no_intermediates(lab: Lab) -> None:
    shutil.rmtree(lab.store)

    assert [] == ran(lab).executed


def test_with_force_all_runs_and_is_recorded(lab: Lab) -> None:
    lab.steps[0].line = "edited"
    lab.options["force"] = True
    assert ["a", "b", "c"] == ran(lab).executed
    lab.options["force"] = False

    assert [] == ran(lab).executed


def test_another_workflow_uses_the_same_results(lab: Lab, tmp_path: Path) -> None:
    lab.steps.append(Step("d", ["a.out"], "d.out"))

    again = ran(lab)

    assert (["d"], ["a", "b", "c"]) == (again.executed, again.reused)


def test_results_in_the_replica_catalog_do_not_count(lab: Lab) -> None:
    lab.steps[2].line = "edited"
    lab.inputs["c.out"] = "what is registered\n"

    assert ["c"] == ran_with_registered_result(lab)


def ran_with_registered_result(lab: Lab) -> list[str]:
    found = lab.run()
    assert "edited" in (lab.results / "c.out").read_text()
    return found.executed


def test_without_an_output_site_results_stay_where_they_are(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a", "b"), {"in": "input\n"}, options={"output_sites": []})
    lab.run()
    lab.steps[1].line = "edited"

    assert ["b"] == lab.run().executed
    assert [] == lab.run().executed


def test_an_installed_program_counts_by_its_content(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a", "b"), {"in": "input\n"}, program_type="installed")
    lab.run()
    assert [] == ran(lab).executed
    lab.steps[1].line = "edited"

    assert ["b"] == ran(lab).executed


def test_the_policy_of_pegasus_is_the_default_and_records_nothing(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a", "b"), {"in": "input\n"}, options={"reuse_policy": None})

    assert ["a", "b"] == lab.run().executed
    again = lab.run()

    assert ["a", "b"] == again.executed
    assert not (tmp_path / "index.db").exists() and not lab.store.exists()
    plan = (again.submit_dir / "plan.jsonl").read_text()
    assert '"content"' not in plan and '"reuse"' not in plan and '"keeps"' not in plan
