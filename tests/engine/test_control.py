"""Requests to a running engine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.engine_fakes import job, make_run
from markab.engine import control
from markab.engine.control import HALT, REMOVE, Requests, engine_pid, request_halt, request_remove
from markab.errors import NotARun, StorageError
from markab.journal.lock import RunLock


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", [job("a")])


def test_a_request_is_taken_once(run: Path) -> None:
    with RunLock(run / "lock"):
        assert engine_pid(run) == os.getpid()
        assert request_halt(run)
        requests = Requests(run)
        assert (requests.take(), requests.take()) == (HALT, None)


def test_of_two_requests_the_stronger_one_counts_for_both(run: Path) -> None:
    with RunLock(run / "lock"):
        assert request_remove(run) and request_halt(run)
        requests = Requests(run)
        assert (requests.take(), requests.take()) == (REMOVE, None)


def test_an_engine_that_starts_at_this_moment_gets_the_request(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "engine_pid", lambda submit_dir: None)
    with RunLock(run / "lock"):
        assert request_remove(run)

    assert Requests(run).take() == REMOVE
    assert not (run / "journal.jsonl").exists()


@pytest.mark.parametrize("request_of", [request_halt, request_remove])
def test_what_is_no_run_gets_no_request(tmp_path: Path, request_of: object) -> None:
    with pytest.raises(NotARun, match="is not a submit directory"):
        request_of(tmp_path)  # type: ignore[operator]
    assert list(tmp_path.iterdir()) == []


def test_a_request_that_cannot_be_deleted_is_an_error_of_the_disk(run: Path) -> None:
    (run / "control/halt").mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot delete the request '.*/control/halt': "):
        Requests(run).clear()


def test_a_request_that_cannot_be_written_is_an_error_and_a_file_in_its_place_is_none(run: Path) -> None:
    (run / "control").write_text("")
    with RunLock(run / "lock"), pytest.raises(StorageError, match="cannot write .*/control"):
        request_halt(run)
    requests = Requests(run)
    requests.clear()
    assert requests.take() is None
