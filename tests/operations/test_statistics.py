from __future__ import annotations

from pathlib import Path

import pytest

from kit.diamond import diamond_story, make_diamond
from markab import operations


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_diamond(tmp_path / "run", diamond_story())


def test_statistics_have_only_the_sections_that_are_wanted(run: Path) -> None:
    found = operations.read_statistics(run, ["transformations"])
    assert (found.transformations is not None, found.jobs, found.breakdown) == (True, None, None)
    assert operations.read_statistics(run, ["transformations"], for_pegasus=True).breakdown is not None


def test_sections_are_text_or_rows_in_the_order_in_which_they_are_wanted(run: Path) -> None:
    sections = ["time", "workflow"]
    found = operations.read_statistics(run, sections)

    text = operations.statistics_text(found, sections)

    titles = [text.index(title) for title in ("# words: success", "# Processes and", "# The workflow")]
    assert titles == sorted(titles)
    assert operations.statistics_rows(found, "summary")[2][:2] == ("Jobs", 6)
    assert operations.statistics_rows(found, "wall-times")[1][0] == "Workflow wall time"
    assert operations.statistics_text(found, format="csv").startswith("Type,Succeeded,")


def test_saved_statistics_are_returned_and_in_files_without_the_table_of_jobs(run: Path) -> None:
    found = operations.save_statistics(run)

    files = sorted(path.stem for path in (run / "statistics").iterdir())
    assert files == ["breakdown", "integrity", "summary", "time", "workflow"]
    assert found.state == "Success" and found.notes == []


def test_statistics_that_cannot_be_saved_have_a_note(run: Path) -> None:
    (run / "statistics").write_text("in the way")
    (note,) = operations.save_statistics(run).notes
    assert note.startswith("the files of these statistics were not written: ")


def test_files_go_to_a_directory_and_those_of_pegasus_by_default_into_the_run(
    run: Path, tmp_path: Path
) -> None:
    found = operations.read_statistics(run)
    (file,) = operations.write_statistics(found, (), tmp_path / "out")
    assert file == tmp_path / "out" / "summary.txt"
    assert operations.write_pegasus_statistics(found, ()) == {"summary": run / "statistics" / "summary.txt"}
