"""Dependencies between jobs: those that the author gave, and those that files imply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from markab.api.errors import DuplicateError
from markab.api.job import AbstractJob
from markab.api.warnings import warn


class JobDependency:
    """The children that the author of a workflow gave to one job, in the order given."""

    def __init__(self, parent_id: str) -> None:
        self.parent_id = parent_id
        self.children_ids: dict[str, None] = {}

    def add(self, child_id: str) -> None:
        """Add one child.

        Raises:
            DuplicateError: it is a child already.
        """
        if child_id in self.children_ids:
            raise DuplicateError(f"job {child_id!r} already waits for job {self.parent_id!r}")
        self.children_ids[child_id] = None


def edges(
    jobs: Mapping[str, AbstractJob], given: Mapping[str, JobDependency], infer: bool
) -> list[tuple[str, list[str]]]:
    """Return (parent, children) of every job that has children, all in the order of `jobs`, each edge once.

    With `infer`, a job that reads a file waits for the job that makes it; stdin,
    stdout and stderr count, checkpoints do not.

    Two makers of one file give a warning, and its readers wait for the last one; a job
    that is in `given` only gives a warning, and comes after those of `jobs`: the planner
    refuses both.
    """
    ids = [*jobs, *_strangers(jobs, given)]
    number = len(ids)
    # An edge is one int, parent * number + child: a million of them take 40 MB and sort in a second.
    links = set(_given(ids, given))
    if infer:
        links.update(_inferred(jobs, number))
    return [
        (ids[parent], [ids[link % number] for link in group])
        for parent, group in groupby(sorted(links), key=lambda link: link // number)
    ]


def to_data(parents: list[tuple[str, list[str]]]) -> Iterator[dict[str, Any]]:
    """Yield the entries of `jobDependencies:`."""
    for parent, children in parents:
        yield {"id": parent, "children": children}


def _strangers(jobs: Mapping[str, AbstractJob], given: Mapping[str, JobDependency]) -> list[str]:
    """Return the ids in `given` that no job has, each once, and warn of them."""
    found: dict[str, None] = {}
    for parent, dependency in given.items():
        for child in dependency.children_ids:
            for id, other, role in ((parent, child, "before"), (child, parent, "after")):
                if id not in jobs and id not in found:
                    found[id] = None
                    warn(
                        f"job {id!r} is to run {role} job {other!r}, but the workflow has no job {id!r}, "
                        "so it cannot be planned: add it with add_jobs"
                    )
    return list(found)


def _given(ids: list[str], given: Mapping[str, JobDependency]) -> Iterator[int]:
    if not given:
        return
    position = {id: index for index, id in enumerate(ids)}
    for parent, dependency in given.items():
        for child in dependency.children_ids:
            yield position[parent] * len(ids) + position[child]


def _inferred(jobs: Mapping[str, AbstractJob], number: int) -> Iterator[int]:
    maker: dict[str, int] = {}
    for index, job in enumerate(jobs.values()):
        for lfn, use in job._uses.items():
            if use.type == "output":
                if lfn in maker:
                    first = list(jobs)[maker[lfn]]
                    warn(
                        f"file {lfn!r} is made by job {first!r} ({jobs[first]!r}) and by job {job._id!r} ({job!r}), "
                        "so the workflow cannot be planned: give each output a name of its own"
                    )
                maker[lfn] = index
    for index, job in enumerate(jobs.values()):
        for lfn, use in job._uses.items():
            if use.type == "input" and lfn in maker:
                yield maker[lfn] * number + index
