"""The files of `pegasus-statistics`: the names of their columns are what scripts go by."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from kit.diamond import T0, began, compute, diamond_story, end, failed, make_diamond, process, start
from kit.made_run import make_run
from markab.plan.model import PlannedTask
from markab.reports.statistics.files import Period
from markab.reports.statistics.pegasus import write_pegasus_files
from markab.reports.statistics.run_statistics import PEGASUS_SECTIONS, SECTIONS, Statistics
from markab.reports.statistics.tree_statistics import read_statistics


@pytest.fixture
def diamond(tmp_path: Path) -> Statistics:
    run = make_diamond(tmp_path / "run", diamond_story())
    return read_statistics(run, (*SECTIONS, *PEGASUS_SECTIONS.values()))


def tables(found: Statistics, directory: Path, period: Period = "day") -> dict[str, list[dict[str, str]]]:
    files = write_pegasus_files(found, SECTIONS, directory, "csv", period)
    return {path.stem: list(csv.DictReader(path.read_text().splitlines())) for path in files}


def test_the_columns_are_those_of_pegasus(diamond: Statistics, tmp_path: Path) -> None:
    found = {name: " ".join(rows[0]) for name, rows in tables(diamond, tmp_path).items()}

    counts = "Type Succeeded Failed Incomplete Total Retries Total+Retries"
    assert found == {
        "summary": counts,
        "summary-time": "stat_type time_seconds",
        "workflow": f"Workflow_Id Dax_Label {counts} WF_Retries",
        "jobs": "Workflow_Id Dax_Label Job Try Site Kickstart Mult Kickstart-Mult CPU-Time Post CondorQTime "
        "Resource Runtime Seqexec Seqexec-Delay Exitcode Hostname",
        "breakdown": "Workflow_Id Dax_Label Transformation Type Count Min (runtime) Max (runtime) "
        "Mean (runtime) Total (runtime) Min (mem) Max (mem) Mean (mem) Min (avg. cpu) Max (avg. cpu) "
        "Mean (avg. cpu)",
        "integrity": "Workflow_Id Dax_Label Type File Type Count Total Duration",
        "time": "stat_type date[YYYY-MM-DD] count runtime (sec)",
        "time-per-host": "stat_type date[YYYY-MM-DD] host count runtime (sec)",
    }


def test_each_attempt_has_a_row(diamond: Statistics, tmp_path: Path) -> None:
    jobs = tables(diamond, tmp_path)["jobs"]

    assert [(row["Job"], row["Try"], row["Exitcode"]) for row in jobs if row["Job"] == "wc_B"] == [
        ("wc_B", "1", "1"),
        ("wc_B", "2", "0"),
    ]
    queued = next(row for row in jobs if row["Job"] == "wc_C")
    assert [
        queued[name] for name in ("Kickstart", "CPU-Time", "CondorQTime", "Runtime", "Hostname", "Post")
    ] == [
        "1.0",
        "0.5",
        "1.0",
        "1.0",
        "node7",
        "-",
    ]


def test_what_went_well_and_what_did_not_have_a_row_each(diamond: Statistics, tmp_path: Path) -> None:
    rows = {(row["Transformation"], row["Type"]): row for row in tables(diamond, tmp_path)["breakdown"]}

    assert {key: row["Count"] for key, row in rows.items()} == {
        ("ns::wc:1.0", "failed"): "1",
        ("ns::wc:1.0", "successful"): "4",
        ("pegasus::transfer", "successful"): "2",
    }
    well = rows["ns::wc:1.0", "successful"]
    assert (well["Total (runtime)"], well["Max (mem)"], well["Mean (avg. cpu)"]) == ("4.0", "2.93", "50.00%")


def test_a_job_that_never_started_has_no_row_and_a_cluster_says_what_lay_between(tmp_path: Path) -> None:
    cluster = compute("t1")
    cluster.tasks.append(PlannedTask("t2", "wc", "/bin/wc"))
    bad = failed(0, invocations=[process("t1"), process("t2", 256, start=T0 + 3)])
    run = make_run(tmp_path / "run", [cluster, compute("never", 0)], [began(), start(0), bad])

    (row,) = tables(read_statistics(run, SECTIONS), tmp_path)["jobs"]

    assert (row["Job"], row["Kickstart"], row["Seqexec"], row["Seqexec-Delay"]) == (
        "wc_t1",
        "2.0",
        "2.5",
        "0.5",
    )


@pytest.mark.parametrize(
    ("period", "dates"),
    [
        ("hour", ["2027-01-15 08:00", "2027-01-15 09:00"]),
        ("day", ["2027-01-15"]),
        ("week", ["2027-W02"]),
        ("month", ["2027-01"]),
    ],
)
def test_time_is_listed_by_period_and_by_host(tmp_path: Path, period: Period, dates: list[str]) -> None:
    entries = [began()]
    for n, host in enumerate(("here", "there")):
        later = process(f"t{n}", start=T0 + 3600 * n + 2)
        entries += [
            start(n, time=T0 + 3600 * n + 1),
            end(n, time=T0 + 3600 * n + 3, host=host, invocations=[later]),
        ]
    run = make_run(tmp_path / "run", [compute("t0"), compute("t1")], entries)
    found = tables(read_statistics(run, (*SECTIONS, *PEGASUS_SECTIONS.values())), tmp_path, period)

    rows = [list(row.values()) for row in found["time"]]
    assert [row[1] for row in rows] == dates * 2
    assert sum(float(row[3]) for row in rows if row[0] == f"jobs/{period}") == 4.0
    assert sum(float(row[3]) for row in rows if row[0] == f"invocations/{period}") == 2.0
    assert [row["host"] for row in found["time-per-host"]] == ["here", "there"] * 2


def test_as_text_each_section_is_a_file(diamond: Statistics, tmp_path: Path) -> None:
    files = write_pegasus_files(diamond, SECTIONS, tmp_path)

    assert [path.name for path in files] == [
        f"{name}.txt" for name in ("summary", "workflow", "jobs", "breakdown", "time", "integrity")
    ]
    assert files[2].read_text().splitlines()[0] == "# 7a3c (words)"
    assert "# Invocation statistics by host per day" in files[4].read_text().splitlines()
