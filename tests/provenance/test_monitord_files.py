"""What Pegasus' tools look at before they trust the database of a run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kit.diamond import diamond_story, make_diamond, write_journal
from markab.provenance.monitord_files import write_monitord_files
from markab.provenance.update import RunUpdater

STARTED = ("WORKFLOW_STARTED", 1000.25, 0, None, None)
ENDED = ("WORKFLOW_TERMINATED", 1012.5, 0, 0, None)
STARTED_AGAIN = ("WORKFLOW_STARTED", 2000.0, 1, None, None)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_a_run_that_goes_on_has_started_and_is_not_done(tmp_path: Path) -> None:
    write_monitord_files(tmp_path, [STARTED])

    assert [file.name for file in tmp_path.iterdir()] == ["monitord.started"]
    text = (tmp_path / "monitord.started").read_text()
    assert text == f"pid {os.getpid()}\ntimestamp 1970-01-01T00:16:40+00:00\n"


def test_a_run_that_ended_is_done_until_an_engine_opens_it_again(tmp_path: Path) -> None:
    write_monitord_files(tmp_path, [STARTED, ENDED])
    assert (tmp_path / "monitord.done").read_text() == "1970-01-01T00:16:52+00:00 12.250\n"

    write_monitord_files(tmp_path, [STARTED, ENDED, STARTED_AGAIN])
    assert not (tmp_path / "monitord.done").exists()


def test_a_run_that_never_started_has_neither(tmp_path: Path) -> None:
    write_monitord_files(tmp_path, [])

    assert list(tmp_path.iterdir()) == []


def test_they_follow_the_journal(tmp_path: Path, home: None) -> None:
    story = diamond_story()
    run = make_diamond(tmp_path / "run", entries=story[:5])
    updater = RunUpdater(run)
    updater.update()
    assert not (run / "monitord.done").exists()

    write_journal(run, story)
    assert updater.update() == ("", [])
    assert (run / "monitord.done").exists()


def test_that_one_cannot_be_written_is_a_warning(tmp_path: Path, home: None) -> None:
    run = make_diamond(tmp_path / "run", entries=diamond_story())
    (run / "monitord.done").mkdir()

    error, warnings = RunUpdater(run).update()

    assert error == ""
    assert len(warnings) == 1 and "monitord.done" in warnings[0]
