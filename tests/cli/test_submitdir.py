"""`pegasus-submitdir` and its commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kit.made_run import began, compute, end, ended, make_run, start
from markab import operations
from markab.cli.submitdir import pegasus_submitdir


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return make_run(tmp_path / "run", [compute("a")], [began(), start(0), end(0), ended("success")])


def call(*words: object, text: str = "") -> Result:
    return CliRunner().invoke(pegasus_submitdir, [str(word) for word in words], input=text)


def test_commands_say_what_they_did(run: Path, tmp_path: Path) -> None:
    assert call("attach", run).output == f"attached {run}\n"
    assert call("archive", run).output == f"archived {run}\n"
    assert call("extract", "-v", run).output == f"extracted {run}\n"
    assert call("move", run, tmp_path / "moved").output == f"moved to {tmp_path}/moved\n"
    assert call("detach", tmp_path / "moved").output == f"detached {tmp_path}/moved\n"
    assert call("detach", tmp_path / "moved").output == f"not in the list of your runs: {tmp_path}/moved\n"


@pytest.mark.parametrize(("short", "goes"), [("ar", True), ("at", True), ("dt", True), ("ex", False)])
def test_commands_have_short_names(run: Path, short: str, goes: bool) -> None:
    done = call(short, run)
    assert (done.exit_code == 0) == goes, done.output


def test_deleting_asks_first(run: Path) -> None:
    refused = call("delete", run, text="what\nn\n")
    assert refused.exit_code == 0 and run.exists()
    assert (
        f"Delete {run} with all that is recorded of the run? This cannot be undone [y/n]: " in refused.output
    )
    assert call("delete", run).exit_code == 1 and run.exists(), "nobody answered"

    assert call("rm", run, text="y\n").exit_code == 0 and not run.exists()


def test_deleting_can_be_told_not_to_ask(run: Path) -> None:
    assert call("delete", "--force", run).output == f"deleted {run}\n"
    assert not run.exists()


def test_a_warning_goes_to_stderr(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "archive_run", lambda _: (run, "not in the list"))
    done = call("archive", run)
    assert (done.stdout, done.stderr, done.exit_code) == (
        f"archived {run}\n",
        "warning: not in the list\n",
        0,
    )


def test_a_missing_argument_is_a_wrong_command_line(run: Path) -> None:
    for words in (["archive"], ["move", run], ["nothing"], []):
        assert call(*words).exit_code == 2
