from __future__ import annotations

import time

import pytest

from markab.worker.steady_time import steady_time


def test_it_is_the_time_of_day() -> None:
    assert abs(steady_time() - time.time()) < 60


def test_a_step_of_the_clock_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = steady_time()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 400 * 86400)

    assert 0 <= steady_time() - before < 60
