"""The private copy of the tree."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from mutants import tree_copy
from mutants.tree_copy import TreeCopy


@pytest.mark.parametrize("way", ["", "lib/.."])
def test_programs_of_the_copy_run_the_copy_however_python_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    programs = tmp_path / "venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    (programs / "markab").write_text(f"#!{programs}/python\nimport markab\n")
    (programs / "other").write_text("")
    monkeypatch.setattr(sys, "executable", os.path.join(tmp_path, "venv", way, "bin", "python"))
    monkeypatch.setattr(tree_copy, "_tracked_files", list)
    monkeypatch.setattr(tree_copy.venv, "create", lambda place, **_: _make_venv(place))

    copy = TreeCopy(tmp_path / "folder")

    program = copy.python.with_name("markab")
    assert program.read_text() == f"#!{copy.python}\nimport markab\n" and os.access(program, os.X_OK)
    assert not copy.python.with_name("other").exists()


def _make_venv(place: Path) -> None:
    (place / "bin").mkdir(parents=True)
    (place / "lib/python3/site-packages").mkdir(parents=True)
