"""Why a job that waits does so: parents, a slot, a throttle, the pause before a retry, or a halt.

The engine tells nobody what it thinks; this is worked out from the plan and the
journal, by the engine's own limits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from markab.engine.scheduler import CHORES_AT_ONCE
from markab.formatting import count, duration, size
from markab.journal.history import History
from markab.journal.lifecycle import State
from markab.plan.model import Kind
from markab.plan.plan_file import JobOutline, PlanFile

EXAMPLES = 3


@dataclass
class Waiting:
    """Jobs that wait for the same kind of thing."""

    word: str
    """`parents`, `failed-parent`, `retry`, `slot`, `throttle`, `halt`, `held`, `turn` or `engine`."""
    reason: str
    """In words: of all of them."""
    jobs: int = 0
    examples: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Return it in a line."""
        more = ", …" if self.jobs > len(self.examples) else ""
        return f"{count(self.jobs, 'job')}: {self.reason} ({', '.join(self.examples)}{more})"

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {"why": self.word, "reason": self.reason, "jobs": self.jobs, "examples": self.examples}


class Waits:
    """Tells why jobs of one run wait, as things stand."""

    def __init__(self, plan: PlanFile, history: History, state: str, now: float, held: str = "") -> None:
        """Look at a run; `state` and `held` are those of its `Status`."""
        self._plan = plan
        self._history = history
        self._state = state
        self._now = now
        self._held = held
        self._outline: Sequence[JobOutline] = plan.outline
        alive = [self._outline[position] for position in history.under_way] if state == "Running" else []
        local = {name for name, site in plan.header.sites.items() if site.executor == "local"} or {"local"}
        here = [job for job in alive if job.kind is Kind.COMPUTE and job.site in local]
        self._local = local
        self._used = (
            sum(max(1, job.cores) for job in here),
            sum(job.memory_mb for job in here),
            sum(job.gpus for job in here),
        )
        self._alive = len(alive)
        self._categories = Counter(map(self._throttle, alive))
        self._doomed = self._below_failed()

    def of(self, position: int) -> Waiting | None:
        """Return why a job waits; None: it does not, for it is under way or over."""
        history, job = self._history, self._outline[position]
        state = history.states[position]
        if state in (State.SUCCEEDED, State.FAILED) or position in history.under_way:
            return None
        if self._doomed[position]:
            return Waiting("failed-parent", "a job before it failed")
        left = [parent for parent in job.parents if history.states[parent] != State.SUCCEEDED]
        if left:
            return Waiting("parents", "waiting for its parents" if len(left) > 1 else "waiting for a parent")
        if self._state == "Not started":
            return Waiting("engine", "the run is not started yet")
        if self._state != "Running":
            return Waiting("engine", "no engine is at work on the run")
        if history.asked:
            return Waiting("halt", "nothing new is started: a halt was asked for")
        if self._held:
            return Waiting("held", "nothing new is started: what happens cannot be recorded")
        if (until := history.paused.get(position, 0.0)) > self._now:
            return Waiting("retry", f"pausing before a retry, up to {duration(until - self._now)}")
        return self._room(job)

    def groups(self) -> list[Waiting]:
        """Return all reasons why jobs wait, the most common first."""
        found: dict[tuple[str, str], Waiting] = {}
        for position, job in enumerate(self._outline):
            if (why := self.of(position)) is None:
                continue
            key = (why.word, why.reason if why.word != "retry" else "")
            group = found.setdefault(key, why)
            group.jobs += 1
            if why.word == "retry" and why.reason > group.reason:
                group.reason = why.reason
            if len(group.examples) < EXAMPLES:
                group.examples.append(job.id)
        return sorted(found.values(), key=lambda group: -group.jobs)

    def _room(self, job: JobOutline) -> Waiting:
        most = self._plan.header.max_jobs
        if most and most > 0 and self._alive >= most:
            return Waiting("throttle", f"throttled: {count(most, 'job')} may run at once (dagman.maxjobs)")
        category, limit = self._throttle(job), self._limit(job)
        if limit and self._categories[category] >= limit:
            named = f"of category {job.category!r}" if not category[1] else "that only move or tidy files"
            return Waiting("throttle", f"throttled: {count(limit, 'job')} {named} may run at once")
        if job.kind is Kind.COMPUTE and job.site in self._local:
            asked = (max(1, job.cores), job.memory_mb, job.gpus)
            units = ("cores", "memory", "GPUs")
            for unit, wants, used, room in zip(units, asked, self._used, self._history.room, strict=True):
                if room and wants and used + min(wants, room) > room:
                    shown = (
                        f"{size(used * 2**20)} of {size(room * 2**20)}"
                        if unit == "memory"
                        else f"{used} of {room}"
                    )
                    return Waiting("slot", f"waiting for a slot: {unit}, {shown} in use")
        return Waiting("turn", "ready: about to start")

    def _throttle(self, job: JobOutline) -> tuple[str, bool]:
        """Return what limits it: a category, or (True) what all chores without a limited one share."""
        is_chore = job.kind is not Kind.COMPUTE and self._plan.header.limits.get(job.category, 0) < 1
        return ("", True) if is_chore else (job.category, False)

    def _limit(self, job: JobOutline) -> int:
        return CHORES_AT_ONCE if self._throttle(job)[1] else self._plan.header.limits.get(job.category, 0)

    def _below_failed(self) -> bytearray:
        states = self._history.states
        doomed = bytearray(len(states))
        if not self._history.count(State.FAILED):
            return doomed
        for position, job in enumerate(self._outline):
            if states[position] != State.SUCCEEDED:
                doomed[position] = any(
                    doomed[parent] or states[parent] == State.FAILED for parent in job.parents
                )
        return doomed
