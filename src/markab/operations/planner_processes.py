"""Several processes that plan the sub-workflows of a run at a time, as its engine sees them: as many as there are cores to spare."""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence

from markab.engine.child_planner import ChildPlanner, PlanAnswer, PlanRequest
from markab.executors.attempt_id import AttemptId
from markab.operations.planner_process import PlannerProcess

AT_MOST = 4
"""Processes; each needs the memory of one planning."""
ENOUGH = 3
"""Another process is started when each of those there are has so many to plan: starting one takes longer than planning a few."""


def planners_for(cores: int) -> int:
    """Return how many processes may plan on a machine with so many cores: the engine has one for itself."""
    return max(1, min(AT_MOST, cores - 1))


class PlannerProcesses:
    """See `ChildPlanner`."""

    def __init__(self, most: int, make: Callable[[], ChildPlanner] = PlannerProcess) -> None:
        """Make them; no process is started yet."""
        self._planners = [make() for _ in range(most)]
        self._pending: list[set[AttemptId]] = [set() for _ in range(most)]
        self._poll = select.epoll()
        for planner in self._planners:
            self._poll.register(planner.fileno(), select.EPOLLIN)

    def request(self, request: PlanRequest) -> None:
        """See `ChildPlanner.request`: the first process that has little to do gets it, else the one with least."""
        loads = [len(pending) for pending in self._pending]
        free = (number for number, load in enumerate(loads) if load < ENOUGH)
        number = next(free, loads.index(min(loads)))
        self._pending[number].add(request.attempt)
        self._planners[number].request(request)

    def answers(self) -> Sequence[PlanAnswer]:
        """See `ChildPlanner.answers`."""
        found: list[PlanAnswer] = []
        for planner, pending in zip(self._planners, self._pending, strict=True):
            if pending:
                answers = planner.answers()
                pending.difference_update(answer.attempt for answer in answers)
                found += answers
        return found

    def fileno(self) -> int:
        """See `ChildPlanner.fileno`."""
        return self._poll.fileno()

    def close(self) -> None:
        """See `ChildPlanner.close`."""
        for planner in self._planners:
            planner.close()
        if not self._poll.closed:
            self._poll.close()
