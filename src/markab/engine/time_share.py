"""A limit on the share of time that a repeated piece of work may take. Pure: times are given."""

from __future__ import annotations

MOST_SAVED_S = 0.1
"""So much time may be spent at once after a long rest."""


class TimeShare:
    """An account of time: it grows by `share` of the time that passes, and work is paid from it afterwards."""

    def __init__(self, share: float) -> None:
        """Start with the most that can be saved; `share` is a fraction of the time."""
        self._share = share
        self._saved_s = MOST_SAVED_S
        self._counted_s: float | None = None

    def may_go_on(self, now_s: float) -> bool:
        """Return whether anything is left. `now_s` is monotonic."""
        if self._counted_s is not None:
            self._saved_s = min(MOST_SAVED_S, self._saved_s + self._share * (now_s - self._counted_s))
        self._counted_s = now_s
        return self._saved_s > 0

    def spend(self, seconds: float) -> None:
        """Pay for work that took `seconds`; the account may be overdrawn by the last piece of it."""
        self._saved_s -= seconds
