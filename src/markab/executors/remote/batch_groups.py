"""Which attempts are submitted together: those that ask for the same, in jobs of a bounded size. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from markab.executors.base import Attempt
from markab.plan.model import BatchRequest

PACKED_S = 60.0
"""At most so long is the sum of the expected run times of attempts that run in one process."""
APART = 64
"""So many elements of a batch are made before any is given a second attempt: packing must not cost parallelism."""


LEAST_RUNTIME_S = 60.0
"""What is asked for at least: some systems count minutes."""


class GroupRequest(NamedTuple):
    """What the attempts of one batch job have in common."""

    site: str
    scratch: str
    run: str
    cores: int
    memory_mb: int
    gpus: int
    runtime_s: float
    """The time limit to ask for; 0: what the site gives by default."""
    queue: str
    project: str
    nodes: int
    processes_per_node: int
    arguments: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...]
    label: str
    """Of the workflow; a comment for people."""


class AttemptGroup(NamedTuple):
    """One batch job to be."""

    request: GroupRequest
    elements: list[list[Attempt]]

    @property
    def limit_s(self) -> float:
        """After which its worker ends the task, so that record and checkpoints are there before the limit; 0: never."""
        runtime_s = self.request.runtime_s
        return runtime_s - min(max(runtime_s / 20, 6.0), 30.0) if runtime_s else 0.0


def request_of(attempt: Attempt) -> GroupRequest:
    """Return what an attempt asks for."""
    job, batch = attempt.job, attempt.job.batch or BatchRequest()
    return GroupRequest(
        job.site,
        attempt.scratch,
        attempt.id.run,
        job.cores,
        job.memory_mb,
        job.gpus,
        job.runtime_s,
        batch.queue,
        batch.project,
        batch.nodes,
        batch.processes_per_node,
        tuple(batch.arguments),
        tuple(sorted(batch.attributes.items())),
        attempt.context.workflow,
    )


def group(attempts: Iterable[Attempt], most_elements: int) -> Iterator[AttemptGroup]:
    """Yield batch jobs for attempts: those with one request together, in their order, as many as the site allows.

    Short ones share an element, if they give their run time and there are many of them (`attempts_an_element`);
    then each element asks for the time of all its attempts.
    """
    alike: dict[GroupRequest, list[Attempt]] = {}
    for attempt in attempts:
        alike.setdefault(request_of(attempt), []).append(attempt)
    for request, members in alike.items():
        each = attempts_an_element(request.runtime_s, len(members))
        most = max(1, most_elements) * each
        for first in range(0, len(members), most):
            part = members[first : first + most]
            elements = [part[i : i + each] for i in range(0, len(part), each)]
            runtime_s = max(request.runtime_s * each, LEAST_RUNTIME_S) if request.runtime_s else 0.0
            yield AttemptGroup(request._replace(runtime_s=runtime_s), elements)


def attempts_an_element(runtime_s: float, count: int) -> int:
    """Return how many of `count` attempts with such a run time run one after the other in one process."""
    if runtime_s <= 0 or runtime_s > PACKED_S / 2:
        return 1
    return max(1, int(min(PACKED_S / runtime_s, math.ceil(count / APART))))
