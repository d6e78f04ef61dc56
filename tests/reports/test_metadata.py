"""What is known of workflows, tasks and files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.diamond import SHA, began, compute, end, made, process, start
from kit.made_run import make_run
from markab.errors import MarkabError
from markab.plan.model import Output
from markab.provenance.run_database import Database, open_database
from markab.reports.metadata import of_file, of_files, of_task, of_workflow, trace_of_file


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    first = compute("A", outputs="f.b", task={"metadata": {"model": "old"}})
    first.outputs[0] = Output("f.b", metadata={"unit": "K"})
    entries = [began(), start(0), end(0, invocations=[process("A")], outputs=[made("f.b", 12)])]
    jobs = [first, compute("B", 0, inputs="f.b", outputs="f.c")]
    run = make_run(tmp_path, jobs, entries, metadata={"author": "ada", "project": "words"})
    with open_database(run) as opened:
        yield opened


def test_a_workflow_has_what_its_user_said(database: Database) -> None:
    assert of_workflow(database).text() == "Workflow 7a3c\n    author  : ada\n    project : words\n"


def test_a_task_has_what_its_user_said(database: Database) -> None:
    assert of_task(database, "A").metadata == {"model": "old"}
    assert of_task(database, "B").text() == "Task B\n"


def test_a_file_has_what_its_user_said_and_what_was_found_out(database: Database) -> None:
    known = {"unit": "K", "size": "12", "checksum.type": "sha256", "checksum.value": SHA}

    assert of_file(database, "f.b").metadata == known
    assert of_file(database, "f.c").metadata == {}, "not made yet"
    assert [(one.name, one.metadata) for one in of_files(database)] == [("f.b", known), ("f.c", {})]


def test_a_trace_leads_from_the_workflow_through_the_task_to_the_file(database: Database) -> None:
    names = [(one.kind, one.name) for one in trace_of_file(database, "f.b")]

    assert names == [("workflow", "7a3c"), ("task", "A"), ("file", "f.b")]


def test_what_is_not_there_is_said_to_be_not_there(database: Database) -> None:
    with pytest.raises(MarkabError, match="no task 'a'"):
        of_task(database, "a")
    with pytest.raises(MarkabError, match="no task of the workflow uses a file 'f.x'") as caught:
        of_file(database, "f.x")
    assert caught.value.hint
