"""Why the jobs of a run wait, as text and in groups.

The engine publishes no reasons. They come from a scheduler that is rebuilt from the
journal, so the rules are those by which the engine decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from markab.engine.ready_queues import NO_LIMIT
from markab.engine.scheduler import Scheduler
from markab.engine.slots import Slots
from markab.engine.waiting_reason import WaitingReason, Why
from markab.formatting import count, duration, size
from markab.journal.history import AttemptUnderWay, History
from markab.journal.lifecycle import State
from markab.plan.model import SUB_WORKFLOWS
from markab.plan.plan_file import PlanFile, with_memory

EXAMPLES = 3
RUN = ""
GIVEN_UP = (State.FAILED, State.INCOMPLETE)
"""States after an attempt that is the last of a call of the engine."""

UNITS = {"cores": "cores", "memory_mb": "memory", "gpus": "GPUs"}
"""Resource → its name in messages."""


@dataclass
class Waiting:
    """Jobs that wait for the same reason."""

    word: str
    """`parents`, `failed-parent`, `retry`, `slot`, `throttle`, `halt`, `held`, `on-hold`, `queue`, `space`, `turn` or `engine`."""
    reason: str
    """The reason as text; it holds for all of them."""
    jobs: int = 0
    examples: list[str] = field(default_factory=list)
    """Names of the first few."""
    titles: list[str] = field(default_factory=list)
    """The same, with their labels."""
    pause_s: float = 0.0
    """The longest pause before a retry that is left to one of them."""

    def line(self) -> str:
        """Return it in a line."""
        more = ", …" if self.jobs > len(self.examples) else ""
        return f"{count(self.jobs, 'job')}: {self.reason} ({', '.join(self.titles)}{more})"

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {"why": self.word, "reason": self.reason, "jobs": self.jobs, "examples": self.examples}


class WaitingReasons:
    """Why the jobs of one run wait, at the time of its last reading."""

    def __init__(
        self,
        plan: PlanFile,
        history: History,
        state: str,
        now: float,
        held: str = "",
        on_hold: Mapping[str, str] | None = None,
        in_queue: Mapping[str, str] | None = None,
    ) -> None:
        """Rebuild the scheduler of a run; `state`, `held`, `on_hold` and `in_queue` are those of its `Status`."""
        self._plan = plan
        self._history = history
        self._state = state
        self._now = now
        self._held = held
        self._on_hold = on_hold or {}
        self._in_queue = in_queue or {}
        self._scheduler = rebuilt_scheduler(plan, history, now, is_running=state == "Running")

    def of(self, position: int) -> Waiting | None:
        """Return why a job waits; None: it is under way, or has ended."""
        if (attempt := self._history.under_way.get(position)) is not None:
            return self._at_site(position, attempt)
        reason = self._scheduler.why_waiting(RUN, position)
        if reason is None:
            return None
        if reason.why is Why.FAILED_PARENT:
            return Waiting("failed-parent", "skipped: a job before it failed")
        if reason.why is Why.PARENTS:
            return Waiting("parents", f"waiting for {'its parents' if reason.parents > 1 else 'a parent'}")
        if self._state == "Not started":
            return Waiting("engine", "the run is not started yet")
        if self._state == "Refused":
            return Waiting("engine", "the run was refused")
        if self._state != "Running" and (found := self._history.no_room) is not None:
            return Waiting("space", found.why if found.job == position else "no job had room in scratch")
        if self._state != "Running":
            return Waiting("engine", "no engine is running")
        if reason.why is Why.STOPPED:
            if self._history.requested_stop:
                return Waiting("halt", "nothing new is started: a halt was requested")
            return Waiting("fail-fast", "nothing new is started: a job failed, and --fail-fast was given")
        if self._held:
            return Waiting("held", "nothing new is started: the run cannot be recorded")
        if reason.why is Why.PAUSE:
            left_s = self._history.paused[position] - self._now
            return Waiting("retry", f"pausing before a retry, up to {duration(left_s)}", pause_s=left_s)
        if (
            reason.why is Why.TURN
            and self._plan.header.scratch
            and self._plan.job(position).space is not None
        ):
            return Waiting("space", "waiting for room in the scratch directory, which has a bound")
        return _limited(reason)

    def _at_site(self, position: int, attempt: AttemptUnderWay) -> Waiting | None:
        """Return why an attempt does not run that its site has, in the site's own words; None: it runs."""
        job = self._plan.outline[position].id
        is_running = self._state == "Running"
        if why := self._on_hold.get(job) or (attempt.reason if is_running else ""):
            return Waiting("on-hold", f"held by its site: {why}")
        is_queued = self._history.states[position] == State.QUEUED and is_running
        if not is_queued or attempt.site == SUB_WORKFLOWS:
            return None
        text = self._in_queue.get(job)
        return Waiting("queue", f"in the queue of site {attempt.site!r}" + (f": {text}" if text else ""))

    def groups(self) -> list[Waiting]:
        """Return all reasons why jobs wait, the most common first."""
        found: dict[tuple[str, str], Waiting] = {}
        for position, job in enumerate(self._plan.outline):
            if (why := self.of(position)) is None:
                continue
            key = (why.word, why.reason if why.word != "retry" else "")
            group = found.setdefault(key, why)
            group.jobs += 1
            if why.pause_s > group.pause_s:
                group.reason, group.pause_s = why.reason, why.pause_s
            if len(group.examples) < EXAMPLES:
                group.examples.append(job.id)
                group.titles.append(self._plan.title(position))
        return sorted(found.values(), key=lambda group: -group.jobs)


