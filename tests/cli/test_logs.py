"""`markab logs`: where it prints what, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kit.made_run import began, compute, end, ended, failed, gave_up, make_run, start
from markab.cli.logs import logs


@pytest.fixture
def run(tmp_path: Path) -> str:
    jobs = [
        compute("a", task={"node_label": "left"}),
        compute("b"),
        compute("c", transformation="ns::sort:1"),
    ]
    story = [began(), start(0), end(0, stdout="out\x1b[2J\r\nnext", stderr="1%\r2%\r"), start(1)]
    story += [failed(1, stderr="no\n"), gave_up(1), ended("failed")]
    return str(make_run(tmp_path / "run", jobs, story))


def test_each_stream_is_printed_to_the_same_and_controls_no_terminal(run: str) -> None:
    done = CliRunner().invoke(logs, [run, "wc_a"])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "out\\x1b[2J\nnext", "1%\n2%")


def test_stderr_alone_is_printed_to_stdout(run: str) -> None:
    done = CliRunner().invoke(logs, [run, "a", "--stderr"])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "1%\n2%", "")
    assert CliRunner().invoke(logs, [run, "a", "--stdout", "-n", "1"]).output == "next"


def test_json_has_an_object_for_each_piece(run: str) -> None:
    done = CliRunner().invoke(logs, [run, "a", "-f", "-J"])
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"stream": "stdout", "text": "out\x1b[2J\r\nnext", "attempt": 1},
        {"stream": "stderr", "text": "1%\r2%\r", "attempt": 1},
        {"stream": "", "text": "wc_a (left) succeeded", "attempt": 0},
    ]


def test_a_note_begins_a_line(run: str) -> None:
    done = CliRunner().invoke(logs, [run, "a", "--stdout", "-f"])
    assert (done.exit_code, done.stdout, done.stderr) == (
        0,
        "out\\x1b[2J\nnext",
        "\n[wc_a (left) succeeded]\n",
    )


@pytest.mark.parametrize(("job", "code"), [("wc_a", 0), ("wc_b", 14), ("wc_c", 15)])
def test_following_exits_as_the_job_ended(run: str, job: str, code: int) -> None:
    assert CliRunner().invoke(logs, [run, job, "-f"]).exit_code == code
    assert CliRunner().invoke(logs, [run, job]).exit_code == 0


@pytest.mark.parametrize("name", ["wc_c", "c", "ns::sort:1", "sort:1", "sort"])
def test_a_job_is_named_in_many_ways(run: str, name: str) -> None:
    done = CliRunner().invoke(logs, [run, name])
    assert done.exit_code == 0 and "wc_c has not started" in done.stderr


def test_a_transformation_of_several_jobs_is_refused_with_their_names(run: str) -> None:
    done = CliRunner().invoke(logs, [run, "wc"])
    assert done.exit_code == 1
    assert "'wc' is the label or transformation of several jobs" in done.stderr
    assert "name one of them: wc_a, wc_b\n" in done.stderr


def test_an_attempt_that_was_not_made_is_refused(run: str) -> None:
    done = CliRunner().invoke(logs, [run, "wc_b", "--attempt", "2"])
    assert done.exit_code == 1 and "wc_b has no attempt 2" in done.stderr
    done = CliRunner().invoke(logs, [run, "wc_c", "--attempt", "2"])
    assert "wc_c has made no attempt yet" in done.stderr
