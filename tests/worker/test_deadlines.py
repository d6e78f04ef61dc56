"""Which signal is due when."""

from __future__ import annotations

import signal

from hypothesis import given
from hypothesis import strategies as st

from markab.worker.deadlines import Deadlines


def signals(deadlines: Deadlines, until: int) -> list[tuple[int, int]]:
    return [(now, number) for now in range(until) if (number := deadlines.due(float(now))) is not None]


def test_nothing_is_due_without_limits() -> None:
    deadlines = Deadlines(0.0, 0.0, 0.0)
    assert deadlines.next_s() is None
    assert signals(deadlines, 100) == []


def test_the_wall_time_is_followed_by_the_grace() -> None:
    deadlines = Deadlines(0.0, 0.0, 10.0, grace_s=5.0)
    assert signals(deadlines, 30) == [(10, signal.SIGTERM), (15, signal.SIGKILL)]
    assert deadlines.timed_out and not deadlines.cancelled


def test_a_checkpoint_is_requested_once_and_kills_no_task() -> None:
    deadlines = Deadlines(0.0, 3.0, 0.0)
    assert signals(deadlines, 30) == [(3, signal.SIGTERM)]
    assert not deadlines.timed_out


def test_a_task_that_goes_on_after_the_signal_for_its_checkpoint_is_killed_after_the_grace() -> None:
    deadlines = Deadlines(0.0, 3.0, 20.0, grace_s=5.0, checkpoint_grace_s=6.0)
    assert signals(deadlines, 15) == [(3, signal.SIGTERM), (9, signal.SIGKILL)]
    assert deadlines.is_late and not deadlines.timed_out


def test_the_wall_time_and_cancelling_shorten_the_grace_of_a_checkpoint() -> None:
    for cancelled in (False, True):
        deadlines = Deadlines(0.0, 3.0, 0.0 if cancelled else 6.0, grace_s=2.0, checkpoint_grace_s=50.0)
        assert deadlines.due(3.0) == signal.SIGTERM
        if cancelled:
            deadlines.cancel(6.0)
        assert signals(deadlines, 80) == [(6, signal.SIGTERM), (8, signal.SIGKILL)]
        assert (deadlines.is_late, deadlines.timed_out) == (False, not cancelled)


def test_cancelling_outranks_the_wall_time() -> None:
    deadlines = Deadlines(0.0, 3.0, 10.0, grace_s=2.0)
    deadlines.cancel(1.0)
    deadlines.cancel(2.0)
    assert signals(deadlines, 30) == [(1, signal.SIGTERM), (3, signal.SIGKILL)]
    assert deadlines.cancelled and not deadlines.timed_out


def test_cancelling_during_the_grace_does_not_put_off_the_kill() -> None:
    deadlines = Deadlines(0.0, 0.0, 10.0, grace_s=5.0)
    assert deadlines.due(10.0) == signal.SIGTERM
    deadlines.cancel(12.0)
    assert signals(deadlines, 30) == [(12, signal.SIGTERM), (15, signal.SIGKILL)]


@given(st.floats(0, 50), st.floats(0, 50), st.none() | st.integers(0, 60), st.floats(0, 50))
def test_the_next_signal_comes_when_it_is_announced(
    checkpoint_s: float, wall_s: float, cancel_at: int | None, late_s: float
) -> None:
    deadlines = Deadlines(0.0, checkpoint_s, wall_s, checkpoint_grace_s=late_s)
    sent = []
    if cancel_at is not None:
        deadlines.cancel(float(cancel_at))
    while (next_s := deadlines.next_s()) is not None:
        number = deadlines.due(next_s)
        assert number is not None
        sent.append(number)
    is_ended = wall_s or cancel_at is not None or (checkpoint_s and late_s)
    assert bool(sent.count(signal.SIGKILL)) == bool(is_ended)
    assert len(sent) <= 4
