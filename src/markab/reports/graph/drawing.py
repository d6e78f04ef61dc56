"""From jobs and their parents to a drawing: nodes and edges, few enough to read.

A level that is too wide to be read has one node for all its jobs of one transformation
("findrange × 40"). Beyond a number of jobs all levels are drawn so. The weight of an edge
is the number of edges it stands for. Independent of formats; those are `dot`, `mermaid` and `svg`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from markab.planner import graph as planned

JOBS_SHOWN = 150
FILES_SHOWN = 300
"""Above these limits a drawing is summarised, except with `full`."""
LEVEL_SHOWN = 12
"""Jobs side by side that can be read, as a page is about 1,600 pixels wide; of more, those of one transformation are one node."""
LABELS = ("label", "xform", "id", "xform-id", "label-xform", "label-id")


Group = tuple[int, str, str]
"""Level, transformation, and the id of a job that is a group of its own."""


@dataclass
class JobGraph:
    """The parts of a workflow or a plan that a drawing needs; lists are indexed by job."""

    name: str
    ids: list[str]
    labels: list[str]
    """The user's label of each job; without one the transformation, or the id of a planned job."""
    xforms: list[str]
    """The transformation of each job; of an auxiliary job its kind, such as `stage_in`."""
    kinds: list[str]
    parents: list[Sequence[int]]
    files: Callable[[int], tuple[Collection[str], Collection[str]]]
    """Job → lfns it reads, lfns it makes."""
    states: list[str] | None = None
    """As in `state_styles`. None: not a run."""
    sites: list[str] = field(default_factory=list)
    """The site of each job; empty before planning."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(slots=True)
class Node:
    """A box: a job, a group of jobs, or a file."""

    key: str
    label: str
    kind: str
    jobs: int = 1
    states: dict[str, int] = field(default_factory=dict)
    """State → number of the group's jobs in it; empty if this is not a run."""


class Edge(NamedTuple):
    """An arrow; `weight` is the number of edges between jobs that it stands for."""

    tail: int
    head: int
    weight: int = 1
    dashed: bool = False
    """A dependency without a file, among arrows that stand for files."""


@dataclass
class Drawing:
    """A drawing. Edges point down: the graph has no cycle, except among groups of very deep graphs."""

    name: str
    nodes: list[Node]
    edges: list[Edge]
    jobs: int
    summarised: bool = False

    def to_json(self) -> dict[str, object]:
        """Return it as plain data, for JSON."""
        nodes = [
            {"id": n.key, "label": n.label, "kind": n.kind, "jobs": n.jobs, "states": n.states}
            for n in self.nodes
        ]
        edges = [
            {"from": self.nodes[e.tail].key, "to": self.nodes[e.head].key, "weight": e.weight}
            for e in self.edges
        ]
        return {
            "name": self.name,
            "jobs": self.jobs,
            "summarised": self.summarised,
            "nodes": nodes,
            "edges": edges,
        }


