"""The order in which the tasks of an attempt run: one after the other, or several at once on the cores of their job. Pure.

Tasks are taken as a series: they run one after the other, without anybody asking in between, until one fails. A task
whose streams are connected to files is a series by itself: they are opened when it starts.
"""

from collections import deque
from heapq import heapify, heappop, heappush
from typing import Any, Deque, Dict, List, Set, Tuple, Union

Task = Dict[str, Any]

MOST = 32
"""Tasks in a series."""
_LOOKED_AT = 100
"""Ready tasks among which one is looked for that fits."""


class InSequence(object):
    """One task at a time, in the order of the job; one whose predecessors did not all end well is left out."""

    def __init__(self, tasks: List[Task]) -> None:
        self._waiting: Deque[Task] = deque(tasks)
        self._under_way: Dict[str, Task] = {}
        self._ended_well: Set[str] = set()

    def take(self, most: int = MOST) -> List[Task]:
        """Return the tasks that are started now, `most` at most; nothing while others are under way."""
        series: List[Task] = []
        if self._under_way:
            return series
        while self._waiting and len(series) < most:
            alone = has_own_streams(self._waiting[0])
            if alone and series:
                break
            task = self._waiting.popleft()
            if all(one in self._ended_well or one in self._under_way for one in task.get("after") or ()):
                self._under_way[task["id"]] = task
                series.append(task)
                if alone:
                    break
        return series

    @property
    def is_idle(self) -> bool:
        """No task is under way."""
        return not self._under_way

    def ended(self, task: str, well: bool) -> None:
        """Note that a task which was taken has ended."""
        del self._under_way[task]
        if well:
            self._ended_well.add(task)

    def give_back(self, tasks: List[Task]) -> None:
        """Take tasks back that were not started after all; those of one series, in their order."""
        for task in reversed(tasks):
            self._waiting.appendleft(self._under_way.pop(task["id"]))


class _Lane(object):
    """A series that runs: it holds what one of its tasks needs."""

    __slots__ = ("left", "needs")

    def __init__(self, needs: Tuple[int, int], left: int) -> None:
        self.needs = needs
        self.left = left
        """Tasks of it that have not ended."""


class OnCores(object):
    """As many tasks at a time as the cores and the memory of the job allow.

    A task is ready when all before it have ended well. Of those that fit, the one with the highest priority comes
    first, then the one that stands first in the job.

    Args:
        memory_mb: 0: not limited.
    """

    def __init__(self, tasks: List[Task], cores: int, memory_mb: int) -> None:
        self._tasks = tasks
        self._cores = cores
        self._free = [cores, memory_mb]
        self._has_memory = bool(memory_mb)
        self._position = {task["id"]: position for position, task in enumerate(tasks)}
        self._missing = [sum(one in self._position for one in task.get("after") or ()) for task in tasks]
        self._children: List[List[int]] = [[] for _ in tasks]
        for position, task in enumerate(tasks):
            for one in task.get("after") or ():
                if one in self._position:
                    self._children[self._position[one]].append(position)
        self._ready = [self._rank(position) for position, missing in enumerate(self._missing) if not missing]
        heapify(self._ready)
        self._lanes: Dict[str, _Lane] = {}

    def take(self, most: int = MOST) -> List[Task]:
        """Return tasks that are started now, `most` at most; nothing if none is ready that fits."""
        passed: List[Tuple[int, int]] = []
        series: List[Task] = []
        lane = None
        length = 1
        while self._ready and self._free[0] > 0 and len(series) < length and len(passed) < _LOOKED_AT:
            rank = heappop(self._ready)
            task = self._tasks[rank[1]]
            needs = _needs(task)
            if lane is None and self._fits(needs):
                lane = _Lane(needs, 0)
                if not has_own_streams(task):
                    # The last series are short, so that all cores are at work until the end.
                    length = min(most, 1 + len(self._ready) // (2 * max(1, self._cores // needs[0])))
            elif lane is None or lane.needs != needs or has_own_streams(task):
                passed.append(rank)
                continue
            series.append(task)
            self._lanes[task["id"]] = lane
            lane.left += 1
        for rank in passed:
            heappush(self._ready, rank)
        if lane is not None:
            self._hold(lane.needs, -1)
        return series

    @property
    def is_idle(self) -> bool:
        """No task is under way."""
        return not self._lanes

    def ended(self, task: str, well: bool) -> None:
        """Note that a task which was taken has ended."""
        self._leave(task)
        for child in self._children[self._position[task]] if well else ():
            self._missing[child] -= 1
            if not self._missing[child]:
                heappush(self._ready, self._rank(child))

    def give_back(self, tasks: List[Task]) -> None:
        """Take tasks back that were not started after all."""
        for task in tasks:
            self._leave(task["id"])
            heappush(self._ready, self._rank(self._position[task["id"]]))

    def _rank(self, position: int) -> Tuple[int, int]:
        return -(self._tasks[position].get("priority") or 0), position

    def _fits(self, needs: Tuple[int, int]) -> bool:
        return needs[0] <= self._free[0] and (not self._has_memory or needs[1] <= self._free[1])

    def _hold(self, needs: Tuple[int, int], sign: int) -> None:
        for number, need in enumerate(needs):
            self._free[number] += sign * need

    def _leave(self, task: str) -> None:
        lane = self._lanes.pop(task)
        lane.left -= 1
        if not lane.left:
            self._hold(lane.needs, 1)


TaskOrder = Union[InSequence, OnCores]


def order_of(job: Dict[str, Any]) -> TaskOrder:
    """Return the order of the tasks of a job; see `tasks_at_once` of a planned job."""
    tasks: List[Task] = list(job.get("tasks") or ())
    if job.get("tasks_at_once"):
        return OnCores(tasks, job.get("cores", 1), job.get("memory_mb", 0))
    return InSequence(tasks)


def has_own_streams(task: Task) -> bool:
    """Return whether a stream of a task is connected to a file."""
    return bool(task.get("stdin") or task.get("stdout") or task.get("stderr"))


def _needs(task: Task) -> Tuple[int, int]:
    return task.get("cores") or 1, task.get("memory_mb") or 0
