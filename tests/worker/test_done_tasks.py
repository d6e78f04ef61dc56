"""Which tasks of a cluster that failed need not run again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from markab.transfers.error_kinds import ErrorKind
from markab.worker.attempt import Prepared
from markab.worker.done_tasks import OF_TASKS, done_tasks
from markab.worker.outputs import FoundOutput

TASKS = [
    {"id": "a", "makes": ["of a"]},
    {"id": "b", "makes": ["of b", "more of b"]},
    {"id": "c", "makes": ["of c"], "after": ["a", "b"]},
    {"id": "d", "makes": []},
]
FILES = ("of a", "of b", "more of b", "of c")


def done(
    *ended: str,
    files: tuple[str, ...] = FILES,
    before: tuple[str, ...] = (),
    errors: tuple[str, ...] = (ErrorKind.EXIT,),
    tasks: list[dict[str, Any]] = TASKS,
    **job: Any,
) -> list[str]:
    """Ids of the tasks that are done, after an attempt in which these ended well and the others failed."""
    invocations = [{"task": task["id"], "status": 0 if task["id"] in ended else 256} for task in tasks]
    prepared = SimpleNamespace(
        job={"tasks": tasks, **job},
        invocations=invocations if ended or tasks else [],
        errors=[SimpleNamespace(kind=kind) for kind in errors],
        spec={"done": [{"task": one, "makes": [f"of {one}"]} for one in before]},
    )
    found = [FoundOutput(lfn, lfn, 1, False, False) for lfn in files]
    return [one["task"] for one in done_tasks(cast("Prepared", prepared), found)]


def test_a_task_that_ended_well_and_left_its_outputs_is_done() -> None:
    assert done("a", "d") == ["a", "d"]
    assert done() == []


def test_a_task_of_which_an_output_is_missing_is_not_done() -> None:
    assert done("a", "b", files=("of a", "of b")) == ["a"]


def test_a_task_after_one_that_is_not_done_is_not_done() -> None:
    assert done("a", "c") == ["a"]
    assert done("a", "b", "c") == ["a", "b", "c"]


@pytest.mark.parametrize("kind", sorted(OF_TASKS))
def test_an_error_of_one_task_says_nothing_against_the_others(kind: str) -> None:
    assert done("a", errors=(ErrorKind.EXIT, kind)) == ["a"]


@pytest.mark.parametrize(
    "kind", [ErrorKind.STORAGE, ErrorKind.INPUT_CHANGED, ErrorKind.MISSING_INPUT, ErrorKind.INTERNAL]
)
def test_after_an_error_of_the_attempt_no_task_is_done(kind: str) -> None:
    assert done("a", "b", errors=(ErrorKind.EXIT, kind)) == []


@pytest.mark.parametrize("key", ["success_messages", "failure_messages"])
def test_a_job_whose_output_is_searched_runs_as_a_whole(key: str) -> None:
    assert done("a", **{key: ["done"]}) == []


def test_what_was_done_before_comes_first_as_long_as_its_files_are_there() -> None:
    tasks = TASKS[1:]
    assert done("b", before=("a",), tasks=[{**tasks[0]}]) == ["a", "b"]
    assert done("b", before=("a",), tasks=[{**tasks[0]}], files=("of b", "more of b")) == []


def test_a_job_of_one_task_has_none_to_spare() -> None:
    assert done("a", tasks=TASKS[:1]) == []
    assert done("a", tasks=TASKS[:1], before=("x",), files=("of x", "of a")) == ["x", "a"]
