import os
import stat
from pathlib import Path

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.test_workflow_builder import diamond
from markab.api import Job, PegasusClientError, PegasusError, SubWorkflow, Workflow
from markab.api.graph import LABELS, to_dot, without_shortcuts


def test_a_drawing_has_jobs_files_and_what_leads_to_what() -> None:
    workflow = Workflow("w").add_jobs(
        Job("a", node_label='say "a"').add_outputs("x"), Job("b").add_inputs("x"), Job("c")
    )
    workflow.add_dependency(workflow.jobs["ID0000003"], parents=[workflow.jobs["ID0000001"]])

    assert to_dot(workflow).splitlines()[2:-1] == [
        '    "job ID0000001" [label="say \\"a\\""];',
        '    "job ID0000002" [label="b"];',
        '    "job ID0000003" [label="c"];',
        '    "file x" [label="x", shape=box, fillcolor=white];',
        '    "job ID0000001" -> "file x";',
        '    "file x" -> "job ID0000002";',
        '    "job ID0000001" -> "job ID0000003" [style=dashed];',
    ]
    assert to_dot(workflow, include_files=False, remove=["c"], width=5).splitlines()[1:-1] == [
        '    size="5,100"; ratio=fill;',
        "    node [shape=ellipse, style=filled, fillcolor=lightblue];",
        '    "job ID0000001" [label="say \\"a\\""];',
        '    "job ID0000002" [label="b"];',
        '    "job ID0000001" -> "job ID0000002";',
    ]


def test_labels_are_of_six_kinds() -> None:
    job = Job("tool", _id="j1", node_label="mine")
    assert {kind: text(job) for kind, text in LABELS.items()} == {
        "label": "mine",
        "xform": "tool",
        "id": "j1",
        "xform-id": "tool\nj1",
        "label-xform": "mine\ntool",
        "label-id": "mine\nj1",
    }
    assert LABELS["label"](SubWorkflow("c.yml", _id="s")) == "c.yml"
    with pytest.raises(ValueError, match="label-xform"):
        to_dot(Workflow("w"), label="colour")


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda edge: edge[0] < edge[1])))
def test_simplifying_is_the_transitive_reduction(pairs: set[tuple[int, int]]) -> None:
    links: dict[str, list[str]] = {}
    for parent, child in sorted(pairs):
        links.setdefault(str(parent), []).append(str(child))

    kept = {(parent, child) for parent, children in without_shortcuts(links).items() for child in children}

    oracle = networkx.transitive_reduction(networkx.DiGraph([(str(a), str(b)) for a, b in pairs]))
    assert kept == set(oracle.edges)


def test_dot_needs_no_tool_and_a_missing_one_is_named(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    workflow = diamond()
    with pytest.raises(PegasusError, match="write it to a file first"):
        workflow.graph()
    workflow.write(tmp_path / "w.yml")

    assert workflow.graph(output=tmp_path / "w.dot") is workflow
    assert (tmp_path / "w.dot").read_text().startswith("digraph {\n")
    workflow.graph(include_files=False, no_simplify=False)
    assert capsys.readouterr().out.startswith("digraph {\n")
    with pytest.raises(PegasusError, match="there is no `dot` on PATH") as caught:
        workflow.graph(output=tmp_path / "w.png")
    assert "install graphviz" in caught.value.hint


def test_graphviz_draws_what_is_not_dot(tmp_path: Path, monkeypatch) -> None:
    tool = tmp_path / "dot"
    tool.write_text(
        '#!/bin/sh\ncat > /dev/null\ncase "$1" in -Tpng) echo picture > "$3";; *) echo bad format >&2; exit 3;; esac\n'
    )
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    workflow = diamond().write(tmp_path / "w.yml")

    workflow.graph(output=str(tmp_path / "w.png"))
    assert (tmp_path / "w.png").read_text() == "picture\n"
    with pytest.raises(PegasusClientError, match="bad format") as caught:
        workflow.graph(output=tmp_path / "w.xyz")
    assert caught.value.result.returncode == 3
