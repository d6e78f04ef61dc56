from __future__ import annotations

from pathlib import Path

import pytest

from kit.made_run import began, compute, engine_alive, make_run, start
from markab.cli import stop_requests
from markab.engine.control import Requests
from markab.errors import NotARun


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path, [compute("a")], [began(), start(0)])


def test_a_halt_is_left_for_the_engine(run: Path) -> None:
    with engine_alive(run):
        assert stop_requests.halt_run(str(run)).startswith(
            f"halting {run}: its running jobs end, no others start"
        )
    assert Requests(run).take() == "halt"


def test_a_removal_waits_for_the_engine_to_end(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    def gone(is_there: object, patience_s: float = 0.0) -> bool:
        waited.append(patience_s)
        return True

    monkeypatch.setattr(stop_requests, "wait_until_gone", gone)
    with engine_alive(run):
        assert stop_requests.remove_run(str(run)).startswith(f"removed {run}\n  its files stay")
    assert waited and Requests(run).take() == "remove"


def test_jobs_that_take_their_time_to_end_are_said_so(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop_requests, "wait_until_gone", lambda is_there: False)
    with engine_alive(run):
        assert "have not all done so yet" in stop_requests.remove_run(str(run))


def test_waiting_ends_with_the_engine_or_with_patience() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def clock() -> float:
        return now[0]

    assert stop_requests.wait_until_gone(lambda: now[0] < 3, 10, clock, sleep)
    assert 3 <= now[0] < 3.2
    assert not stop_requests.wait_until_gone(lambda: True, 10, clock, sleep)
    assert 13 <= now[0] < 13.2


def test_stopping_what_is_no_run_is_an_error(tmp_path: Path) -> None:
    for stop in (stop_requests.halt_run, stop_requests.remove_run):
        with pytest.raises(NotARun):
            stop(str(tmp_path))
