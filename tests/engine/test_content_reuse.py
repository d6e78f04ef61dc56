"""Workflows that are run again after an edit, with reuse by content: what runs, what does not, and what comes out."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from kit.content_runs import Lab, Ran, Step, chain, what_ran
from markab.diagnosis.reuse_verdict import reuse_verdict
from markab.engine import run as engine
from markab.engine.earlier_results import EarlierResults
from markab.errors import MarkabError, PlanningError
from markab.journal.run_reader import RunReader
from markab.reuse.available import AvailableContents


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
    (lab.results / "c.out").unlink()
    shutil.rmtree(lab.store)

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


def test_if_what_was_made_cannot_be_brought_the_task_runs(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.steps[1].comment = "edited"
    lab.properties["dagman.retry"] = "0"
    planned = lab.plan()
    assert planned.submit_dir is not None
    monkeypatch.setattr(AvailableContents, "path", lambda *_: f"{lab.path}/gone")

    outcome = engine.run(planned.submit_dir)

    found = what_ran(planned, outcome.state)
    assert ("success", ["b", "c"], []) == (found.state, found.executed, found.cut_off)
    assert lab.expected_results() == lab.delivered()


def test_what_is_altered_between_being_found_and_being_brought_is_not_used(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.steps[1].comment = "edited"
    planned = lab.plan()
    assert planned.submit_dir is not None
    other = lab.path / "altered"
    other.write_text((lab.results / "c.out").read_text().swapcase())
    monkeypatch.setattr(AvailableContents, "path", lambda *_: str(other))

    outcome = engine.run(planned.submit_dir)

    assert ("success", lab.expected_results()) == (outcome.state, lab.delivered())
    assert ["b", "c"] == what_ran(planned, outcome.state).executed


def test_what_an_engine_made_that_was_killed_before_it_recorded_it_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path, chain("a", "b"), {"in": "input\n"})
    with monkeypatch.context() as killed:
        killed.setattr(EarlierResults, "record", lambda *_, **__: "")
        lab.run()

    assert [] == ran(lab).executed


def test_what_succeeded_in_a_failed_run_is_found(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a", "b"), {"in": "input\n"}, {"dagman.retry": "0"})
    lab.steps[1].line = '"; exit 3; echo "'
    assert ("failed", ["a", "b"]) == ((failed := lab.run()).state, failed.executed)
    lab.steps[1].line = "mended"

    assert ["b"] == ran(lab).executed


def test_a_program_that_was_replaced_during_the_run_is_not_recorded(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a", "b"), {"in": "input\n"}, program_type="installed")
    planned = lab.plan()
    assert planned.submit_dir is not None
    lab.steps[0].line = "replaced"
    lab.write()
    engine.run(planned.submit_dir)
    assert ["a"] == ran(lab).executed  # it ran as it is now, but was planned as something else

    assert [] == ran(lab).executed


def test_a_program_that_was_changed_and_put_back_during_the_run_is_not_recorded(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a", "b"), {"in": "input\n"}, program_type="installed")
    planned = lab.plan()
    assert planned.submit_dir is not None
    program, kept = lab.path / "bin" / "a", tmp_path / "kept"
    kept.write_text(program.read_text())
    program.write_text(f'#!/bin/sh\necho other > "$1"; cat {kept} > {program}; exit\n')
    engine.run(planned.submit_dir)

    assert program.read_text() == kept.read_text()
    assert "a" in ran(lab).executed, "its output was made by another program"


def test_a_moved_or_deleted_run_costs_nothing_but_its_results(lab: Lab) -> None:
    shutil.rmtree(lab.path / "root", ignore_errors=True)
    for run in lab.path.glob("*/pegasus/lab/run0001"):
        shutil.rmtree(run)

    assert [] == ran(lab).executed


def test_two_plans_of_the_same_are_the_same(lab: Lab) -> None:
    lab.steps[1].line = "edited"
    plans = [lab.plan().submit_dir for _ in range(2)]

    texts = [(run / "plan.jsonl").read_text().replace(run.name, "run") for run in plans if run]
    first, second = (re.sub('"crc":"[0-9a-f]{8}"', "", text) for text in texts)
    assert first == second


def test_leaf_cleanup_keeps_what_tasks_made(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a", "b"), {"in": "input\n"}, options={"cleanup": "leaf"})
    lab.run()
    lab.steps[1].line = "edited"

    assert ["b"] == ran(lab).executed


def test_a_store_of_no_size_keeps_nothing(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a", "b"), {"in": "input\n"}, {"markab.reuse.store.size": "0"})
    lab.run()
    lab.steps[1].line = "edited"

    assert ["a", "b"] == ran(lab).executed
    assert not lab.store.exists()


ALWAYS: dict[str, dict[str, Any]] = {
    "it runs in the shared directory": {
        "profiles": {"pegasus": {"data.configuration": "sharedfs"}},
    },
    "it makes no file": {"uses": [{"lfn": "in", "type": "input"}]},
    "it writes a file that it also reads": {
        "uses": [
            {"lfn": "in", "type": "input"},
            {"lfn": "state", "type": "checkpoint"},
            {"lfn": "a.out", "type": "output"},
        ]
    },
    "its arguments have a variable that no document declares: $HOME": {"arguments": ["a.out", "$HOME", "in"]},
    "a launcher starts its program": {"profiles": {"pegasus": {"gridstart.launcher": "/usr/bin/env"}}},
    "a script of the submit host belongs to it (dagman.POST)": {
        "profiles": {"dagman": {"POST": "/bin/true"}}
    },
    "a script of the submit host belongs to it (dagman.PRE)": {"profiles": {"dagman": {"PRE": "/bin/true"}}},
}


@pytest.mark.parametrize("why", ALWAYS)
def test_a_job_of_which_it_is_not_known_what_makes_its_outputs_always_runs(tmp_path: Path, why: str) -> None:
    lab = Lab(tmp_path, chain("a"), {"in": "input\n"}, site="local")
    lab.steps[0].keys = ALWAYS[why]
    lab.run()

    again = lab.run()

    assert ("success", ["a"]) == (again.state, again.executed)
    reasons = [r.why for r in again.planned.reasons if r.job == "a" and r.what == "kept"]
    assert [True] == [why in reason for reason in reasons]


def test_a_variable_that_is_declared_counts_by_its_value(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a"), {"in": "input\n"})
    lab.steps[0].argument, lab.steps[0].tag = "$TAG", "day"
    lab.run()
    assert [] == lab.run().executed
    lab.steps[0].tag = "night"

    assert ["a"] == lab.run().executed


def test_an_input_that_a_job_fetches_itself_counts_only_with_a_checksum_in_the_catalog(
    tmp_path: Path,
) -> None:
    lab = Lab(tmp_path, chain("a"), {"in": "input\n"}, {"pegasus.transfer.bypass.input.staging": "true"})
    lab.program_type, lab.site = "installed", "local"
    lab.run()

    again = lab.run()

    assert ["a"] == again.executed


def test_reuse_by_content_without_checksums_is_an_error(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a"), {"in": "input\n"}, {"pegasus.integrity.checking": "none"})

    with pytest.raises(PlanningError, match="cannot be reused by content without checksums"):
        lab.plan()


@pytest.mark.parametrize("given", [{"reuse_policy": "contents"}, {}])
def test_an_unknown_policy_is_an_error(tmp_path: Path, given: dict[str, str]) -> None:
    properties = {} if given else {"markab.reuse.policy": "contents"}
    lab = Lab(tmp_path, chain("a"), {"in": "input\n"}, properties, {"reuse_policy": None, **given})

    with pytest.raises(MarkabError, match="contents"):
        lab.plan()


def test_the_option_wins_over_the_property(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a"), {"in": "input\n"}, {"markab.reuse.policy": "content"})
    lab.options["reuse_policy"] = "pegasus"
    lab.run()
    assert ["a"] == lab.run().executed
    lab.options["reuse_policy"] = None
    lab.run()

    assert [] == lab.run().executed


def test_a_warning_about_the_index_names_its_whole_file(tmp_path: Path) -> None:
    index = tmp_path / "a; b.db"
    index.write_text("no index of results, but a text\n" * 100)
    lab = Lab(tmp_path, chain("a"), {"in": "input\n"}, {"markab.reuse.index": str(index)})

    (warning,) = [one for one in lab.plan().warnings if one.kind == "result-index"]

    assert repr(str(index)) in warning.message and "is damaged" in warning.message
    assert warning.hint.startswith("delete it: rm ")


def test_a_run_whose_results_cannot_be_recorded_says_so_with_the_remedy(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a"), {"in": "input\n"})
    planned = lab.plan()
    assert planned.submit_dir is not None
    index = tmp_path / "index.db"
    with sqlite3.connect(index) as database:
        database.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON entry BEGIN SELECT raise(ABORT, 'attempt to write'); END"
        )

    outcome = engine.run(planned.submit_dir, engine.RunOptions(cores=2))

    assert "success" == outcome.state
    (warning,) = [one for one in outcome.warnings if "not recorded" in one]
    assert str(index) in warning and "attempt to write" in warning and "`markab cache rebuild`" in warning


def test_a_store_that_cannot_be_used_is_a_warning_of_the_plan(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a"), {"in": "input\n"})
    lab.store.write_text("a file\n")

    (warning,) = [one for one in lab.plan().warnings if one.kind == "content-store"]

    assert repr(str(lab.store)) in warning.message and "markab.reuse.store" in warning.hint


def test_a_result_that_cannot_be_read_is_a_warning_of_the_plan(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    may = os.access
    monkeypatch.setattr(
        os,
        "access",
        lambda path, *more, **named: not str(path).endswith("/c.out") and may(path, *more, **named),
    )

    (warning,) = [one for one in lab.plan().warnings if one.kind == "unreadable-result"]

    assert str(lab.results / "c.out") in warning.message and "Permission denied" in warning.message


def test_files_of_replicas_that_have_results_are_said_not_to_count(lab: Lab) -> None:
    (lab.path / "cache.txt").write_text(f'c.out {lab.path}/data/in site="local"\n')
    lab.options["cache"] = [Path("cache.txt")]

    again = ran(lab)

    assert any("--cache" in str(warning) for warning in again.planned.warnings)


def test_a_job_that_reads_what_is_made_anew_through_several_ways_stays(tmp_path: Path) -> None:
    """The last job is looked at before the one between, which has no key yet."""
    lab = Lab(tmp_path, chain("a", "b"), {"in": "input\n"})
    lab.steps.append(Step("c", ["a.out", "b.out"], "c.out", tag="$"))
    lab.steps[2].argument = "$HOME"  # so that it always runs
    lab.run()
    lab.steps[0].line = "edited"

    assert ["a", "b", "c"] == lab.run().executed


def test_what_reads_a_file_that_comes_out_different_when_made_again_follows_it(tmp_path: Path) -> None:
    steps = chain("a", "b", is_result=("a",))
    steps[0].line = f"$(cat {tmp_path}/undeclared)"
    lab = Lab(tmp_path, steps, {"in": "input\n"}, {"markab.reuse.store.size": "0"})
    for text in ("first", "second"):
        (tmp_path / "undeclared").write_text(text)
        again = lab.run()
        assert ["a", "b"] == again.executed
        assert f"{text} - \ninput\n" == (lab.results / "a.out").read_text()
        assert (lab.results / "b.out").read_text().endswith((lab.results / "a.out").read_text())
        (lab.results / "a.out").unlink()


def test_tasks_of_clusters_are_reused_one_by_one(tmp_path: Path) -> None:
    lab = Lab(tmp_path, chain("a", "b", "c"), {"in": "input\n"}, options={"cluster": ["whole"]})
    first = lab.run()
    assert ("success", ["a", "b", "c"]) == (first.state, first.executed)
    assert [] == ran(lab).executed
    lab.steps[1].line = "edited"

    again = ran(lab)

    assert (["b", "c"], ["a"]) == (again.executed, again.reused)
    lab.options["cluster"] = []
    assert [] == ran(lab).executed


def cluster_lab(path: Path) -> Lab:
    """Return one in which a task is followed by a cluster of a chain, and by one that reads what it makes; they have run."""
    steps = chain("a", "b", "c", "d")
    for step in steps[1:3]:
        step.keys["profiles"] = {"pegasus": {"label": "middle"}}
    lab = Lab(path, steps, {"in": "input\n"}, options={"cluster": ["label"]})
    assert ("success", ["a", "b", "c", "d"]) == ((first := lab.run()).state, first.executed)
    return lab


def test_a_cluster_of_which_all_inputs_are_what_they_were_is_brought_as_a_whole(tmp_path: Path) -> None:
    lab = cluster_lab(tmp_path)
    for comment in ("once", "twice"):
        lab.steps[0].comment = comment

        again = ran(lab)

        assert (["a"], ["b", "c", "d"]) == (again.executed, again.cut_off)
    run = RunReader(again.submit_dir)
    (cluster,) = [number for number, job in enumerate(run.plan.jobs()) if len(job.tasks) == 2]
    brought = f"its outputs were brought, as made by job {run.plan.job(cluster).id} of run"
    assert brought in reuse_verdict(run, cluster)


def test_a_cluster_of_which_a_task_changed_runs_as_a_whole(tmp_path: Path) -> None:
    lab = cluster_lab(tmp_path)
    lab.steps[0].comment, lab.steps[2].line = "edited", "edited"

    again = ran(lab)

    assert (["a", "b", "c", "d"], []) == (again.executed, again.cut_off)


def test_a_cluster_of_what_several_jobs_made_runs_as_a_whole(tmp_path: Path) -> None:
    lab = cluster_lab(tmp_path)
    lab.options["cluster"], lab.steps[2].comment = [], "made alone"
    assert ["c"] == ran(lab).executed
    lab.options["cluster"], lab.steps[0].comment = ["label"], "edited"

    again = ran(lab)

    assert (["a", "b", "c"], ["d"]) == (again.executed, again.cut_off)


def test_a_cluster_of_which_a_file_cannot_be_had_runs_as_a_whole(tmp_path: Path) -> None:
    lab = cluster_lab(tmp_path)
    lab.steps[0].comment = "edited"
    shutil.rmtree(lab.store)

    again = ran(lab)

    assert (["a", "b", "c"], ["d"]) == (again.executed, again.cut_off)


def test_only_what_a_target_needs_is_looked_for(lab: Lab) -> None:
    lab.steps[0].line = "edited"
    lab.options["until"] = ["b.out"]

    again = lab.run()

    assert ("success", ["a", "b"]) == (again.state, again.executed)
    lab.options["until"] = []
    assert (["c"], ["a", "b"]) == ((whole := ran(lab)).executed, whole.reused)
