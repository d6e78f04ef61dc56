from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kit.made_run import began, compute, engine_alive, make_run, start
from markab import operations
from markab.cli.command import Command
from markab.cli.halt import pegasus_halt
from markab.cli.main import markab
from markab.cli.remove import pegasus_remove
from markab.engine.control import Requests


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", [compute("a")], [began(), start(0)])


def typed(*words: object) -> str:
    return CliRunner().invoke(markab, [str(word) for word in words], catch_exceptions=False).output


def test_a_halt_says_what_ends_and_how_to_go_on(run: Path) -> None:
    with engine_alive(run):
        text = typed("halt", run)
    assert text.startswith(f"halting {run}: its running jobs end, no others start\n")
    assert f"continue: markab run {run}" in text
    assert Requests(run).take() == "halt"


@pytest.mark.parametrize(
    ("removal", "text"),
    [
        ("removed", "removed {run}\n  its files are kept; `markab run {run}` continues it"),
        (
            "removing",
            "removing {run}; not all of its jobs have ended yet\n  its files are kept",
        ),
        ("marked", "removed {run}: no engine was running it, and it is marked as removed"),
        ("not started", "nothing to remove: {run} was never started; `markab clean {run}` deletes"),
        ("succeeded", "nothing to remove: {run} has succeeded, and its files are kept"),
    ],
)
def test_a_removal_says_how_far_it_is(
    run: Path, monkeypatch: pytest.MonkeyPatch, removal: str, text: str
) -> None:
    monkeypatch.setattr(operations, "remove", lambda run: removal)
    assert typed("remove", run).startswith(text.replace("{run}", str(run)))


def test_quiet_stopping_prints_nothing(run: Path) -> None:
    assert typed("halt", "-q", run) == typed("remove", "-q", run) == ""


def test_a_number_of_htcondor_names_no_run(run: Path) -> None:
    for command in (pegasus_halt, pegasus_remove):
        assert "no HTCondor number" in CliRunner().invoke(command, ["-d", "12.0"]).output
        assert CliRunner().invoke(command, ["-d", "12.0", str(run)]).exit_code == 0


def test_what_was_stopped_is_an_object_with_json(run: Path) -> None:
    halted, removed = json.loads(typed("halt", "--json", run)), json.loads(typed("remove", "--json", run))

    assert halted == {"submit_dir": str(run), "halting": False}
    assert removed == {"submit_dir": str(run), "progress": "marked"}


@pytest.mark.parametrize("flag", ["-d", "--dagid", "--dag-id"])
@pytest.mark.parametrize("command", [pegasus_halt, pegasus_remove])
def test_a_number_of_htcondor_does_not_name_a_run(run: Path, flag: str, command: Command) -> None:
    alone = CliRunner().invoke(command, [flag, "12.0"])
    assert alone.exit_code == 2
    assert "runs of Markab have no HTCondor number; name the submit directory" in alone.output
    assert CliRunner().invoke(command, [flag, "12.0", str(run)]).exit_code == 0
