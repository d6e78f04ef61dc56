"""What `run` and `plan --submit` say of a workflow of which nothing changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kit.content_runs import Lab, chain
from markab import operations
from markab.cli.main import markab
from markab.planner.options import PlanOptions
from markab.planner.script_call import ScriptCall


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A laboratory after a run, in which tests change nothing."""
    path = tmp_path_factory.mktemp("lab")
    lab = Lab(path, chain("a", "b"), {"in": "first\n"})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        lab.run()
    return lab


def call(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, command: str, *words: str, document: str = "workflow.yml"
) -> Result:
    monkeypatch.chdir(lab.path)
    given = [f"-D{key}={value}" for key, value in lab.plan_options().properties.items()]
    flags = ["--reuse-policy", "content", "-o", "local", "-s", "condorpool", *given]
    return CliRunner().invoke(markab, [command, *words, *flags, document])


def runs(lab: Lab) -> list[str]:
    return [path.name for path in lab.path.glob("*/pegasus/lab/*")]


@pytest.mark.parametrize(("command", "words"), [("run", []), ("run", ["--detach"]), ("plan", ["--submit"])])
def test_nothing_is_planned_and_the_run_is_named(
    command: str, words: list[str], lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = call(lab, monkeypatch, command, *words)

    run = next(lab.path.glob("*/pegasus/lab/run0001")).relative_to(lab.path)
    assert (0, "") == (done.exit_code, done.stderr)
    assert done.stdout == (
        f"lab: nothing to do, all 2 tasks are up to date\n  results: {lab.results}\n  more:    markab show {run}\n"
    )
    assert ["run0001"] == runs(lab)


def test_json_says_how_many_tasks_are_up_to_date(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    done = call(lab, monkeypatch, "run", "--json")

    assert json.loads(done.stdout) == {
        "submit_dir": str(next(lab.path.glob("*/pegasus/lab/run0001"))),
        "state": "success",
        "up_to_date": 2,
        "outputs": [str(lab.results)],
        "failures": [],
        "undelivered": [],
    }


def test_quiet_says_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "" == call(lab, monkeypatch, "run", "-q").output


def test_a_script_that_builds_the_same_document_has_nothing_to_do(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_again(script: Path, *_: object) -> PlanOptions:
        os.utime(lab.path / "workflow.yml")
        options = PlanOptions(workflow=Path("workflow.yml"), directory=lab.path)
        options.script = ScriptCall((str(script),), (script,), {})
        return options

    monkeypatch.setattr(operations, "run_script", write_again)
    (lab.path / "workflow.py").touch()

    done = call(lab, monkeypatch, "run", document="workflow.py")

    assert "nothing to do" in done.stdout


def test_a_plan_alone_is_made_all_the_same(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    done = call(lab, monkeypatch, "plan", "--dry-run")

    assert "reused: what 2 tasks of 2 made before" in done.stdout
