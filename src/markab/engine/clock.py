"""The engine's source of time, and how it waits; tests inject their own."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from markab.worker.steady_time import steady_time


def wait_readable(descriptors: Iterable[int], timeout_s: float) -> None:
    """Return when one of the descriptors can be read, or after `timeout_s`."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    poll.poll(max(0, -int(-timeout_s * 1000 // 1)))


class Clock(NamedTuple):
    """The system calls for time and waiting."""

    epoch: Callable[[], float] = steady_time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    wait_readable: Callable[[Iterable[int], float], None] = wait_readable
