"""Times of day that differ by the time that passed, whatever happens to the clock of the machine."""

import time

_PASSED = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # it counts the time asleep, too
_BEGAN = time.time() - time.clock_gettime(_PASSED)


def steady_time() -> float:
    """Return seconds since the epoch: the clock when this process began, and what has passed since."""
    return _BEGAN + time.clock_gettime(_PASSED)
