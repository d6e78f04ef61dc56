"""How many jobs ran at once, and how many could have: pure functions of starts, ends and dependencies."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import partial
from itertools import count
from operator import sub


def peak(starts: Sequence[float], ends: Sequence[float]) -> int:
    """Return the maximum number of overlapping spans; one that ends when another begins does not overlap it."""
    over = partial(bisect_right, sorted(ends))
    return max(map(sub, count(1), map(over, sorted(starts))), default=0)


def earliest_ends(parents: Sequence[Sequence[int]], durations_s: Sequence[float]) -> list[float]:
    """Return when each job would end if each began at 0, or as soon as its parents had ended.

    Parents come before their children. Linear in jobs and dependencies.
    """
    ends: list[float] = []
    for above, took_s in zip(parents, durations_s, strict=True):
        ends.append((max([ends[p] for p in above]) if above else 0.0) + took_s)
    return ends


def critical_path(
    parents: Sequence[Sequence[int]], durations_s: Sequence[float], ends: Sequence[float]
) -> list[int]:
    """Return the longest chain of jobs, first job first; `ends` is the result of `earliest_ends`.

    Jobs that took no time at its end are left out; of equally long chains, the one whose jobs come first.
    """
    if not ends or (longest := max(ends)) <= 0:
        return []
    chain = [ends.index(longest)]
    while above := parents[chain[-1]]:
        latest = max(above, key=lambda p: (ends[p], -p))
        if ends[latest] <= 0:
            break
        chain.append(latest)
    return chain[::-1]
