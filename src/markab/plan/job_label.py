"""The label of a job, from the labels that the user gave to its tasks. Pure."""

from __future__ import annotations

from collections.abc import Iterable

NAMED = 3
"""A cluster with more different labels has the first of them, and the number of the others."""


def joined_labels(labels: Iterable[str]) -> str:
    """Return the label of a job that runs tasks with these labels; empty if none of them has one."""
    found = [*dict.fromkeys(filter(None, labels))]
    if len(found) <= NAMED:
        return " + ".join(found)
    return f"{' + '.join(found[: NAMED - 1])} + {len(found) - NAMED + 1:,} more"


def is_called(name: str, label: str, transformation: str) -> bool:
    """Return whether a name is a label, or a transformation with or without namespace and version."""
    local = transformation.rpartition("::")[2]
    return bool(name) and name in (label, transformation, local, local.partition(":")[0])
