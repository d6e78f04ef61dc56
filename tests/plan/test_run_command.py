"""The command that goes on with a run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from markab.plan.braindump import write_braindump
from markab.plan.run_command import run_command


def test_it_is_quoted_and_relative_to_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_command(tmp_path / "a run", "--restore") == f"markab run --restore '{tmp_path}/a run'"
    monkeypatch.chdir(tmp_path)
    assert run_command(tmp_path / "a run") == "markab run 'a run'"


def test_of_a_copy_it_names_the_original_as_long_as_that_is_there(tmp_path: Path) -> None:
    run, copy = tmp_path / "run", tmp_path / "copy"
    run.mkdir()
    write_braindump(run / "braindump.yml", {"wf_uuid": "1", "submit_dir": str(run)})
    shutil.copytree(run, copy)
    assert run_command(copy) == run_command(run) == f"markab run {run}"
    shutil.rmtree(run)
    assert run_command(copy) == f"markab run {copy}"
