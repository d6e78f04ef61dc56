"""A bell that threads of an executor ring for the engine, which waits at a descriptor."""

from __future__ import annotations

import os
import select
import threading
from contextlib import suppress

_MOST_RINGS = 65536


class Doorbell:
    """Rung by any thread, heard by one; rings that nobody has heard yet are one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard, self._rung = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._is_open = True

    def fileno(self) -> int:
        """Return the descriptor that can be read when the bell was rung."""
        return self._heard

    def ring(self) -> None:
        """Let whoever waits go on. After `close`, it does nothing."""
        with self._lock, suppress(BlockingIOError):  # it was rung often enough
            if self._is_open:
                os.write(self._rung, b"!")

    def wait(self, timeout_s: float) -> None:
        """Wait until the bell is rung, for at most `timeout_s`, and forget that it was."""
        select.select([self._heard], [], [], max(0.0, timeout_s))
        with suppress(BlockingIOError):  # it was not
            os.read(self._heard, _MOST_RINGS)

    def close(self) -> None:
        """Release the descriptors. May be called twice, and while threads still ring."""
        with self._lock:
            if self._is_open:
                self._is_open = False
                os.close(self._heard)
                os.close(self._rung)
