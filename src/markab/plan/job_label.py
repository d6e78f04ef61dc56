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
