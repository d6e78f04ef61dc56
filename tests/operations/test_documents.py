from __future__ import annotations

import csv
from pathlib import Path

import pytest

from kit.made_run import began, compute, end, ended, make_run, start
from markab import operations
from markab.errors import MarkabError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", [compute("a")], [began(), start(0), end(0), ended("success")])


def test_a_page_is_written_into_the_run_or_elsewhere(run: Path, tmp_path: Path) -> None:
    path, status = operations.write_page(run)
    assert path == run / "report.html" and path.is_file()
    assert (status.state, status.total) == ("Success", 1)
    assert operations.write_page(run, tmp_path / "page.html")[0] == tmp_path / "page.html"


def test_an_export_is_written_in_a_format(run: Path, tmp_path: Path) -> None:
    operations.export(run, "csv", tmp_path / "run.csv")
    with (tmp_path / "run.csv").open() as file:
        assert len(list(csv.reader(file))) > 0
    with pytest.raises(MarkabError, match="xls"):
        operations.export(run, "xls", tmp_path / "run.xls")


def test_a_debug_directory_runs_another_program_if_one_is_named(run: Path, tmp_path: Path) -> None:
    made = operations.make_debug_directory(run, "a", tmp_path / "debug", "/bin/true")
    assert "/bin/true" in made.script.read_text()
