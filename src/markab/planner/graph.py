"""Directed graphs as flat lists of ints: order, levels, cycles.

A graph of n nodes is `parents`, a list of n lists of node numbers. A million
nodes are a few hundred megabytes this way, and every pass is a plain loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush


def children_of(parents: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return, for each node, its children, ascending."""
    children: list[list[int]] = [[] for _ in parents]
    for node, its_parents in enumerate(parents):
        for parent in its_parents:
            children[parent].append(node)
    return children


def levels_of(parents: Sequence[Sequence[int]]) -> list[int] | None:
    """Return each node's depth: 0 without parents, else one more than its deepest parent. None: a cycle.

    Time is linear in nodes plus edges (Kahn 1962). Where parents have lower numbers than their children, as in most documents, one
    walk in the order of the numbers is enough.
    """
    levels: list[int] = []
    for node, its_parents in enumerate(parents):
        if not its_parents:
            levels.append(0)
        elif len(its_parents) == 1 and its_parents[0] < node:
            levels.append(levels[its_parents[0]] + 1)
        elif max(its_parents) < node:
            levels.append(max([levels[parent] for parent in its_parents]) + 1)
        else:
            return _levels_in_any_order(parents)
    return levels


def _levels_in_any_order(parents: Sequence[Sequence[int]]) -> list[int] | None:
    missing = [len(its_parents) for its_parents in parents]
    children = children_of(parents)
    level = [0] * len(parents)
    ready = [node for node, count in enumerate(missing) if not count]
    for node in ready:  # grows while it is walked
        below = level[node] + 1
        for child in children[node]:
            if below > level[child]:
                level[child] = below
            missing[child] -= 1
            if not missing[child]:
                ready.append(child)
    return level if len(ready) == len(parents) else None


def find_cycle(parents: Sequence[Sequence[int]]) -> list[int]:
    """Return the nodes of one cycle, each a parent of the next; empty if there is none."""
    missing = [len(its_parents) for its_parents in parents]
    children = children_of(parents)
    ready = [node for node, count in enumerate(missing) if not count]
    for node in ready:
        for child in children[node]:
            missing[child] -= 1
            if not missing[child]:
                ready.append(child)
    stuck = {node for node, count in enumerate(missing) if count}
    if not stuck:
        return []
    # Every stuck node has a stuck parent, so walking up must come to a node a second time.
    seen: dict[int, int] = {}
    walk: list[int] = []
    node = min(stuck)
    while node not in seen:
        seen[node] = len(walk)
        walk.append(node)
        node = min(parent for parent in parents[node] if parent in stuck)
    cycle = walk[seen[node] :][::-1]
    first = cycle.index(min(cycle))
    return cycle[first:] + cycle[:first]


def topological_order(parents: Sequence[Sequence[int]], rank: Sequence[float]) -> list[int]:
    """Return the nodes, parents before children, lower `rank` first where there is a choice.

    Ties go to the lower node number, so the order is always the same.

    Raises:
        ValueError: there is a cycle.
    """
    missing = [len(its_parents) for its_parents in parents]
    children = children_of(parents)
    ready = [(rank[node], node) for node, count in enumerate(missing) if not count]
    heapify(ready)
    order = []
    while ready:
        _, node = heappop(ready)
        order.append(node)
        for child in children[node]:
            missing[child] -= 1
            if not missing[child]:
                heappush(ready, (rank[child], child))
    if len(order) < len(parents):
        raise ValueError("the graph has a cycle")
    return order


def sorted_unique(nodes: Iterable[int]) -> list[int]:
    """Return the numbers once each, ascending."""
    return sorted(set(nodes))
