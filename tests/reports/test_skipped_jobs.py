"""A job that a failure holds back is called skipped in every view."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kit.made_run import began, compute, end, ended, engine_alive, failed, gave_up, make_run, start
from markab.cli.main import markab

#  a fails, and b and c below it are skipped; d succeeded, e was not started
JOBS = [compute("a"), compute("b", 0), compute("c", 1), compute("d"), compute("e", 3)]
STORY = [began(), start(0), failed(0), gave_up(0), start(3), end(3)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", JOBS, [*STORY, ended("failed")])


def shown(*words: str | Path) -> str:
    return CliRunner().invoke(markab, [str(word) for word in words]).output


def test_every_command_calls_it_skipped(run: Path, tmp_path: Path) -> None:
    listed = [line.split() for line in shown("show", run).splitlines()]
    assert [words[0] for words in listed] == ["failed", "skipped", "skipped", "succeeded", "waiting"]
    assert "wc_b  (compute at local): skipped" in shown("show", run, "b")
    assert "wc_b (compute at local) skipped: a job before it failed" in shown("why", run, "b")
    assert "after     wc_b (skipped)" in shown("why", run, "c")
    assert "2 jobs: skipped: a job before it failed (wc_b, wc_c)" in shown("status", "-l", run)
    assert "1 failed, 2 skipped, because a job before them failed, 1 not started" in shown("analyze", run)
    shown("graph", run, "-o", tmp_path / "graph.dot")
    shown("report", run, "-o", tmp_path / "page.html")
    assert "⊘ skipped</th>" in (tmp_path / "page.html").read_text()
    assert [job["job"] for job in json.loads(shown("show", run, "--state", "skipped", "--json"))] == [
        "wc_b",
        "wc_c",
    ]


def test_it_is_skipped_while_the_engine_goes_on(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", JOBS, STORY)
    with engine_alive(run):
        assert "skipped    wc_c" in shown("show", run)
        assert "waiting    wc_e" in shown("show", run)
