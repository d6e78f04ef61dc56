"""The label that a user gave to a task stands in every view of a run."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from kit.made_run import T0, began, compute, end, ended, failed, gave_up, make_run, process, running, start
from markab.cli.run_display import picture
from markab.diagnosis.failed_attempts import FailedAttempts
from markab.formatting import titled
from markab.journal.progress import Progress, RunningJob
from markab.operations import analyze, draw, export, list_jobs, render_drawing
from markab.plan.job_label import joined_labels
from markab.plan.model import Kind, Output, PlannedJob, PlannedTask
from markab.plan.plan_file import PlanFile
from markab.reports.html.page import write_page
from markab.reports.job_report import read_job
from markab.reports.statistics.files import section_text
from markab.reports.statistics.text import summary_text
from markab.reports.statistics.tree_statistics import read_statistics
from markab.reports.status import Status, UnderWay
from markab.reports.trace_reader import read_trace
from markab.reports.why import read_why

LABEL = "decade 1990"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """`wc_a` has a label, succeeds and makes `f`; `wc_b` has one too, and fails; `wc_c` has none."""
    jobs = [
        compute("a", task={"node_label": LABEL}, outputs=[Output("f")]),
        compute("b", 0, task={"node_label": "decade\n2000"}),
        compute("c", 0),
    ]
    story = [
        *(
            began(),
            start(0),
            running(0),
            end(0, invocations=[process("a")], outputs=[{"lfn": "f", "size": 1}]),
        ),
        *(start(1), failed(1, invocations=[process("b", 256)]), gave_up(1), start(2), end(2)),
        ended("failed"),
    ]
    return make_run(tmp_path / "run", jobs, story)


def test_a_cluster_has_the_labels_of_its_tasks() -> None:
    assert joined_labels([]) == joined_labels(["", ""]) == ""
    assert joined_labels(["x", "", "y", "x"]) == "x + y"
    assert joined_labels("abc") == "a + b + c"
    assert joined_labels("abcde") == "a + b + 3 more"


def test_beside_a_name_a_label_is_one_short_line() -> None:
    assert titled("fit_1", "") == "fit_1"
    assert titled("fit_1", "a\nb\x1b[2J") == r"fit_1 (a\nb\x1b[2J)"
    assert titled("fit_1", "x" * 61) == f"fit_1 ({'x' * 59}…)"


def test_a_plan_without_labels_has_none(tmp_path: Path) -> None:
    plan = PlanFile(make_run(tmp_path, [compute("a")]) / "plan.jsonl")
    assert plan.labels == {} and plan.job(0).label == ""
    assert b"label" not in plan.line(0)


def test_the_plan_knows_which_jobs_have_labels(run: Path) -> None:
    assert PlanFile(run / "plan.jsonl").labels == {0: LABEL, 1: "decade\n2000"}


@pytest.mark.parametrize("format", ["dot", "mermaid", "svg", "json"])
def test_a_graph_has_labels_in_every_format(run: Path, format: str) -> None:
    text = render_drawing(draw(run), format).decode()
    assert LABEL in text and "wc_c" in text


def test_the_graph_of_a_cluster_has_all_its_labels(tmp_path: Path) -> None:
    tasks = [PlannedTask(name, "wc", "/bin/wc", node_label=name.upper()) for name in "ab"]
    cluster = PlannedJob(id="merge", kind=Kind.COMPUTE, site="local", tasks=tasks)
    assert ["A + B"] == [node.label for node in draw(make_run(tmp_path, [cluster])).nodes]


def packed_jobs(page: str) -> dict[str, Any]:
    data = page.partition('id="data">')[2].partition("<")[0]
    jobs: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(data)))["jobs"]
    return jobs


def test_the_web_page_has_labels_in_its_picture_its_failures_and_its_tables(run: Path) -> None:
    write_page(run, run / "report.html")
    page = (run / "report.html").read_text()
    assert LABEL in page.partition("<svg")[2]
    assert r"wc_b (decade\n2000), attempt 1" in page
    assert packed_jobs(page)["label"] == [LABEL, "decade\n2000", ""]


def test_the_web_page_of_a_run_without_labels_has_no_column_for_them(tmp_path: Path) -> None:
    write_page(make_run(tmp_path, [compute("a")]), tmp_path / "report.html")
    assert packed_jobs((tmp_path / "report.html").read_text())["label"] == []


def test_status_names_jobs_under_way_with_their_labels() -> None:
    under_way = UnderWay("wc_a", "local", "Run", 2, T0, LABEL)
    counts = dict.fromkeys(("unready", "ready", "succeeded", "failed"), 0)
    status = Status(**counts, queued=1, running=1, total=1, state="Running", jobs=(under_way,))
    assert f"└─wc_a ({LABEL})  (attempt 2)" in status.text(clock=lambda: T0)
    assert f"└─wc_a ({LABEL})  (attempt 2)" in status.text(long=True, clock=lambda: T0)
    (ads,) = status.to_json()["condor_jobs"].values()
    assert ads["DAG_CONDOR_JOBS"][0]["label"] == LABEL


def test_the_display_of_a_run_names_jobs_with_their_labels() -> None:
    progress = Progress("w", "", T0, 1, running=1, jobs=[RunningJob("wc_a", "local", 1, T0, label=LABEL)])
    assert f"  wc_a ({LABEL})" in [text for text, _ in picture(progress, T0)]


def test_the_list_of_jobs_and_the_story_of_one_have_labels(run: Path) -> None:
    assert [job["label"] for job in list_jobs(run)] == [LABEL, "decade\n2000", ""]
    story = read_job(run, "wc_a")
    assert f"\nlabel    {LABEL}\n" in story.text() and story.to_json()["label"] == LABEL
    assert "label" not in read_job(run, "wc_c").text()


def test_why_and_trace_have_labels(run: Path) -> None:
    why = read_why(run, "wc_a")
    assert f"\n  label     {LABEL}\n" in why.text() and why.to_json()["label"] == LABEL
    trace = read_trace(run, "f")
    assert f"made by wc_a ({LABEL}) (wc at" in trace.text()
    assert LABEL in trace.dot() and trace.to_json()["jobs"]["wc_a"]["label"] == LABEL


def test_failures_are_named_with_labels(run: Path) -> None:
    with analyze(run) as report:
        text, plain = report.text(), json.dumps(report.to_json())
    assert r"wc_b (decade\n2000): " in text
    assert "decade" in plain
    (failure,) = FailedAttempts(run, from_start=True).final()
    assert failure.line().startswith(r"wc_b (decade\n2000), attempt 1")
    assert failure.text(run).startswith(r"wc_b (decade\n2000) failed")
    assert failure.to_json()["label"] == "decade\n2000"


def test_statistics_have_labels_in_the_table_of_jobs_and_on_the_critical_path(run: Path) -> None:
    found = read_statistics(run, ["jobs"])
    table = section_text(found, "jobs").splitlines()
    assert table[1].endswith("Label")
    assert [LABEL, r"decade\n2000", "-"] == [line.rpartition("  ")[2] for line in table[2:]]
    assert f"wc_a ({LABEL})" in summary_text(found)


@pytest.mark.parametrize("format", ["prov", "ro-crate", "wfformat", "csv"])
def test_exports_have_labels(run: Path, tmp_path: Path, format: str) -> None:
    (run / "catalogs").mkdir()
    (run / "catalogs/workflow.yml").write_text(
        "pegasus: '5.0'\nname: words\njobs: [{type: job, id: a, name: wc, arguments: [], uses: []}]\n"
    )
    target = tmp_path / "export"
    export(run, format, target)
    text = (target / "ro-crate-metadata.json" if format == "ro-crate" else target).read_text()
    assert LABEL in text
