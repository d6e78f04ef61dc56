from pathlib import Path

import pytest

from markab.errors import StorageError
from markab.spec import reader
from markab.spec.model import SiteCatalog, Workflow
from markab.spec.reader import read_with_lines

DOCUMENT = """\
pegasus: 5.0.4
name: w
jobs:
- {type: job, id: a, name: cat, arguments: [], uses: []}
- {type: job, id: a, name: cat, arguments: [], uses: [{lfn: x, type: input}]}
"""


def test_a_document_with_mistakes_is_read_with_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "w.yml"
    path.write_text(DOCUMENT)
    workflow, line_of = read_with_lines(path, Workflow)

    assert workflow is not None and [line_of(job) for job in workflow.jobs] == [4, 5]
    assert line_of(workflow.jobs[1].uses[0]) == 5


def test_an_old_document_in_xml_has_lines_too(tmp_path: Path) -> None:
    path = tmp_path / "w.dax"
    head = '<adag xmlns="http://pegasus.isi.edu/schema/DAX" version="3.6" name="w">'
    path.write_text(f'<?xml version="1.0"?>\n{head}\n<job id="a" name="cat"/>\n</adag>\n')
    workflow, line_of = read_with_lines(path, Workflow)

    assert workflow is not None and line_of(workflow.jobs[0]) == 3


@pytest.mark.parametrize("text", ["jobs: [", "sites: []", "pegasus: 5.0.4\nname: [1]\njobs: 3\n"])
def test_what_is_no_such_document_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "w.yml"
    path.write_text(text)

    assert read_with_lines(path, Workflow)[0] is None


def test_in_a_very_large_document_no_lines_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.yml"
    path.write_text(DOCUMENT)
    monkeypatch.setattr(reader, "LINES_BYTES", 10)
    workflow, line_of = read_with_lines(path, Workflow)

    assert workflow is not None and [line_of(job) for job in workflow.jobs] == [0, 0]


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        read_with_lines(tmp_path / "none.yml", SiteCatalog)
