"""After files were refreshed, every view tells which attempt used which content."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from kit.edited_workflow import Edited
from markab.diagnosis.failure_analysis import Analyzer
from markab.operations.jobs import why
from markab.reports.exports.run_facts import Facts
from markab.reports.statistics.tree_statistics import read_statistics
from markab.reports.trace_reader import read_trace


@pytest.fixture
def made(tmp_path: Path) -> Edited:
    """`one` and `side` succeeded; then the script of `one` was edited, and taken anew."""
    made = Edited(tmp_path)
    made.tasks = made.tasks[:2]
    assert made.plan().run().state == "success"
    made.write("first", "2")
    assert made.run(refresh=True).state == "success"
    return made


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_trace_has_the_new_content_and_of_what_was_not_moved_again_the_old_one(made: Edited) -> None:
    trace = read_trace(made.submit_dir, "one")
    assert trace.files["first"].sha256 == sha256(made.path / "bin" / "first")
    assert trace.files["one"].sha256 == sha256(made.path / "out" / "one")
    assert trace.jobs["first_one"].attempt == 2
    other = read_trace(made.submit_dir, "side")
    assert other.files["b"].sha256 == sha256(made.path / "data" / "b")
    assert other.files["side"].replicas and not other.files["side"].missing


def test_an_export_has_a_version_of_the_file_for_each_content(made: Edited) -> None:
    facts = Facts(made.submit_dir)
    used = {
        attempt.name: [(file.version, file.sha256) for file in attempt.used if file.lfn == "first"]
        for attempt in list(facts.attempts())
        if attempt.job.id == "first_one"
    }
    (record,) = made.refreshes
    assert used == {"first_one/1": [(1, record.files[0].old)], "first_one/2": [(2, record.files[0].new)]}


def test_statistics_and_states_count_a_job_once(made: Edited) -> None:
    analyzer = Analyzer(made.submit_dir)
    assert analyzer.analyze().left["succeeded"] == len(analyzer.plan)
    analyzer.close()
    summary = read_statistics(made.submit_dir).summary
    assert summary.jobs.succeeded == summary.jobs.total


def test_why_names_the_file_that_was_edited_and_both_checksums(made: Edited) -> None:
    (record,) = made.refreshes
    text = why(made.submit_dir, "first_one").text()
    assert record.files[0].path in text and record.files[0].old in text and record.files[0].new in text
