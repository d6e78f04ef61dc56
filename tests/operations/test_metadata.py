from __future__ import annotations

from pathlib import Path

import pytest

from kit.diamond import DIAMOND, diamond_story, make_diamond
from markab import operations
from markab.errors import MarkabError


def test_metadata_are_of_the_workflow_a_task_or_files(tmp_path: Path) -> None:
    run = make_diamond(tmp_path, diamond_story())
    made = DIAMOND[2].outputs[0].lfn

    (workflow,) = operations.read_metadata(run)
    (task,) = operations.read_metadata(run, task=DIAMOND[2].tasks[0].id)
    (file,) = operations.read_metadata(run, file=made)
    assert len({workflow.text(), task.text(), file.text()}) == 3
    assert made in "".join(known.text() for known in operations.read_metadata(run, files=True))
    assert len(operations.read_metadata(run, file=made, trace=True)) == 3
    with pytest.raises(MarkabError, match="nothing"):
        operations.read_metadata(run, file="nothing")


def test_a_file_is_traced_to_the_job_that_made_it(tmp_path: Path) -> None:
    run = make_diamond(tmp_path, diamond_story())
    assert DIAMOND[2].id in operations.trace(run, DIAMOND[2].outputs[0].lfn).text()