def draw(
    graph: JobGraph,
    *,
    files: bool = False,
    simplify: bool = True,
    label: str = "label",
    remove: Collection[str] = (),
    full: bool = False,
    jobs_shown: int = JOBS_SHOWN,
) -> Drawing:
    """Return the drawing of a graph.

    `simplify` leaves out edges that a longer path implies; `remove` leaves out the jobs
    of these transformations (or kinds) and connects their parents and children; `full`
    disables summarising.

    Raises:
        ValueError: `label` is not one of LABELS.
    """
    if label not in LABELS:
        raise ValueError(f"label is {label!r}, but must be one of: {', '.join(LABELS)}")
    gone = bytearray(name in remove or _bare(name) in remove for name in graph.xforms) if remove else b""
    count = len(graph) - sum(gone)
    if not full and count > jobs_shown:
        return _grouped(graph, simplify, gone, _bands(graph, jobs_shown), label)
    if not full and not files and (wide := _wide_levels(graph, gone)):
        return _grouped(graph, simplify, gone, wide, label)
    parents: Sequence[Sequence[int]] = _bridged(graph.parents, gone) if any(gone) else graph.parents
    if simplify:
        parents = without_shortcuts(parents)
    shown = [job for job in range(len(graph)) if not gone or not gone[job]]
    number = {job: place for place, job in enumerate(shown)}
    nodes = [_job_node(graph, job, label) for job in shown]
    drawing = Drawing(graph.name, nodes, [], len(shown))
    found = [graph.files(job) for job in shown] if files else []
    lfns = dict.fromkeys(lfn for reads, makes in found for lfn in (*reads, *makes))
    if not files or (len(lfns) > FILES_SHOWN and not full):
        drawing.edges = [Edge(number[parent], number[job]) for job in shown for parent in parents[job]]
        return drawing
    place = {lfn: len(nodes) + position for position, lfn in enumerate(lfns)}
    nodes += [Node(f"file {lfn}", lfn, "file", jobs=0) for lfn in lfns]
    for position, (reads, makes) in enumerate(found):
        drawing.edges += [Edge(place[lfn], position) for lfn in reads]
        drawing.edges += [Edge(position, place[lfn]) for lfn in makes]
    read_by = [set(reads) for reads, _ in found]
    for position, job in enumerate(shown):
        for parent in parents[job]:
            if read_by[position].isdisjoint(found[number[parent]][1]):
                drawing.edges.append(Edge(number[parent], position, dashed=True))
    return drawing


