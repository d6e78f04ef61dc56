"""How long a site may hold an attempt before it is withdrawn, so that a retry can start."""

from __future__ import annotations

from markab.engine.clock import Clock
from markab.executors.attempt_id import AttemptId
from markab.formatting import duration


class HoldLimit:
    """The attempts of a run that their sites hold, and those that were withdrawn for it."""

    def __init__(self, limit_s: float, clock: Clock) -> None:
        """Start with none; with a limit of 0, nothing is withdrawn."""
        self._limit_s = limit_s
        self._clock = clock
        self._held: dict[AttemptId, tuple[float, str]] = {}
        """Monotonic time when it is withdrawn, and why it is held."""
        self._withdrawn: dict[AttemptId, str] = {}

    def held(self, attempt: AttemptId, reason: str, since: float) -> None:
        """Note that an attempt is held, since a time of day; another reason does not begin it anew."""
        if self._limit_s and attempt not in self._withdrawn:
            passed_s = max(0.0, self._clock.epoch() - since)
            due_s, _ = self._held.get(attempt, (self._clock.monotonic() + self._limit_s - passed_s, ""))
            self._held[attempt] = due_s, reason

    def over(self, attempt: AttemptId) -> None:
        """Note that an attempt is not held any more."""
        self._held.pop(attempt, None)

    def withdraw(self) -> list[AttemptId]:
        """Return the attempts that were held too long since the last call; they are to be cancelled."""
        if not self._held:
            return []
        now_s = self._clock.monotonic()
        due = [attempt for attempt, (due_s, _) in self._held.items() if due_s <= now_s]
        for attempt in due:
            self._withdrawn[attempt] = self._held.pop(attempt)[1]
        return due

    def ended(self, attempt: AttemptId) -> str:
        """Return why an attempt that has ended was withdrawn, as text for its record; "" if it was not."""
        self._held.pop(attempt, None)
        reason = self._withdrawn.pop(attempt, None)
        return "" if reason is None else f"its site held it for {duration(self._limit_s)}: {reason}"
