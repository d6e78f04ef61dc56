"""`markab import` and `pegasus-cwl-converter`: what they write, refuse and print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from markab.cli.import_workflow import import_workflow, pegasus_cwl_converter
from markab.spec.reader import read_replicas, read_transformations, read_workflow

CWL = """\
cwlVersion: v1.2
class: CommandLineTool
baseCommand: sort
inputs: {text: {type: File, inputBinding: {}}}
outputs: {sorted: stdout}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("b\na\n")
    Path("tool.cwl").write_text(CWL)
    Path("in.yml").write_text("text: {class: File, path: a.txt}\n")
    Path("run.sh").write_text("#!/bin/sh -e\nsort a.txt > out/b\n")
    return tmp_path


def run(*words: str):
    return CliRunner().invoke(import_workflow, [*words])


def test_a_project_is_written_and_the_next_command_named() -> None:
    pytest.importorskip("cwl_utils")
    done = run("tool.cwl", "--inputs", "in.yml")

    assert done.exit_code == 0, done.output
    assert "tool-workflow: 5 files, 1 job from tool.cwl" in done.stdout
    assert "cd tool-workflow && markab run --dir runs --output-dir results workflow.yml" in done.stdout
    assert read_workflow("tool-workflow/workflow.yml").name == "tool"
    assert [replica.lfn for replica in read_replicas("tool-workflow/replicas.yml").replicas] == ["a.txt"]
    assert len(read_transformations("tool-workflow/transformations.yml").transformations) == 1


def test_nothing_is_overwritten() -> None:
    pytest.importorskip("tree_sitter_bash")
    Path("p").mkdir()
    Path("p/workflow.yml").write_text("mine")
    done = run("run.sh", "p")

    assert done.exit_code == 13 and "nothing is overwritten" in done.output
    assert [path.name for path in Path("p").iterdir()] == ["workflow.yml"]


def test_errors_of_a_document_leave_nothing_behind() -> None:
    pytest.importorskip("cwl_utils")
    done = run("tool.cwl")

    assert done.exit_code == 10 and "tool.cwl:4: input 'text' (File) has no value" in done.output
    assert not Path("tool-workflow").exists()


def test_what_is_left_out_makes_the_exit_code_1_and_stands_in_the_readme() -> None:
    pytest.importorskip("tree_sitter_bash")
    Path("run.sh").write_text("set -e\nsort a.txt > b\neval x\n")
    done = run("run.sh", "p")

    assert done.exit_code == 1 and "left out: run.sh:3: `eval` runs text as commands" in done.output
    assert "`eval` runs text" in Path("p/README.md").read_text()


def test_json_has_files_and_problems() -> None:
    pytest.importorskip("tree_sitter_bash")
    Path("run.sh").write_text("sort a.txt > b\neval x\n")
    done = run("run.sh", "p", "--json", "--name", "w")
    found = json.loads(done.stdout)

    assert done.exit_code == 1 and found["jobs"] == 1 and found["format"] == "script"
    assert "p/bin/sort.sh" in found["files"]
    assert found["left_out"][0]["line"] == 2 and "set -e" in found["notes"][0]["message"]
    assert read_workflow("p/workflow.yml").name == "w"


def test_the_format_is_known_by_name_or_by_the_first_line() -> None:
    pytest.importorskip("tree_sitter_bash")
    Path("run.sh").rename("go")
    assert run("go", "p").exit_code == 0
    Path("list").write_text("a\n")
    wrong = run("list")
    assert wrong.exit_code == 2 and "name its format with --from" in wrong.output
    assert run("list", "--from", "script", "q").exit_code == 0
    assert run("gone").exit_code == 13


def test_options_of_another_format_are_refused() -> None:
    wrong = run("run.sh", "--inputs", "in.yml")

    assert wrong.exit_code == 2 and "--inputs is for cwl, and this is script" in wrong.output
    assert "--target is for make and snakemake" in run("run.sh", "--target", "x").output


def test_pegasus_cwl_converter_writes_one_document() -> None:
    pytest.importorskip("cwl_utils")
    Path("tr.yml").write_text("sort:\n  site: local\n  is_stageable: True\n")
    done = CliRunner().invoke(pegasus_cwl_converter, ["--debug", "tool.cwl", "in.yml", "tr.yml", "o.yml"])
    workflow = read_workflow("o.yml")

    assert done.exit_code == 0, done.output
    assert done.stdout == "o.yml: 1 job\n"
    assert workflow.replica_catalog and workflow.transformation_catalog
    assert workflow.transformation_catalog.transformations[0].sites[0].type == "stageable"


def test_pegasus_cwl_converter_writes_nothing_if_something_is_wrong() -> None:
    pytest.importorskip("cwl_utils")
    Path("tr.yml").write_text("sort: x\n")
    done = CliRunner().invoke(pegasus_cwl_converter, ["tool.cwl", "in.yml", "tr.yml", "o.yml"])

    assert done.exit_code != 0 and "tr.yml:1: 'sort' must be a mapping" in done.output
    assert not Path("o.yml").exists()
