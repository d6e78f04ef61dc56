"""Positions of boxes and edges: a layered layout, after Sugiyama, Tagawa and Toda (1981).

Levels are given. Edges over several levels get a bend on each level between;
sweeps that sort every level by the mean position of its neighbours remove most
crossings; then boxes are moved as near to their neighbours as their widths
allow, which per level is a least-squares problem with an exact linear solution
(isotonic regression). Time is about linear in boxes, edges and bends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

GAP = 22.0
"""Between boxes of one level."""
LEVEL_GAP = 46.0
BEND_WIDTH = 6.0
BENDS = 60_000
"""With more bends than this, long edges are straight lines."""
SWEEPS = 12

Point = tuple[float, float]


@dataclass
class Layout:
    """Centres of boxes, and the points of each edge, top to bottom."""

    centers: list[Point]
    routes: list[list[Point]]
    width: float
    height: float


def lay_out(
    levels: Sequence[int], edges: Sequence[tuple[int, int]], sizes: Sequence[tuple[float, float]]
) -> Layout:
    """Return a layout of boxes of these sizes; each edge joins two levels."""
    if not levels:
        return Layout([], [], 0.0, 0.0)
    count = len(levels)
    level_of, widths = list(levels), [width for width, _ in sizes]
    chains: list[list[int]] = []
    total_bends = sum(abs(levels[head] - levels[tail]) - 1 for tail, head in edges)
    for tail, head in edges:
        step = 1 if levels[head] > levels[tail] else -1
        between: Sequence[int] = range(levels[tail] + step, levels[head], step)
        if total_bends > BENDS or levels[tail] == levels[head]:
            between = ()
        first = len(level_of)
        level_of += between
        widths += [BEND_WIDTH] * len(between)
        chains.append([tail, *range(first, len(level_of)), head])
    neighbours: list[list[int]] = [[] for _ in level_of]
    for chain in chains:
        for one, other in pairwise(chain):
            neighbours[one].append(other)
            neighbours[other].append(one)
    above = [[n for n in ns if level_of[n] < level_of[v]] for v, ns in enumerate(neighbours)]
    below = [[n for n in ns if level_of[n] > level_of[v]] for v, ns in enumerate(neighbours)]
    rows: list[list[int]] = [[] for _ in range(max(level_of) + 1)]
    for node in _from_top(level_of, below):
        rows[level_of[node]].append(node)
    sweeps = SWEEPS if len(level_of) < 20_000 else 4
    _sort_rows(rows, above, below, sweeps)
    x = _place(rows, widths, above, below, sweeps)
    tops, y = [], 0.0
    for row in rows:
        height = max((sizes[node][1] for node in row if node < count), default=0.0)
        tops.append(y + height / 2)
        y += height + LEVEL_GAP
    left = min(x[node] - widths[node] / 2 for node in range(len(x)))
    right = max(x[node] + widths[node] / 2 for node in range(len(x)))
    points = [(x[node] - left, tops[level_of[node]]) for node in range(len(x))]
    routes = [[points[node] for node in chain] for chain in chains]
    return Layout(points[:count], routes, right - left, y - LEVEL_GAP)


def _from_top(level_of: Sequence[int], below: Sequence[Sequence[int]]) -> list[int]:
    """Return all nodes in depth-first order from the roots, so that relatives start side by side."""
    order, seen = [], bytearray(len(level_of))
    for root in sorted(range(len(level_of)), key=level_of.__getitem__):
        stack = [root]
        while stack:
            node = stack.pop()
            if not seen[node]:
                seen[node] = 1
                order.append(node)
                stack += reversed(below[node])
    return order


def _sort_rows(
    rows: list[list[int]], above: Sequence[Sequence[int]], below: Sequence[Sequence[int]], sweeps: int
) -> None:
    """Sort each row by the mean position of its neighbours, downwards and upwards in turn."""
    place = [0.0] * len(above)
    for row in rows:
        for position, node in enumerate(row):
            place[node] = position
    for sweep in range(sweeps):
        down = sweep % 2 == 0
        near = above if down else below
        for row in rows if down else reversed(rows):
            mean = {
                node: sum(place[n] for n in near[node]) / len(near[node]) if near[node] else place[node]
                for node in row
            }
            row.sort(key=mean.__getitem__)
            for position, node in enumerate(row):
                place[node] = position


def _place(
    rows: list[list[int]],
    widths: Sequence[float],
    above: Sequence[Sequence[int]],
    below: Sequence[Sequence[int]],
    sweeps: int,
) -> list[float]:
    """Return x of every node: in the given order, without overlap, near its neighbours."""
    x = [0.0] * len(widths)
    for row in rows:
        at = 0.0
        for node in row:
            x[node] = at + widths[node] / 2
            at += widths[node] + GAP
        for node in row:
            x[node] -= (at - GAP) / 2
    for sweep in range(sweeps + 1):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            near = above if down else below
            if sweep == sweeps:  # in the last sweep, use both neighbours
                wished = [_mean(x, [*above[node], *below[node]], x[node]) for node in row]
            else:
                wished = [_mean(x, near[node], x[node]) for node in row]
            for node, at in zip(row, spread(wished, [widths[node] for node in row]), strict=True):
                x[node] = at
    return x


def _mean(x: Sequence[float], nodes: Sequence[int], otherwise: float) -> float:
    return sum(x[node] for node in nodes) / len(nodes) if nodes else otherwise


def spread(wished: Sequence[float], widths: Sequence[float]) -> list[float]:
    """Return positions in this order, GAP apart, with the least sum of squared distances from the wanted ones.

    Pool-adjacent-violators: boxes that touch move as one.
    """
    offsets, at = [], 0.0
    for position, width in enumerate(widths):
        at += (widths[position - 1] + width) / 2 + GAP if position else 0.0
        offsets.append(at)
    blocks: list[tuple[float, int]] = []
    for wish, offset in zip(wished, offsets, strict=True):
        total, size = wish - offset, 1
        while blocks and blocks[-1][0] * size >= total * blocks[-1][1]:
            before, members = blocks.pop()
            total, size = total + before, size + members
        blocks.append((total, size))
    starts = [total / size for total, size in blocks for _ in range(size)]
    return [start + offset for start, offset in zip(starts, offsets, strict=True)]
