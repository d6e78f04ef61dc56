"""Whose a scratch directory is, by the marker in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from markab.transfers.reserved_names import MARKER
from markab.transfers.scratch_owner import is_abandoned, owner_text, read_owner


@pytest.mark.parametrize(
    ("owner", "text"),
    [
        ([], "belongs to another run"),
        (["uuid"], "belongs to another run"),
        (["uuid", "/runs/2"], "belongs to another run, in '/runs/2'"),
        (["uuid", "/runs/2", "here"], "belongs to another run, in '/runs/2'"),
        (
            ["uuid", "/runs/1"],
            "belongs to an earlier run in the same submit directory, whose plan was deleted",
        ),
    ],
)
def test_the_owner_is_named_as_far_as_it_is_known(owner: list[str], text: str) -> None:
    assert owner_text(owner, "/runs/1") == text


def test_only_what_surely_no_run_needs_is_abandoned(tmp_path: Path) -> None:
    run = str(tmp_path)
    assert is_abandoned(["uuid", run, "here"], "here")
    for owner in ([], ["uuid"], ["uuid", run], ["uuid", run, "there"]):
        assert not is_abandoned(owner, "here")
    (tmp_path / "plan.jsonl").touch()
    assert not is_abandoned(["uuid", run, "here"], "here")


def test_a_marker_that_is_no_file_of_the_run_names_no_owner(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert read_owner(str(scratch)) == []
    (tmp_path / "elsewhere").write_text("uuid\n/runs/1\nhere\n")
    (scratch / MARKER).symlink_to("../elsewhere")
    assert read_owner(str(scratch)) == []
    (scratch / MARKER).unlink()
    os.mkfifo(scratch / MARKER)
    assert read_owner(str(scratch)) == []
    (scratch / MARKER).unlink()
    (scratch / MARKER).write_bytes(b"\xff")
    assert read_owner(str(scratch)) == []
    (scratch / MARKER).write_text("uuid\n/runs/1\nhere\n")
    assert read_owner(str(scratch)) == ["uuid", "/runs/1", "here"]
