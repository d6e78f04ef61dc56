"""Scripts in place of documents: `--set`, `--set-file`, words behind `--`, and which option wins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from markab import operations
from markab.cli import plan_output
from markab.cli.main import markab
from markab.errors import PlanningError
from markab.planner.options import PlanOptions, options_from_keywords
from markab.spec.script_messages import Given


class Stage:
    """Stands where scripts are run and workflows planned; keeps what it was asked, and plans nothing."""

    def __init__(self) -> None:
        self.called: list[tuple[Path, list[Given], tuple[str, ...]]] = []
        self.planned: list[PlanOptions] = []
        self.keywords: dict[str, Any] = {}
        self.directory = Path.cwd()

    def run_script(self, script: Path, given: list[Given], words: tuple[str, ...]) -> PlanOptions:
        self.called.append((script, given, words))
        return options_from_keywords(Path("/x/workflow.yml"), self.keywords, self.directory)

    def make_plan(self, options: PlanOptions, **_: Any) -> None:
        self.planned.append(options)
        raise PlanningError


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.chdir(tmp_path)
    for name in ("w.py", "workflow.yml", "x.yml"):
        Path(name).write_text("")
    fake = Stage()
    monkeypatch.setattr(operations, "run_script", fake.run_script)
    monkeypatch.setattr(plan_output, "make_plan", fake.make_plan)
    return fake


def call(*words: str, stdin: str = "") -> Result:
    return CliRunner().invoke(markab, words, input=stdin)


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_script_gets_parameters_and_words(stage: Stage, command: str) -> None:
    Path("p.yml").write_text("n: 1\nm: [a, b]\n")
    words = (
        "--set",
        "n=5",
        "w.py",
        "--set-file",
        "p.yml",
        "--set",
        "t= a=b ",
        "--",
        "--fast",
        "-v",
        "--",
        "x",
    )

    call(command, *words)

    given = [Given("n", "1", "p.yml:1", "p.yml"), Given("m", ["a", "b"], "p.yml:2", "p.yml")]
    given += [Given("n", "5", "--set"), Given("t", " a=b ", "--set")]
    assert [(Path("w.py"), given, ("--fast", "-v", "--", "x"))] == stage.called
    assert [Path("/x/workflow.yml")] == [options.workflow for options in stage.planned]


def test_parameters_come_from_standard_input_too(stage: Stage) -> None:
    call("plan", "w.py", "--set-file", "-", stdin="n: 7\n")

    assert [Given("n", "7", "standard input:1")] == stage.called[0][1]


def test_what_is_typed_is_stronger_than_the_scripts_own_call_of_plan(stage: Stage) -> None:
    stage.keywords = {
        "sites": ["a"], "output_sites": ["local"], "cleanup": "leaf", "force": True, "submit": True,
        "pegasus.mode": "tutorial", "pegasus.register": False,
    }  # fmt: skip
    stage.directory = Path("/script")

    call(
        "run",
        "w.py",
        "-s",
        "b,c",
        "-n",
        "-O",
        "out",
        "-Dpegasus.register=true",
        "--until",
        "x",
        "--cores",
        "2",
    )

    (options,) = stage.planned
    assert (["b", "c"], ["local"], "none", True) == (
        options.sites, options.output_sites, options.cleanup, options.force
    )  # fmt: skip
    assert {
        "pegasus.mode": "tutorial", "pegasus.register": "true", "markab.slots.cores": "2"
    } == options.properties  # fmt: skip
    assert (Path("/script"), ["x"]) == (options.directory, options.until)
    assert Path.cwd() / "out" == options.output_dir, "relative to where it was typed"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("plan", "x.yml", "--set", "n=1"), "--set: x.yml is no script; name the one that writes it, such as workflow.py"),
        (("plan", "--set", "n=1"), "--set: workflow.yml is no script"),
        (("run", "x.yml", "--set-file", "p.yml", "--", "a"), "--set-file, --: x.yml is no script"),
        (("run", "w.py", "--set", "n"), "'n' is not NAME=VALUE"),
        (("run", "w.py", "--set", "=1"), "'=1' is not NAME=VALUE"),
        (("plan", "w.py", "b"), "unexpected argument 'b'; words for a script stand behind `--`"),
        (("run", "w.py", "b", "--", "c"), "unexpected argument 'b'"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_refused_before_anything_runs(
    stage: Stage, words: tuple[str, ...], message: str
) -> None:
    result = call(*words)

    assert (2, []) == (result.exit_code, stage.called)
    assert message in result.stderr


def test_words_behind_the_dashes_may_be_the_document(stage: Stage) -> None:
    call("plan", "--", "x.yml")
    call("plan", "--", "w.py", "-x")

    assert ["x.yml", "/x/workflow.yml"] == [str(options.workflow) for options in stage.planned]
    assert ("-x",) == stage.called[0][2]
