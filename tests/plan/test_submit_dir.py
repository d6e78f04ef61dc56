"""Names inside a submit directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from markab.errors import NotARun
from markab.plan.braindump import read_braindump, write_braindump
from markab.plan.submit_dir import find_submit_dir, job_directory


def test_256_jobs_share_a_directory_of_captured_output() -> None:
    assert "00/00" == job_directory(0) == job_directory(255)
    assert "00/01" == job_directory(256)
    assert "01/00" == job_directory(65536)


def test_a_submit_directory_may_be_named_by_its_plan(tmp_path: Path) -> None:
    (tmp_path / "plan.jsonl").touch()

    assert tmp_path.resolve() == find_submit_dir(tmp_path / "plan.jsonl").path


def test_some_other_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotARun, match="is not a submit directory"):
        find_submit_dir(tmp_path)


def test_a_moved_submit_directory_says_where_it_is_now(tmp_path: Path) -> None:
    before, after = tmp_path / "run0001", tmp_path / "elsewhere"
    before.mkdir()
    write_braindump(before / "braindump.yml", {"wf_uuid": "1", "submit_dir": str(before), "grid_dn": None})
    before.rename(after)

    braindump = read_braindump(after / "braindump.yml")

    assert {"wf_uuid": "1", "submit_dir": str(after.resolve()), "grid_dn": None} == braindump
