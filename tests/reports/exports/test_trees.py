"""Exports of a run with a sub-workflow, with and without the run of that."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from kit.made_tree import INNER, INNER_UUID, make_tree
from markab.operations import export
from markab.plan.child_directory import child_directory


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run = make_tree(tmp_path / "run")
    for place in (run, run / child_directory(2, INNER)):
        (place / "catalogs").mkdir()
        (place / "catalogs/workflow.yml").write_text(
            "pegasus: '5.0'\nname: words\njobs: [{type: job, name: wc, id: a}]\n"
        )
    return run


def exported(run: Path, format: str, *, recursive: bool = True) -> Any:
    target = run.parent / f"out.{format}"
    notes = export(run, format, target, recursive=recursive)
    assert recursive or "add -r" in notes[-1]
    return target if target.is_dir() else json.loads(target.read_text())


def test_prov_has_a_bundle_for_the_run_and_says_which_files_are_the_same(run: Path) -> None:
    document = exported(run, "prov")

    attempt = document["activity"][f"attempt:{INNER}/1"]
    assert attempt["markab:subWorkflow"]["$"] == f"bundle:{INNER_UUID}"
    (bundle,) = document["bundle"].values()
    assert bundle["prefix"]["above"] == "urn:uuid:7a3c#file/" and document["prefix"]["bundle"] == "urn:uuid:"
    assert "attempt:wc_c/1" in bundle["activity"] and "attempt:wc_c/1" not in document["activity"]
    ends = {(one["prov:alternate1"], one["prov:alternate2"]) for one in bundle["alternateOf"].values()}
    assert ends == {("file:a.txt", "above:a.txt"), ("file:m.txt", "above:m.txt")}


def test_wfformat_has_the_tasks_of_both_with_the_files_between_them(run: Path) -> None:
    workflow = exported(run, "wfformat")["workflow"]
    tasks = {task["id"]: task for task in workflow["specification"]["tasks"]}

    assert tasks[f"{INNER}_wc_b"]["parents"] == [INNER]
    assert tasks["wc_end"]["parents"] == [INNER, f"{INNER}_wc_c"]
    assert tasks[f"{INNER}_wc_b"]["inputFiles"] == tasks["wc_a"]["outputFiles"]
    assert (
        tasks[f"{INNER}_wc_c"]["outputFiles"] == tasks[INNER]["outputFiles"] == tasks["wc_end"]["inputFiles"]
    )
    ids = [file["id"] for file in workflow["specification"]["files"]]
    used = {id for task in tasks.values() for id in (*task["inputFiles"], *task["outputFiles"])}
    assert len(ids) == len(set(ids)) and set(ids) == used
    ran = {task["id"]: task for task in workflow["execution"]["tasks"]}
    assert ran.keys() == tasks.keys() and ran[INNER]["subWorkflow"] == INNER_UUID


def test_a_table_has_the_rows_of_both(run: Path) -> None:
    export(run, "csv", run.parent / "out.csv", recursive=True)

    with open(run.parent / "out.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["job"] for row in rows if row["run"] == INNER_UUID] == ["wc_b", "wc_c"]
    assert [row["job"] for row in rows if row["sub_workflow"] == INNER_UUID] == [INNER]


def test_a_crate_has_the_crate_of_the_sub_workflow_inside(run: Path) -> None:
    crate = exported(run, "ro-crate")

    graph = {
        entity["@id"]: entity
        for entity in json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]
    }
    place = f"sub-workflows/{INNER}/"
    assert graph[place]["subjectOf"]["@id"] == f"{place}ro-crate-metadata.json"
    assert {"@id": place} in graph["./"]["hasPart"]
    action = graph[f"#attempt/{INNER}/1"]
    assert (action["subjectOf"], action["identifier"]) == ({"@id": place}, f"urn:uuid:{INNER_UUID}")
    inner = json.loads((crate / place / "ro-crate-metadata.json").read_text())["@graph"]
    assert any(entity["@id"] == "#attempt/wc_c/1" for entity in inner)


def test_the_directory_of_pegasus_has_that_of_the_sub_workflow_where_it_stood(run: Path) -> None:
    directory = exported(run, "pegasus")

    inner = directory / child_directory(2, INNER)
    assert f'wf_uuid: "{INNER_UUID}"' in (inner / "braindump.yml").read_text()
    assert (inner / "00/00/wc_c.out.000").exists()


@pytest.mark.parametrize("format", ["prov", "wfformat", "ro-crate", "pegasus"])
def test_without_the_inner_run_an_export_says_so(run: Path, format: str) -> None:
    found = exported(run, format, recursive=False)

    assert "bundle" not in found if format == "prov" else True
    assert not list(found.rglob(INNER)) if format in ("ro-crate", "pegasus") else True


def test_a_sub_workflow_of_which_nothing_ran_is_a_note_and_no_crate(run: Path) -> None:
    (run / child_directory(2, INNER) / "journal.jsonl").unlink()

    notes = export(run, "ro-crate", run.parent / "crate", recursive=True)

    assert any(f"{INNER!r}: it has no crate" in note for note in notes)
    assert not (run.parent / "crate/sub-workflows").exists()
