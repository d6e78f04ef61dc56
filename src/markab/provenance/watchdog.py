"""Noticing that a process hangs: work is under way, and for long it has used no processor time.

A slow pass, also one at the lowest priority on a busy machine, uses some; one that waits for
a file system or a server that never answers uses none. A stopped process (SIGSTOP) does not
notice itself: its parent does.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HANG_S = 120.0
"""A process is looked at so often; one that has used no processor time since the last look hangs."""
LEAST_S = 0.001
"""Less processor time than this is none: looking costs some."""
HUNG = 75
"""Exit code of a process that noticed that it hangs; `EX_TEMPFAIL` of sysexits.h."""

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def processor_time_s(pid: int) -> float | None:
    """Return the processor time that a process has used; None if that is unknown here."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            words = file.read().rpartition(b")")[2].split()
        return (int(words[11]) + int(words[12])) / _TICKS_PER_S
    except (OSError, ValueError, IndexError):
        return None


class Watchdog:
    """Ends its own process when what runs in `with watching():` hangs. One thread, which sleeps."""

    def __init__(self, used_s: Callable[[], float] = time.process_time) -> None:
        """Make one; `start` starts its thread."""
        self._used_s = used_s
        self._work = 0
        """Number of the block under way; 0 between two."""
        self._count = 0
        self._seen: tuple[int, float] = (0, 0.0)
        """The block that was under way at the last look, and the processor time then."""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch what is done in the block."""
        self._count += 1
        self._work = self._count
        try:
            yield
        finally:
            self._work = 0

    def look(self) -> bool:
        """Return whether the block under way was so at the last look, and has used no processor time since."""
        (work, used_s), self._seen = self._seen, (self._work, self._used_s())
        return work > 0 and work == self._seen[0] and self._seen[1] - used_s < LEAST_S

    def start(self) -> None:
        """Look every `HANG_S` seconds; end the process with `HUNG` when it hangs."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(HANG_S)
            if self.look():
                os.write(1, f"it did nothing for {HANG_S:.0f} s\n".encode())
                os._exit(HUNG)
