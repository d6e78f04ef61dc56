"""The command line of a task, and the files that it reads and makes."""

from __future__ import annotations

import pytest

from markab.planner.task_files import command_line, files_of_job, inputs_of, outputs_of
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


def files(*uses: Use, id: str = "a", **streams: str) -> Task:
    return Task(type="job", id=id, name="x", uses=list(uses), **streams)


USES = [Use(type[0], type) for type in ("input", "output", "checkpoint")] + [Use("io", "inout")]


def test_a_task_reads_and_makes_what_its_uses_say() -> None:
    task = files(*USES)

    assert ["i", "c", "io"] == [use.lfn for use in inputs_of(task)]
    assert ["o", "c", "io"] == [use.lfn for use in outputs_of(task)]


@pytest.mark.parametrize(
    ("streams", "reads", "makes"),
    [
        ({"stdin": "in"}, ["in"], []),
        ({"stdout": "out"}, [], ["out"]),
        ({"stderr": "err"}, [], ["err"]),
        ({"stdout": "out", "stderr": "err"}, [], ["out", "err"]),
        ({"stdout": "both", "stderr": "both"}, [], ["both"]),
    ],
)
def test_streams_that_are_not_among_its_uses_are_files_of_a_task_too(
    streams: dict[str, str], reads: list[str], makes: list[str]
) -> None:
    task = files(**streams)

    assert [Use(lfn, "input") for lfn in reads] == inputs_of(task)
    assert [Use(lfn, "output") for lfn in makes] == outputs_of(task)


def test_a_stream_that_is_among_its_uses_is_as_they_say() -> None:
    uses = [Use("in", "input", bypass=True), Use("out", "output", stage_out=False), Use("err", "output")]
    task = files(*uses, stdin="in", stdout="out", stderr="err")

    assert uses[:1] == inputs_of(task) and uses[1:] == outputs_of(task)
    other = files(Use("s", "output"), Use("t", "input"), stdin="s", stdout="t")
    assert ["t", "s"] == [use.lfn for use in inputs_of(other)]
    assert ["s", "t"] == [use.lfn for use in outputs_of(other)]


def test_one_file_that_both_streams_go_to_is_made_once() -> None:
    use = Use("both", "output", stage_out=False)

    assert [use] == outputs_of(files(use, stdout="both", stderr="both"))


def test_a_job_of_several_tasks_reads_only_what_comes_from_outside() -> None:
    tasks = [
        files(Use("raw", "input"), Use("mid", "output"), stderr="log"),
        files(Use("mid", "input"), Use("log", "input"), Use("raw", "input"), stdin="late", id="b"),
        files(Use("late", "output"), Use("mid", "output"), id="c"),
    ]

    reads, makes = files_of_job((inputs_of(task), outputs_of(task)) for task in tasks)

    assert ["raw", "late"] == [use.lfn for use in reads]
    assert ["mid", "log", "late"] == [use.lfn for use in makes]


def test_a_file_that_two_tasks_of_a_job_read_is_what_either_needs_of_it() -> None:
    def joined(one: Use, other: Use) -> Use:
        tasks = files(one), files(other, id="b")
        (found,), _ = files_of_job((inputs_of(task), outputs_of(task)) for task in tasks)
        return found

    first = Use("f", "input", optional=True, bypass=True, executable=False, metadata={"a": "1"})
    second = Use("f", "input", optional=False, bypass=False, executable=True, metadata={"b": "2"})
    both = Use("f", "input", optional=False, bypass=False, executable=True, metadata={"a": "1", "b": "2"})

    assert joined(first, second) == joined(second, first) == both
    assert joined(first, first) == first
