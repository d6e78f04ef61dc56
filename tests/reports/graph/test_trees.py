from __future__ import annotations

from pathlib import Path

from kit.made_tree import INNER, make_tree
from markab.operations import draw
from markab.plan.child_directory import child_directory
from markab.reports.graph.trees import tree_graph


def edges(run: Path, **options: bool) -> set[tuple[str, str]]:
    drawing = draw(run, recursive=True, **options).to_json()
    return {(edge["from"].removeprefix("job "), edge["to"].removeprefix("job ")) for edge in drawing["edges"]}  # type: ignore[attr-defined]


def test_the_jobs_of_a_sub_workflow_stand_between_its_job_and_what_follows(tmp_path: Path) -> None:
    assert edges(make_tree(tmp_path / "run")) == {
        ("wc_write", INNER),
        ("wc_a", INNER),
        (INNER, f"{INNER}/wc_b"),
        (f"{INNER}/wc_b", f"{INNER}/wc_c"),
        (f"{INNER}/wc_c", "wc_end"),
    }


def test_a_tree_has_the_states_of_all_its_jobs(tmp_path: Path) -> None:
    graph = tree_graph(make_tree(tmp_path / "run", fails=True))

    assert dict(zip(graph.ids, graph.states or (), strict=True)) == {
        "wc_write": "succeeded",
        "wc_a": "succeeded",
        INNER: "failed",
        "wc_end": "skipped",
        f"{INNER}/wc_b": "succeeded",
        f"{INNER}/wc_c": "failed",
    }


def test_files_that_go_up_or_down_are_one_and_others_are_not(tmp_path: Path) -> None:
    graph = tree_graph(make_tree(tmp_path / "run"))
    reads_makes = {id: graph.files(job) for job, id in enumerate(graph.ids)}

    assert reads_makes[INNER] == (["in.yml", "a.txt"], ["m.txt"])
    assert reads_makes[f"{INNER}/wc_b"] == (["a.txt"], [f"{INNER}/b.txt"])
    assert reads_makes[f"{INNER}/wc_c"] == ([f"{INNER}/b.txt"], ["m.txt"])
    assert ("file m.txt", "wc_end") in edges(tmp_path / "run", files=True)


def test_a_run_without_sub_workflows_is_drawn_as_ever(tmp_path: Path) -> None:
    inner = make_tree(tmp_path / "run") / child_directory(2, INNER)

    assert draw(inner, recursive=True).to_json() == draw(inner).to_json()
