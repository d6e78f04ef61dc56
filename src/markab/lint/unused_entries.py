"""Checks of catalog entries that a workflow does not use."""

from __future__ import annotations

from collections.abc import Iterator

from markab.formatting import count
from markab.lint.finding import Found
from markab.lint.subject import Subject

_SHOWN = 3


def unused_transformations(subject: Subject) -> Iterator[Found]:
    """Find entries of the transformation catalog that no job needs."""
    if _is_part_of_tree(subject):
        return
    used = {(task.namespace, task.name or "", task.version) for task in subject.workflow.jobs}
    required = {name for t in subject.transformations.values() for name in t.requires}
    for key, transformation in subject.transformations.items():
        name = transformation.full_name
        if key not in used and name not in required and transformation.namespace != "pegasus":
            yield Found(
                "unused-transformation",
                subject.places.of("transformation", name),
                f"no job of this workflow runs transformation {name!r}",
                "remove it, if no other workflow uses this catalog",
            )


def unused_replicas(subject: Subject) -> Iterator[Found]:
    """Find entries of the replica catalog that no job reads; all of a catalog in one finding."""
    if _is_part_of_tree(subject):
        return
    staged = {t.name for t in subject.transformations.values()}
    unused = [
        replica.lfn
        for replica in subject.replicas
        if replica.lfn not in subject.uses and replica.lfn not in staged
    ]
    if unused:
        more = f" and {len(unused) - _SHOWN:,} more" if len(unused) > _SHOWN else ""
        names = ", ".join(repr(lfn) for lfn in unused[:_SHOWN])
        yield Found(
            "unused-replica",
            subject.places.of("replica", unused[0]),
            f"no job of this workflow uses {count(len(unused), 'file')} of the replica catalog: {names}{more}",
            "remove what no other workflow needs",
        )


def _is_part_of_tree(subject: Subject) -> bool:
    """Return whether other workflows are part of this one, or it of another: they may need any entry."""
    return subject.parent is not None or any(task.type != "job" for task in subject.workflow.jobs)
