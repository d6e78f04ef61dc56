"""The available executors, by the name in a site's `executor`; each is imported when a site names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack

from markab.errors import JobRejected
from markab.executors.base import Executor
from markab.plan.model import LOCAL

MakeExecutor = Callable[[], Executor]


def _make_local() -> Executor:
    from markab.executors.local import LocalExecutor

    return LocalExecutor()


def _make_htcondor() -> Executor:
    from markab.executors.htcondor.executor import HTCondorExecutor

    return HTCondorExecutor()


BACK_ENDS: Mapping[str, MakeExecutor] = {
    LOCAL: _make_local,
    "htcondor": _make_htcondor,
}


class Executors:
    """The executors of one engine: one for each back end, made when a site first names it.

    All runs share them, so no two runs are given the same GPU. Tasks may run until they are
    closed, so a run keeps its lock until then.
    """

    def __init__(self, back_ends: Mapping[str, MakeExecutor] = BACK_ENDS) -> None:
        """Start without any executor."""
        self._back_ends = back_ends
        self._made: dict[str, Executor] = {}
        self._stack = ExitStack()

    def find(self, name: str, site: str) -> Executor:
        """Return the executor with a name; `site` needs it.

        Raises:
            JobRejected: this Markab has no such back end.
        """
        make = self._back_ends.get(name)
        if make is None:
            raise JobRejected(
                f"site {site!r} needs the executor {name!r}, which this version does not have",
                hint=f"it has: {', '.join(sorted(self._back_ends))}",
            )
        executor = self._made.get(name)
        if executor is None:
            executor = self._made[name] = make()
            self._stack.callback(executor.close)
        return executor

    def has(self, name: str) -> bool:
        """Return whether there is an executor with a name."""
        return name in self._back_ends

    def close(self) -> None:
        """Close all of them. May be called twice."""
        self._stack.close()
