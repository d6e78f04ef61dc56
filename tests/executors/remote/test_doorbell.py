"""The bell by which threads of an executor wake the engine."""

from __future__ import annotations

import select
import threading

from kit.waiting import PATIENCE_S
from markab.executors.remote.doorbell import Doorbell


def can_be_heard(bell: Doorbell) -> bool:
    return bool(select.select([bell.fileno()], [], [], 0)[0])


def test_however_often_it_was_rung_it_is_heard_once() -> None:
    bell = Doorbell()
    assert not can_be_heard(bell)
    for _ in range(100_000):  # more than a pipe holds
        bell.ring()
    assert can_be_heard(bell)
    while can_be_heard(bell):
        bell.wait(0)
    bell.ring()
    assert can_be_heard(bell)
    bell.close()


def test_a_ring_of_another_thread_ends_the_waiting() -> None:
    bell = Doorbell()
    ringer = threading.Timer(0.05, bell.ring)
    ringer.start()
    waiter = threading.Thread(target=bell.wait, args=(10 * PATIENCE_S,))
    waiter.start()
    waiter.join(PATIENCE_S)
    assert not waiter.is_alive()
    bell.close()


def test_a_closed_bell_may_be_rung_and_closed_again() -> None:
    bell = Doorbell()
    bell.close()
    bell.ring()
    bell.close()