def rebuilt_scheduler(plan: PlanFile, history: History, now: float, *, is_running: bool) -> Scheduler:
    """Return a scheduler whose run `RUN` is in the state that the journal records; unknown limits are infinite.

    Attempts that never ended count only while an engine is running.
    """
    scheduler = Scheduler(Slots(*(room or NO_LIMIT for room in history.room)))
    header, states = plan.header, history.states
    scheduler.add(
        RUN,
        with_memory(plan.outline, history.memory_mb),
        limits=header.limits,
        max_jobs=history.max_jobs or header.max_jobs,
        max_idle=header.max_idle,
        keep_going=history.keep_going,
        succeeded=[state == State.SUCCEEDED for state in states],
        under_way=history.under_way if is_running else (),
        failed=[position for position, state in enumerate(states) if state in GIVEN_UP],
        paused=[position for position, until in history.paused.items() if until > now],
        served=history.served,
        remote_sites=header.remote_sites,
    )
    if history.requested_stop:
        scheduler.halt(RUN)
    return scheduler


def _limited(reason: WaitingReason) -> Waiting:
    """Return the limit for which a ready job waits."""
    limit = count(reason.limit, "job")
    match reason.why:
        case Why.MAX_JOBS:
            return Waiting("throttle", f"throttled: {limit} may run at once (dagman.maxjobs)")
        case Why.MAX_IDLE:
            return Waiting("throttle", f"throttled: {limit} may wait in the queues of sites (dagman.maxidle)")
        case Why.CATEGORY:
            return Waiting("throttle", f"throttled: {limit} of category {reason.category!r} may run at once")
        case Why.AUXILIARY:
            return Waiting("throttle", f"throttled: {limit} that only move or tidy files may run at once")
        case Why.SLOT:
            shown = f"{reason.used} of {reason.total}"
            if reason.resource == "memory_mb":
                shown = f"{size(reason.used * 2**20)} of {size(reason.total * 2**20)}"
            return Waiting("slot", f"waiting for a slot: {UNITS[reason.resource]}, {shown} in use")
        case Why.RESERVED:
            return Waiting("slot", "waiting for a slot: what is free is kept for a larger job")
    return Waiting("turn", "ready: about to start")
