"""`markab show`: which jobs are listed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kit.made_run import began, compute, end, failed, gave_up, make_run, start
from markab.cli.analyze import analyze
from markab.cli.show import show
from markab.cli.why import why


@pytest.fixture
def run(tmp_path: Path) -> str:
    story = [began(), start(0), end(0), start(1), failed(1), gave_up(1)]
    return str(make_run(tmp_path / "run", [compute("a"), compute("b"), compute("c", 1)], story))


def test_only_jobs_in_the_named_states_are_listed(run: str) -> None:
    done = CliRunner().invoke(show, [run, "--state", "Failed,succeeded"])
    assert (done.exit_code, done.output) == (0, "succeeded  wc_a\nfailed     wc_b\n")


def test_the_parameters_of_the_script_stand_below_the_list_and_in_why(tmp_path: Path) -> None:
    metadata = {"parameter.n": "5", "parameter.method": "ols", "other": "x"}
    run = str(make_run(tmp_path / "run", [compute("a")], metadata=metadata))

    assert CliRunner().invoke(show, [run]).output.endswith("\nparameters of the workflow: n=5, method=ols\n")
    assert "parameters" not in CliRunner().invoke(show, [run, "-s", "waiting"]).output
    assert "\n  given     n=5, method=ols\n" in CliRunner().invoke(why, [run, "a"]).output
    found = json.loads(CliRunner().invoke(why, [run, "a", "-J"]).output)
    assert found["parameters"] == {"n": "5", "method": "ols"}


@pytest.mark.parametrize("states", ["broken", "failed,broken", "", ","])
def test_a_state_that_does_not_exist_is_a_wrong_command_line(run: str, states: str) -> None:
    done = CliRunner().invoke(show, [run, "--state", states])
    assert done.exit_code == 2
    assert "there is no state" in done.output and "the states are: waiting, ready" in done.output


def test_a_state_beside_a_job_is_a_wrong_command_line(run: str) -> None:
    done = CliRunner().invoke(show, [run, "wc_a", "--state", "failed"])
    assert done.exit_code == 2 and "--state is for the list of jobs" in done.output


@pytest.mark.parametrize("option", ["--debug-dir", "--local-executable"])
def test_options_for_running_a_job_by_hand_need_the_job(run: str, option: str) -> None:
    done = CliRunner().invoke(analyze, [run, option, "x"])
    assert done.exit_code == 2 and "--debug-job JOB only" in done.output
