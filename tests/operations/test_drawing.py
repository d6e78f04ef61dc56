from __future__ import annotations

from pathlib import Path

import pytest

from kit.made_run import began, compute, end, ended, make_run, start
from markab import operations
from markab.errors import NotARun
from markab.spec.model import Task, Use, Workflow

CHAIN = Workflow(
    pegasus="5.0",
    name="w",
    jobs=[
        Task("a", name="wc", uses=[Use("x", "output")]),
        Task("b", name="wc", uses=[Use("x", "input")]),
    ],
)


def run_of(directory: Path) -> Path:
    return make_run(directory, [compute("a")], [began(), start(0), end(0), ended("success")])


def test_a_run_is_drawn_with_its_states(tmp_path: Path) -> None:
    drawing = operations.draw(run_of(tmp_path))
    assert [(node.key, node.states) for node in drawing.nodes] == [("job wc_a", {"succeeded": 1})]


def test_a_workflow_is_drawn_with_the_states_of_its_tasks_in_a_run(tmp_path: Path) -> None:
    drawing = operations.draw(CHAIN, states_of=run_of(tmp_path))
    assert [node.states for node in drawing.nodes] == [{"succeeded": 1}, {"not-run": 1}]
    assert [(edge.tail, edge.head) for edge in drawing.edges] == [(0, 1)]


def test_a_run_that_cannot_be_read_or_was_not_started_gives_no_states(tmp_path: Path) -> None:
    new = make_run(tmp_path / "new", [compute("a")])
    for run in (new, tmp_path / "gone"):
        assert [node.states for node in operations.draw(CHAIN, states_of=run).nodes] == [{}, {}]


def test_a_drawing_is_rendered_and_written_in_a_format(tmp_path: Path) -> None:
    drawing = operations.draw(CHAIN)
    operations.write_drawing(drawing, tmp_path / "w.dot")
    assert (tmp_path / "w.dot").read_bytes() == operations.render_drawing(drawing, "dot")
    assert operations.inline_svg(drawing).startswith("<svg ")


def test_a_directory_without_run_or_document_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotARun, match=r"neither plan\.jsonl nor workflow\.yml"):
        operations.draw()
