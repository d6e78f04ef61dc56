import os
import stat
from pathlib import Path

import pytest

from api.test_workflow_document import diamond
from markab.api import Job, PegasusClientError, PegasusError, SubWorkflow, Workflow
from markab.api.graph import workflow_model


def test_a_drawing_has_jobs_files_and_what_leads_to_what(tmp_path: Path) -> None:
    workflow = Workflow("w").add_jobs(
        Job("a", node_label='say "a"').add_outputs("x"), Job("b").add_inputs("x"), Job("c")
    )
    workflow.add_dependency(workflow.jobs["ID0000003"], parents=[workflow.jobs["ID0000001"]])
    workflow.write(tmp_path / "w.yml").graph(output=tmp_path / "w.dot", width=5)

    lines = [line.strip() for line in (tmp_path / "w.dot").read_text().splitlines()]
    assert lines[0] == 'digraph "w" {'
    assert 'size="5,1000!";' in lines
    assert '"job ID0000001" [label="say \\"a\\""];' in lines
    assert {*lines[-4:-1]} == {
        '"job ID0000001" -> "file x";',
        '"file x" -> "job ID0000002";',
        '"job ID0000001" -> "job ID0000003" [style=dashed];',
    }

    workflow.graph(include_files=False, remove=["c"], label="xform-id", output=tmp_path / "w.dot")
    text = (tmp_path / "w.dot").read_text()
    assert '"job ID0000001" -> "job ID0000002";' in text and "file" not in text
    assert '[label="b\\nID0000002"]' in text and "ID0000003" not in text


def test_what_is_not_written_or_no_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PegasusError, match="write it to a file first"):
        diamond().graph()
    with pytest.raises(ValueError, match="label-xform"):
        diamond().write(tmp_path / "w.yml").graph(label="colour")


def test_text_and_svg_need_no_tool_and_a_missing_one_is_named(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    workflow = diamond().write(tmp_path / "w.yml")

    assert workflow.graph(output=tmp_path / "w.dot") is workflow
    workflow.graph(include_files=False, no_simplify=False)
    assert capsys.readouterr().out.startswith('digraph "')
    assert workflow.graph(output=tmp_path / "w.svg")
    assert "<svg" in (tmp_path / "w.svg").read_text()
    with pytest.raises(PegasusError, match="there is no `dot` on PATH") as caught:
        workflow.graph(output=tmp_path / "w.png")
    assert "apt install graphviz" in str(caught.value)


def test_a_document_or_picture_that_cannot_be_reached_is_an_error_of_the_api(tmp_path: Path) -> None:
    workflow = diamond().write(tmp_path / "w.yml")
    with pytest.raises(PegasusClientError, match="cannot write"):
        workflow.graph(output=tmp_path / "nowhere" / "w.svg")
    (tmp_path / "w.yml").unlink()
    with pytest.raises(PegasusClientError, match=r"no file .*w\.yml"):
        workflow.graph()


def test_graphviz_draws_what_is_not_ours(tmp_path: Path, monkeypatch) -> None:
    tool = tmp_path / "dot"
    tool.write_text(
        '#!/bin/sh\ncat > /dev/null\ncase "$1" in -Tpng) echo picture;; *) echo bad format >&2; exit 3;; esac\n'
    )
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    workflow = diamond().write(tmp_path / "w.yml")

    workflow.graph(output=str(tmp_path / "w.png"))
    assert (tmp_path / "w.png").read_text() == "picture\n"
    with pytest.raises(PegasusClientError, match="bad format") as caught:
        workflow.graph(output=tmp_path / "w.xyz")
    assert caught.value.result.returncode == 3


def test_sub_workflows_are_drawn_by_the_names_of_their_documents_or_of_themselves() -> None:
    parent = Workflow("w").add_jobs(SubWorkflow("other.yml"), SubWorkflow(Workflow("inner")))

    named = [(task.type, task.file) for task in workflow_model(parent).jobs]

    assert named == [("pegasusWorkflow", "other.yml"), ("pegasusWorkflow", "inner")]
