"""The available executors, by the name in a site's `executor`; each is imported when a site names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack

from markab.errors import JobRejected
from markab.executors.base import Executor
from markab.executors.remote.batch_systems import LANGUAGES, language
from markab.plan.model import LOCAL, PlanSite

MakeExecutor = Callable[[PlanSite], Executor]


def _make_local(site: PlanSite) -> Executor:
    from markab.executors.local import LocalExecutor

    return LocalExecutor()


def _make_batch(site: PlanSite) -> Executor:
    from markab.executors.batch_executor import BatchExecutor
    from markab.executors.remote.command_runner import CommandRunner
    from markab.executors.remote.command_service import CommandService

    return BatchExecutor(CommandService(language(site.executor), CommandRunner(site.contact)))


def _make_kubernetes(site: PlanSite) -> Executor:
    from markab.executors.batch_executor import BatchExecutor
    from markab.executors.kubernetes.cluster import KubernetesCluster

    return BatchExecutor(KubernetesCluster(site.contact))


def _make_aws_batch(site: PlanSite) -> Executor:
    from markab.executors.aws_batch.region import AwsBatchRegion
    from markab.executors.batch_executor import BatchExecutor

    return BatchExecutor(AwsBatchRegion(site.contact))


def _make_htcondor(site: PlanSite) -> Executor:
    from markab.executors.htcondor.executor import HTCondorExecutor

    return HTCondorExecutor(site.contact)


BACK_ENDS: Mapping[str, MakeExecutor] = {
    LOCAL: _make_local,
    "htcondor": _make_htcondor,
    "kubernetes": _make_kubernetes,
    "aws-batch": _make_aws_batch,
    **dict.fromkeys(LANGUAGES, _make_batch),
}


class Executors:
    """The executors of one engine: one for each back end and contact, made when a site first names it.

    All runs share them, so no two runs are given the same GPU. Tasks may run until they are
    closed, so a run keeps its lock until then.
    """

    def __init__(self, back_ends: Mapping[str, MakeExecutor] = BACK_ENDS) -> None:
        """Start without any executor."""
        self._back_ends = back_ends
        self._made: dict[tuple[str, str], Executor] = {}
        self._stack = ExitStack()

    def find(self, site: PlanSite, name: str) -> Executor:
        """Return the executor of a site with a name.

        Raises:
            JobRejected: this Markab has no such back end, or it cannot run jobs with the directories of the site.
        """
        make = self._back_ends.get(site.executor)
        if make is None:
            raise JobRejected(
                f"site {name!r} needs the executor {site.executor!r}, which this version does not have",
                hint=f"it has: {', '.join(sorted(self._back_ends))}",
            )
        key = site.executor, site.contact
        executor = self._made.get(key)
        if executor is None:
            executor = self._made[key] = make(site)
            self._stack.callback(executor.close)
        return executor

    def has(self, name: str) -> bool:
        """Return whether there is an executor with a name."""
        return name in self._back_ends

    def close(self) -> None:
        """Close all of them. May be called twice."""
        self._stack.close()
