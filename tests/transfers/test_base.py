"""Calls that block, and are cut when a transfer is cancelled."""

from __future__ import annotations

import threading

import pytest

from markab.transfers.base import Cancelled, check_stop, interruptible


def test_a_call_that_blocks_is_cut_when_it_is_cancelled() -> None:
    stop, cut = threading.Event(), threading.Event()

    def blocks() -> None:
        stop.set()
        cut.wait(60)

    with pytest.raises(Cancelled):
        interruptible(blocks, stop, cut.set)

    assert cut.is_set()
    cut.set()


def test_a_call_that_nothing_cuts_goes_on_by_itself() -> None:
    stop, released = threading.Event(), threading.Event()

    def blocks() -> None:
        stop.set()
        released.wait(60)

    with pytest.raises(Cancelled):
        interruptible(blocks, stop, lambda: None)
    released.set()


@pytest.mark.parametrize("stop", [None, threading.Event()])
def test_what_a_call_returns_or_raises_is_that_of_the_call(stop: threading.Event | None) -> None:
    def fails() -> None:
        raise KeyError("x")

    assert interruptible(lambda: 5, stop, lambda: pytest.fail("it was not cancelled")) == 5
    with pytest.raises(KeyError):
        interruptible(fails, stop, lambda: pytest.fail("it was not cancelled"))


def test_a_transfer_that_is_not_to_stop_goes_on() -> None:
    stop = threading.Event()
    check_stop(None)
    check_stop(stop)
    stop.set()
    with pytest.raises(Cancelled):
        check_stop(stop)
