"""What comes back from a worker, wherever it ran."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from markab.executors.attempt_id import AttemptId
from markab.executors.base import Attempt, RunContext
from markab.executors.worker_protocol import attachments_directory, keep_attachments, spec_of
from markab.plan.model import Kind, PlannedJob

JOB = PlannedJob("a/b", Kind.COMPUTE, "far")


def attempt(top: Path) -> Attempt:
    context = RunContext("u", "w", str(top / "submit"), "nosymlink", 7, 8, None)
    return Attempt(AttemptId("u", 256, 2), JOB, context, "/s", "/w", scratch_url="far://h/s")


def kept(top: Path, record: dict[str, Any]) -> dict[str, Any]:
    keep_attachments(record, str(top / "received"), attempt(top))
    return record


def test_an_attachment_goes_where_reports_look_for_it(tmp_path: Path) -> None:
    (tmp_path / "received").mkdir()
    (tmp_path / "received/whatever").write_text("long")

    assert kept(tmp_path, {"stdout_file": "whatever", "ok": True}) == {
        "stdout_file": "00/01/a_b.out.001",
        "ok": True,
    }
    assert (tmp_path / "submit/00/01/a_b.out.001").read_text() == "long"


def test_an_attachment_that_is_there_already_is_only_named(tmp_path: Path) -> None:
    directory = Path(attachments_directory(attempt(tmp_path)))
    directory.mkdir(parents=True)
    (directory / "a_b.err.001").write_text("long")
    record = {"stderr_file": "a_b.err.001"}
    keep_attachments(record, str(directory), attempt(tmp_path))

    assert record == {"stderr_file": "00/01/a_b.err.001"}


@pytest.mark.parametrize("name", ["missing", "link", "directory", "../outside", "/etc/passwd", ""])
def test_what_is_no_file_of_the_worker_is_never_taken(tmp_path: Path, name: str) -> None:
    (tmp_path / "received/directory").mkdir(parents=True)
    (tmp_path / "outside").write_text("precious")
    os.symlink(tmp_path / "outside", tmp_path / "received/link")
    record = kept(tmp_path, {"stdout_file": name})

    assert "did not come back" in record["stdout"] and "stdout_file" not in record
    assert not (tmp_path / "submit").exists() and (tmp_path / "outside").exists()


def test_a_spec_has_the_data_of_the_attempt_and_of_the_run(tmp_path: Path) -> None:
    spec = spec_of(attempt(tmp_path), "out")

    assert spec["job"]["id"] == "a/b" and spec["job"]["data"] == "condorio" and spec["attempt"] == 2
    assert (spec["scratch"], spec["scratch_url"], spec["work"], spec["attachments"]) == (
        "/s",
        "far://h/s",
        "/w",
        "out",
    )
    assert (spec["integrity"], spec["transfer_threads"], spec["transfer_attempts"]) == ("nosymlink", 7, 8)
