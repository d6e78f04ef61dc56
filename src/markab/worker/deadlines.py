"""Which signal a running task gets, and when: computed from the times that are passed in."""

import signal
from typing import Optional

GRACE_S = 5.0
"""From SIGTERM to SIGKILL, as Pegasus' kickstart does it by default."""


class Deadlines(object):
    """The signals an attempt is due: for its checkpoint, for its wall time, for being cancelled.

    Times are seconds on any clock that only goes forward, the same for all calls.
    """

    __slots__ = (
        "_checkpoint",
        "_kill",
        "_wall",
        "cancelled",
        "checkpoint_grace_s",
        "grace_s",
        "is_late",
        "timed_out",
    )

    def __init__(
        self,
        start: float,
        checkpoint_s: float,
        max_wall_s: float,
        grace_s: float = GRACE_S,
        checkpoint_grace_s: float = 0.0,
    ) -> None:
        """Args: `checkpoint_grace_s` is how long a task may go on after the signal for its checkpoint; 0: for ever."""
        self.grace_s = grace_s
        self.checkpoint_grace_s = checkpoint_grace_s
        self.cancelled = False
        self.timed_out = False
        """It was ended for its wall time."""
        self.is_late = False
        """It was ended because it went on after the signal for its checkpoint."""
        self._checkpoint: Optional[float] = start + checkpoint_s if checkpoint_s else None
        self._wall: Optional[float] = start + max_wall_s if max_wall_s else None
        self._kill: Optional[float] = None

    def cancel(self, now: float) -> None:
        """End it: SIGTERM is due now, SIGKILL after the grace."""
        if not self.cancelled:
            self.cancelled = True
            self._wall = now

    def next_s(self) -> Optional[float]:
        """Return the time of the next signal, or None when none will come."""
        times = [t for t in (self._checkpoint, self._wall, self._kill) if t is not None]
        return min(times) if times else None

    def due(self, now: float) -> Optional[int]:
        """Return the signal to send now, if any; each is returned once."""
        if self._kill is not None and now >= self._kill:
            self._kill = None
            self.is_late = not (self.cancelled or self.timed_out)
            return signal.SIGKILL
        if self._wall is not None and now >= self._wall:
            self._wall = None
            self._checkpoint = None
            self.timed_out = not self.cancelled
            if self._kill is None or self._kill > now + self.grace_s:
                self._kill = now + self.grace_s
            return signal.SIGTERM
        if self._checkpoint is not None and now >= self._checkpoint:
            self._checkpoint = None
            if self.checkpoint_grace_s and self._kill is None:
                self._kill = now + self.checkpoint_grace_s
            return signal.SIGTERM
        return None
