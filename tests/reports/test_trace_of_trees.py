from __future__ import annotations

from pathlib import Path

from kit.made_tree import INNER, INNER_UUID, make_tree
from markab.plan.child_directory import child_directory
from markab.reports.trace_reader import read_trace


def test_a_result_is_followed_through_a_sub_workflow_down_and_up_again(tmp_path: Path) -> None:
    trace = read_trace(make_tree(tmp_path / "run"), "end.txt")

    assert {name: one.job for name, one in trace.files.items()} == {
        "end.txt": "wc_end",
        "m.txt": f"{INNER}/wc_c",
        f"{INNER}/b.txt": f"{INNER}/wc_b",
        "a.txt": "wc_a",
        "in.yml": "wc_write",
    }
    inner = trace.runs[INNER]
    assert (inner.workflow, inner.uuid, inner.document) == ("inner", INNER_UUID, "in.yml")
    text = trace.text()
    assert f"in the sub-workflow 'inner' (run {INNER_UUID})" in text
    assert text.count("in.yml  ") == 1, "what it was planned of is drawn once"
    assert '"file in.yml" -> "job pegasus-plan_inner/wc_c" [style=dashed]' in trace.dot()
    assert trace.to_json()["sub_workflows"][INNER]["uuid"] == INNER_UUID


def test_a_trace_that_begins_in_a_sub_workflow_ends_where_its_inputs_came_from(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "run")

    from_child = read_trace(root / child_directory(2, INNER), "m.txt")

    assert from_child.files["a.txt"].job == "wc_a"
    assert from_child.files.keys() == read_trace(root, "m.txt").files.keys()
    assert from_child.uuid == INNER_UUID and from_child.submit_dir == str(root)


def test_a_file_of_a_sub_workflow_is_found_by_the_name_that_a_trace_gives_it(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "run")

    assert read_trace(root, f"{INNER}/b.txt").files[f"{INNER}/b.txt"].job == f"{INNER}/wc_b"


def test_what_a_sub_workflow_without_a_plan_makes_is_made_by_its_job(tmp_path: Path) -> None:
    trace = read_trace(make_tree(tmp_path / "run", is_planned=False), "end.txt")

    assert (trace.files["m.txt"].job, trace.jobs[INNER].state) == (INNER, "not started")
    assert trace.jobs[INNER].commands == []
    assert trace.files["a.txt"].job == "wc_a"
