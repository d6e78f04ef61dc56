"""The executors there are, by the name a site's `executor` gives; each is imported when a site names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from markab.executors.base import Executor, RunContext


class BackEnd(NamedTuple):
    """How to make an executor, and where it runs jobs."""

    make: Callable[[RunContext], Executor]
    is_here: bool
    """Its jobs share the slots of this machine and run as soon as they are submitted."""


def _make_local(context: RunContext) -> Executor:
    from markab.executors.local import LocalExecutor

    return LocalExecutor(context)


BACK_ENDS: Mapping[str, BackEnd] = {
    "local": BackEnd(_make_local, is_here=True),
}
