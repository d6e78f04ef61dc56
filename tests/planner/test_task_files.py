"""The command line of a task."""

from __future__ import annotations

import pytest

from markab.planner.task_files import command_line
from markab.spec.model import Task, Use
from markab.worker.split_arguments import split_words


def task(*arguments: str, uses: list[str]) -> Task:
    return Task(
        type="job", id="a", name="x", arguments=list(arguments), uses=[Use(lfn, "input") for lfn in uses]
    )


@pytest.mark.parametrize("lfn", ["run 1.csv", "it's", 'a"b', "cost$HOME", "back\\slash", "a\nb", "${X}"])
def test_the_name_of_a_file_stays_one_word_whatever_is_in_it(lfn: str) -> None:
    line = command_line(task("-i", lfn, "two words", uses=[lfn, "run", "1.csv"]))

    assert split_words(line, {"HOME": "/root"}) == ["-i", lfn, "two", "words"]


def test_other_arguments_are_text_that_is_split() -> None:
    assert command_line(task("run 1.csv", "'a b'", uses=["x"])) == "run 1.csv 'a b'"
