"""Every ingredient changes the key, and nothing else does."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from markab.reuse.content_key import (
    Recipe,
    RecipeProgram,
    TaskRecipe,
    content_key,
    recipe_digest,
    undeclared_variables,
)

TASK = TaskRecipe(
    RecipeProgram("installed", "fit", "a" * 64), "-n 3 in", None, "out", None, {"A": "1", "B": "2"}
)
RECIPE = Recipe([TASK], ["out"], ["tool"], ["done"], ["error"])


@pytest.mark.parametrize(
    "change",
    [
        {"program": RecipeProgram("installed", "fit", "b" * 64)},
        {"program": RecipeProgram("installed", "fat", "a" * 64)},
        {"program": RecipeProgram("staged", "fit", "a" * 64)},
        {"arguments": "-n 4 in"},
        {"arguments": "-n  3 in"},
        {"stdin": "in"},
        {"stdout": None},
        {"stderr": "out"},
        {"env": {"A": "1"}},
        {"env": {"A": "2", "B": "1"}},
        {"container": "docker image"},
    ],
    ids=str,
)
def test_each_part_of_a_task_counts(change: dict[str, Any]) -> None:
    other = msgspec.structs.replace(RECIPE, tasks=[msgspec.structs.replace(TASK, **change)])

    assert recipe_digest(RECIPE) != recipe_digest(other)


@pytest.mark.parametrize("field", ["outputs", "executables", "success_messages", "failure_messages"])
def test_each_part_of_a_job_counts(field: str) -> None:
    other = msgspec.structs.replace(RECIPE, **{field: [*getattr(RECIPE, field), "more"]})

    assert recipe_digest(RECIPE) != recipe_digest(other)


def test_the_order_of_variables_and_of_inputs_does_not_count() -> None:
    other = msgspec.structs.replace(TASK, env={"B": "2", "A": "1"})

    assert recipe_digest(RECIPE) == recipe_digest(msgspec.structs.replace(RECIPE, tasks=[other]))
    assert content_key("r", [("a", "1"), ("b", "2")]) == content_key("r", [("b", "2"), ("a", "1")])


def test_inputs_count_by_name_and_content() -> None:
    keys = [
        content_key("r", [("a", "1"), ("b", "2")]),
        content_key("r", [("a", "2"), ("b", "1")]),
        content_key("r", [("a", "1")]),
        content_key("s", [("a", "1"), ("b", "2")]),
    ]

    assert 4 == len(set(keys))


def test_a_key_stays_what_it_was() -> None:
    """Another encoding must come with another FORMAT: else results of old ones are mixed up."""
    assert "207101abfec197568d78b04ad36d81787cf8bfd6efe60dd668174d05ec87dba5" == content_key(
        "r", [("a", "1")]
    )
    recipe = Recipe([TASK], ["out"], ["tool"], ["done"], ["error"])
    assert "4b0ed7cfaf00d220d563320f667f5d0ccf6387d3448510066e814287193c0862" == recipe_digest(recipe)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("-n 3", []),
        ("$A ${B}", []),
        ("$HOME/x", ["HOME"]),
        ("${HOME} $A $USER", ["HOME", "USER"]),
        ("5$", []),
    ],
)
def test_variables_that_no_document_declares_are_found(text: str, found: list[str]) -> None:
    assert found == undeclared_variables(text, {"A", "B"})
