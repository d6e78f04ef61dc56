"""`pegasus-monitord` and `pegasus-preflight-check`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from kit.made_run import began, compute, end, ended, make_run, start
from markab import operations
from markab.cli import preflight_check
from markab.cli.monitord import pegasus_monitord


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return make_run(tmp_path / "run", [compute("a")], [began(), start(0), end(0), ended("success")])


@pytest.mark.parametrize("name", ["words-0.dag.dagman.out", "."])
def test_the_run_is_where_the_log_of_dagman_would_be(run: Path, name: str) -> None:
    done = CliRunner().invoke(pegasus_monitord, ["-r", str(run / name)])
    assert (done.exit_code, done.output) == (0, "")
    assert (run / "jobstate.log").exists() and (run / "words-0.stampede.db").exists()


def test_the_log_can_have_another_name_or_directory(run: Path, tmp_path: Path) -> None:
    file = str(run / "words-0.dag.dagman.out")
    words = ["--no-database", "-N", "-v", "--skip-stdout", "--notifications-max", "0", file]
    assert CliRunner().invoke(pegasus_monitord, ["-j", "own.log", *words]).exit_code == 0
    assert CliRunner().invoke(pegasus_monitord, ["-o", str(tmp_path), *words]).exit_code == 0
    assert (run / "own.log").read_text() == (tmp_path / "7a3c-jobstate.log").read_text() != ""
    assert not (run / "words-0.stampede.db").exists()


def test_a_place_for_events_that_is_no_database_is_refused(run: Path) -> None:
    done = CliRunner().invoke(pegasus_monitord, ["-d", "events.bp", str(run / "words-0.dag.dagman.out")])
    assert done.exit_code and "that is not the URL of an SQLite or PostgreSQL database" in done.output


def test_a_warning_goes_to_stderr(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "record_again", lambda *_, **__: ["not in the list"])
    done = CliRunner().invoke(pegasus_monitord, [str(run)])
    assert (done.exit_code, done.stderr) == (0, "warning: not in the list\n")


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    command = preflight_check.pegasus_preflight_check
    assert CliRunner().invoke(command, []).exit_code == 0
    monkeypatch.setitem(preflight_check.NEEDED, "markab_has_no_such_module", "missing")
    done = CliRunner().invoke(command, [])
    assert done.exit_code == 1
    assert done.output == (
        "error: the package missing is not installed, or cannot be loaded\n"
        "  hint: pip install --force-reinstall missing\n"
    )


def test_every_package_that_is_required_is_checked() -> None:
    import re

    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    required = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert required is not None
    names = re.findall(r'^\s*"([\w-]+)', required.group(1), re.MULTILINE)
    assert set(preflight_check.NEEDED.values()) == set(names)
