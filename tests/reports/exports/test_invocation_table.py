from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from kit.made_run import T0, began, compute, end, make_run, start
from markab.errors import MarkabError
from markab.reports.exports.formats import export_run
from markab.reports.exports.invocation_table import COLUMNS
from markab.reports.exports.run_facts import Facts
from reports.exports.real_run import SECRET, all_text


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def rows(failed_run: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    path = tmp_path_factory.mktemp("table") / "run.csv"
    export_run(failed_run, "csv", path)
    assert SECRET not in all_text(path)
    return read_csv(path)


def test_each_invocation_is_a_row_of_failed_attempts_too(rows: list[dict[str, str]]) -> None:
    shown = [
        (row["task"], row["attempt"], row["outcome"], row["exit_code"])
        for row in rows
        if row["kind"] == "compute"
    ]

    assert [
        ("ID1", "1", "succeeded", "0"),
        ("ID2", "1", "failed", "3"),
        ("ID2", "2", "succeeded", "0"),
        ("ID3", "1", "failed", "4"),
    ] == shown


def test_a_row_has_times_in_utc_files_and_what_was_used(rows: list[dict[str, str]]) -> None:
    (row,) = [row for row in rows if row["task"] == "ID1"]

    assert row["submitted"] <= row["start"] <= row["end"]
    assert row["start"].endswith("+00:00")
    assert ("1", "6", "1", "6") == (
        row["input_files"], row["input_bytes"], row["output_files"], row["output_bytes"]
    )  # fmt: skip
    assert int(row["max_rss_kb"]) > 0
    assert "/bin/cp book.txt part.txt" == row["command"]


def test_transfers_have_rows_too_with_the_bytes_moved(rows: list[dict[str, str]]) -> None:
    (row,) = [row for row in rows if row["kind"] == "stage_in"]

    assert ("0", "6", "") == (row["invocation"], row["moved_bytes"], row["task"])


def test_parquet_holds_the_same_table(failed_run: Path, rows: list[dict[str, str]], tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")

    export_run(failed_run, "parquet", tmp_path / "run.parquet")

    table = parquet.read_table(tmp_path / "run.parquet")
    assert list(COLUMNS) == table.column_names
    assert [row["job"] for row in rows] == table["job"].to_pylist()
    assert [int(row["exit_code"]) if row["exit_code"] else None for row in rows] == table[
        "exit_code"
    ].to_pylist()
    assert {"+00:00"} == {moment.isoformat()[-6:] for moment in table["start"].to_pylist()}
    assert SECRET not in all_text(tmp_path / "run.parquet")


def test_without_pyarrow_the_remedy_is_named(
    planned_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MarkabError, match="pyarrow, which is not installed") as caught:
        export_run(planned_run, "parquet", tmp_path / "run.parquet")

    assert "pip install 'markab[parquet]'" in caught.value.hint
    assert [] == list(tmp_path.iterdir())


def test_a_cluster_has_a_row_for_each_of_its_processes(tmp_path: Path) -> None:
    def ran(task: str, status: int) -> dict[str, object]:
        return {"task": task, "argv": [], "start": T0 + 1, "duration_s": 2.0, "status": status}

    record = {"invocations": [ran("a", 0), ran("b", 9), ran("c", -1)]}
    make_run(tmp_path / "r", [compute("a")], [began(), start(0), end(0, **record)])

    export_run(tmp_path / "r", "csv", tmp_path / "out.csv")

    rows = read_csv(tmp_path / "out.csv")
    assert [("1", "0", ""), ("2", "", "9"), ("3", "", "")] == [
        (row["invocation"], row["exit_code"], row["signal"]) for row in rows
    ]


def test_a_run_that_never_started_is_a_header(planned_run: Path, tmp_path: Path) -> None:
    export_run(planned_run, "csv", tmp_path / "out.csv")

    assert ",".join(COLUMNS) + "\n" == (tmp_path / "out.csv").read_text()


def test_attempts_are_read_one_by_one(tmp_path: Path) -> None:
    """A journal of any length is exported without being held in memory."""
    make_run(tmp_path, [compute("a"), compute("b")], [began(), start(0), end(0), start(1), end(1)])
    facts = Facts(tmp_path)

    next(facts.attempts())

    assert 1 == facts.history.states.count(5)
