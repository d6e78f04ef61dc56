"""The steps of a Makefile, as GNU make itself tells them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from markab.errors import DocumentError, MarkabError
from markab.importing.makefile import read_make_steps
from markab.importing.step_jobs import StepSource, workflow_of

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def read(directory: Path, text: str, *goals: str) -> StepSource:
    (directory / "a.txt").write_text("a")
    (directory / "b.txt").write_text("b")
    (directory / "Makefile").write_text(text)
    return read_make_steps(directory / "Makefile", goals)


def summary(source: StepSource) -> list[tuple[str, str, str, int]]:
    return [
        (step.name, " ".join(sorted(step.reads)), " ".join(sorted(step.writes)), step.line)
        for step in source.steps
        if step.is_job
    ]


def test_targets_of_the_goal_are_steps_with_their_variables_replaced(tmp_path: Path) -> None:
    source = read(
        tmp_path,
        """\
OUT := $(patsubst %.txt,out/%.s,$(wildcard *.txt))
.PHONY: all clean
all: joined
joined: $(OUT)
\t@cat $^ > $@
out/%.s: %.txt | out
\tsort $< \\
\t  > $@
\techo $$HOME $(@F) >> $@
out:
\tmkdir -p $@
clean:
\trm -rf out joined
""",
    )

    assert summary(source) == [
        ("out/a.s", "a.txt", "out/a.s", 7),
        ("out/b.s", "b.txt", "out/b.s", 7),
        ("joined", "out/a.s out/b.s", "joined", 5),
    ]
    first = "(\nsort a.txt \\\n  > out/a.s\n) || exit\n(\necho $HOME a.s >> out/a.s\n) || exit"
    assert source.steps[0].text == first and source.steps[0].directories == {"out"}
    assert [note.message for note in source.notes] == ["target 'clean' is not needed for the goal"]


def test_files_that_make_removes_at_the_end_are_not_delivered(tmp_path: Path) -> None:
    source = read(tmp_path, "a.end:\n%.end: %.mid\n\tcp $< $@\n%.mid: %.txt\n\tcp $< $@\n")
    uses = [use for task in workflow_of(source, "w", tmp_path).workflow.jobs for use in task.uses]

    assert {use.lfn: use.stage_out for use in uses if use.type == "output"} == {"a.mid": False, "a.end": True}


def test_targets_of_one_recipe_are_one_step(tmp_path: Path) -> None:
    source = read(tmp_path, "all: x y\nx y &: a.txt\n\tcp a.txt x; cp a.txt y\n")

    assert summary(source) == [("x", "a.txt", "x y", 3)]


def test_a_phony_prerequisite_stands_for_what_it_needs(tmp_path: Path) -> None:
    source = read(tmp_path, ".PHONY: parts\nend: parts\n\tcat x y > $@\nparts: x y\nx y: a.txt\n\tcp $< $@\n")

    assert summary(source)[-1] == ("end", "x y", "end", 3)


def test_files_that_only_the_recipe_names_are_read_too(tmp_path: Path) -> None:
    source = read(tmp_path, "x: a.txt\n\tcat b.txt $< >$@\n")

    assert summary(source) == [("x", "a.txt b.txt", "x", 2)]
    assert "'b.txt' is used by the recipe of 'x'" in source.notes[0].message


def test_a_line_that_may_fail_may_fail(tmp_path: Path) -> None:
    assert read(tmp_path, "x:\n\t-false\n\t@-false\n\ttouch x\n").steps[0].text.count("|| true") == 2


def test_the_shell_of_the_makefile_runs_the_recipes(tmp_path: Path) -> None:
    source = read(
        tmp_path,
        "SHELL := /bin/bash\n.SHELLFLAGS := -eu -c\n.ONESHELL:\nexport A = $(B) c\nB = b\nx:\n\ttouch x\n\ttouch x\n",
    )

    assert source.shell == "/bin/bash"
    assert source.steps[0].text == "export A='b c'\nset -eu\ntouch x\ntouch x"


def test_another_goal_can_be_named(tmp_path: Path) -> None:
    assert [step.name for step in read(tmp_path, "x:\n\ttouch x\ny:\n\ttouch y\n", "y").steps] == ["y"]


def test_make_within_make_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/Makefile").write_text("z:\n\ttouch z\n")
    (left_out,) = read(tmp_path, "x: a.txt\n\t$(MAKE) -C sub\n").left_out

    assert left_out.line == 2 and "runs make again" in left_out.message


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("x: gone\n\ttouch x\n", 0, "No rule to make target 'gone', needed by 'x'"),
        ("x:\n  touch x\n", 2, "missing separator"),
        ("x: y\n\ttouch x\ny:\n\t@echo $(error no y)\n", 4, "no y"),
    ],
)
def test_what_make_refuses_is_refused(text: str, line: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(DocumentError) as caught:
        read(tmp_path, text)
    (problem,) = caught.value.problems
    assert message in problem.message and problem.line == line


def test_without_make_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MarkabError, match="make is not installed"):
        read(tmp_path, "x:\n\ttouch x\n")