def without_shortcuts(parents: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the parents of each job without those that are also ancestors of another parent.

    An edge between neighbouring levels is never a shortcut, so only longer ones
    are examined, and no search goes above the level of the highest of them.
    """
    levels = _levels(parents)
    kept: list[list[int]] = []
    for job, its_parents in enumerate(parents):
        above = levels[job] - 1
        far = {parent for parent in its_parents if levels[parent] < above}
        if not far:
            kept.append(list(its_parents))
            continue
        top = min(levels[parent] for parent in far)
        left = set(far)
        stack, seen = list(its_parents), set(its_parents)
        while stack and left:
            for higher in parents[stack.pop()]:
                left.discard(higher)
                if higher not in seen and levels[higher] > top:
                    seen.add(higher)
                    stack.append(higher)
        kept.append([parent for parent in its_parents if parent not in far or parent in left])
    return kept


def _levels(parents: Sequence[Sequence[int]]) -> list[int]:
    """Return the level of each job; 0 for all if the document has a cycle, which is reported when it is planned."""
    return planned.levels_of(parents) or [0] * len(parents)


def _job_node(graph: JobGraph, job: int, label: str) -> Node:
    parts = {"label": graph.labels[job], "xform": graph.xforms[job], "id": graph.ids[job]}
    text = "\n".join(dict.fromkeys(parts[part] for part in label.split("-")))
    states = {graph.states[job]: 1} if graph.states else {}
    return Node(f"job {graph.ids[job]}", text, graph.kinds[job], states=states)


def _bare(transformation: str) -> str:
    """Return the name in `namespace::name:version`."""
    return transformation.rpartition("::")[2].partition(":")[0]


def _bridged(parents: Sequence[Sequence[int]], gone: Sequence[int]) -> list[Sequence[int]]:
    """Return parents in which removed jobs are replaced by their own parents."""
    above: list[Sequence[int]] = [()] * len(parents)
    order = sorted(range(len(parents)), key=_levels(parents).__getitem__)
    for job in order:
        found: dict[int, None] = {}
        for parent in parents[job]:
            found.update(dict.fromkeys(above[parent] if gone[parent] else (parent,)))
        above[job] = sorted(found)
    return above


def _bands(graph: JobGraph, wanted: int) -> list[Group]:
    """Return the group of each job: one transformation, one level; bands of levels if that is still too many."""
    levels = _levels(graph.parents)
    bands = levels
    keys = set(zip(bands, graph.xforms, strict=True))
    depth = deepest = max(levels, default=0) + 1
    while len(keys) > wanted and deepest > 1:
        deepest = max(1, min(deepest // 2, deepest * wanted // len(keys)))
        bands = [level * deepest // depth for level in levels]
        keys = set(zip(bands, graph.xforms, strict=True))
    return [(band, xform, "") for band, xform in zip(bands, graph.xforms, strict=True)]


def _wide_levels(graph: JobGraph, gone: Sequence[int]) -> list[Group]:
    """Return the group of each job, which is itself unless there are others like it on a wide level; empty if none is wide."""
    levels = _levels(graph.parents)
    shown = [job for job in range(len(graph)) if not gone or not gone[job]]
    width = Counter(levels[job] for job in shown)
    alike = Counter((levels[job], graph.xforms[job]) for job in shown)
    many = {key for key, jobs in alike.items() if width[key[0]] > LEVEL_SHOWN and jobs > 1}
    if not many:
        return []
    pairs = zip(levels, graph.xforms, graph.ids, strict=True)
    return [(level, xform, "" if (level, xform) in many else id) for level, xform, id in pairs]


def _grouped(
    graph: JobGraph, simplify: bool, gone: Sequence[int], groups: Sequence[Group], label: str
) -> Drawing:
    """Return the graph of these groups, one for each job."""
    number = {key: place for place, key in enumerate(sorted(set(groups)))}
    group = [number[key] for key in groups]
    nodes = [
        Node(f"{name} @{band}", name, "", jobs=0, states=Counter() if graph.states else {})
        for band, name, _ in number
    ]
    for job, place in enumerate(group):
        if groups[job][2]:
            nodes[place] = _job_node(graph, job, label)
            continue
        node = nodes[place]
        node.jobs += 1
        node.kind = graph.kinds[job]
        if graph.states:
            node.states[graph.states[job]] += 1
    weights: Counter[tuple[int, int]] = Counter()
    for job, place in enumerate(group):
        for parent in graph.parents[job]:
            if group[parent] != place:
                weights[group[parent], place] += 1
    hidden = {group[job] for job, is_gone in enumerate(gone) if is_gone}
    edges = _group_edges(len(nodes), weights, hidden, simplify)
    shown = [place for place in range(len(nodes)) if place not in hidden]
    again = {place: position for position, place in enumerate(shown)}
    for node in nodes:
        node.states = dict(node.states)
    return Drawing(
        graph.name,
        [nodes[place] for place in shown],
        [Edge(again[tail], again[head], weight) for (tail, head), weight in edges.items()],
        sum(nodes[place].jobs for place in shown),
        summarised=True,
    )


def _group_edges(
    count: int, weights: dict[tuple[int, int], int], hidden: Collection[int], simplify: bool
) -> dict[tuple[int, int], int]:
    """Return the edges between the groups that are shown. Groups of one band may point at each other."""
    parents: list[Sequence[int]] = [[] for _ in range(count)]
    backward: dict[tuple[int, int], int] = {}
    for (tail, head), weight in sorted(weights.items()):
        if tail < head:
            parents[head] = [*parents[head], tail]
        elif not {tail, head} & set(hidden):
            backward[tail, head] = weight
    if hidden:
        parents = _bridged(parents, [place in hidden for place in range(count)])
    if simplify:
        parents = list(without_shortcuts(parents))
    kept = {
        (tail, head): weights.get((tail, head), 1)
        for head in range(count)
        if head not in hidden
        for tail in parents[head]
    }
    return kept | backward


def ranks(drawing: Drawing) -> list[int]:
    """Return a level for each node such that edges point down; edges that close a cycle are ignored."""
    parents: list[list[int]] = [[] for _ in drawing.nodes]
    for edge in drawing.edges:
        parents[edge.head].append(edge.tail)
    levels = planned.levels_of(parents)
    if levels is not None:
        return levels
    forward = [[tail for tail in its_parents if tail < node] for node, its_parents in enumerate(parents)]
    return _levels(forward)
