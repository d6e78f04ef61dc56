"""Elapsed, active and job time of a run are the same in every view of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kit.made_run import T0, began, compute, ended, failed, gave_up, make_run, start
from markab import operations
from markab.cli.main import markab
from markab.cli.run_output import end_text

ELAPSED_S, ACTIVE_S, JOB_S = 126, 16, 10
SHOWN = "2:06 (16 s active)"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that failed after 6 seconds, and a hundred seconds later again."""
    story = [began(), start(0, time=T0 + 1), failed(0), gave_up(0), ended("failed", T0 + 6)]
    story[2].time = T0 + 5
    again = [began(T0 + 116, restart=1), start(0, 2, T0 + 118), failed(0, 2), gave_up(0, 2)]
    again[2].time = T0 + 124
    return make_run(
        tmp_path / "run", [compute("a"), compute("b", 0)], [*story, *again, ended("failed", T0 + 126)]
    )


def shown(*words: str) -> str:
    return CliRunner().invoke(markab, [*words]).output


def test_commands_name_elapsed_and_active_time(run: Path) -> None:
    assert f"failed after {SHOWN}" in shown("analyze", str(run))
    assert f"(Failure:1), {SHOWN}" in shown("status", str(run))
    text = shown("statistics", str(run))
    for label, words in (("elapsed", "2 mins, 6 secs"), ("active", "16 secs"), ("job", "10 secs")):
        assert any(line.split() == f"{label} time {words}".split() for line in cells(text)), text
    assert "Workflow wall time                                       : 16 secs" in text


def cells(text: str) -> list[str]:
    """Return the first two columns of each line."""
    return [
        "  ".join(line.split("  ")[:1] + [c for c in line.split("  ")[1:] if c][:1])
        for line in text.splitlines()
    ]


def test_json_csv_and_the_page_have_the_same_numbers(run: Path, tmp_path: Path) -> None:
    found = json.loads(shown("statistics", str(run), "--json"))
    assert found["times"] == {"elapsed_s": ELAPSED_S, "active_s": ACTIVE_S, "job_s": JOB_S}
    page = tmp_path / "page.html"
    shown("report", str(run), "-o", str(page))
    text = page.read_text()
    assert "<b>2:06</b><span>elapsed time</span><small>16 s active</small>" in text
    assert "<b>10 s</b><span>job time</span>" in text


def test_the_last_line_of_a_run_has_its_times(run: Path) -> None:
    assert f"all 2 jobs succeeded in {SHOWN}" in end_text(operations.read_result(run), "success")
