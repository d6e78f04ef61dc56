"""Finding dependencies: which job waits for which.

Edges come from `jobDependencies`, and from files: a job that reads a file waits
for the job that makes it. If `pegasus.parser.dax.data.dependencies` is false, files make
no edges, and a job that reads what it does not wait for is refused: it would be a race.
Checkpoints make no edges: a job is its own producer of them.

Before all other passes, because they walk the graph. Guarantees to them: no cycle,
`parents` ascending without doubles, `levels` and `producer` are filled.
"""

from __future__ import annotations

from collections.abc import Iterator

from markab.planner.draft import Context, Draft
from markab.planner.graph import find_cycle, levels_of, sorted_unique

_INFER = "pegasus.parser.dax.data.dependencies"
_MOST_CYCLES = 10
"""That are named at once."""


def find_dependencies(draft: Draft, context: Context) -> None:
    """Fill `parents`, `producer` and `levels`.

    A cycle is a problem, and is cut, so that other passes can look for more.
    """
    tasks, producer = draft.tasks, draft.producer
    parents: list[list[int]] = [[] for _ in tasks]
    number = {task.id: node for node, task in enumerate(tasks)}
    for dependency in draft.workflow.job_dependencies:
        parent = number[dependency.id]
        for child in dependency.children:
            parents[number[child]].append(parent)
    for node, task in enumerate(tasks):
        for use in task.uses:
            if use.type == "output" or use.type == "inout":
                producer[use.lfn] = node
        for stream in (task.stdout, task.stderr):
            if stream is not None:
                producer[stream] = node
    if inferred := context.properties.flag(_INFER, True):
        for node, _, made_by in _made_inputs(draft):
            parents[node].append(made_by)
    parents = [sorted_unique(p) if len(p) > 1 else p for p in parents]

    levels = levels_of(parents)
    is_cyclic = levels is None
    if levels is None:
        levels = _cut_cycles(draft, parents, context)
    draft.set_graph(parents, levels)
    if not inferred and not is_cyclic and not context.doubts.dependencies:
        _note_races(draft, context)


def _cut_cycles(draft: Draft, parents: list[list[int]], context: Context) -> list[int]:
    """Note cycles that have no job in common, empty the lists of `parents` of their jobs, and return the levels."""
    for _ in range(_MOST_CYCLES):
        if (levels := levels_of(parents)) is not None:
            return levels
        cycle = find_cycle(parents)
        walk = " → ".join(repr(draft.tasks[node].id) for node in [*cycle, cycle[0]])
        context.problem(
            "cycle",
            f"cyclic dependency detected: {walk}",
            "a workflow cannot loop: let one of these jobs write a file of another name, or drop a dependency",
        )
        for node in cycle:
            parents[node] = []
    for node in range(len(parents)):  # the graph is walked once for each cycle
        parents[node] = []
    return [0] * len(parents)


def _made_inputs(draft: Draft) -> Iterator[tuple[int, str, int]]:
    """Yield each task with a file that it reads and the other task that makes it."""
    maker = draft.producer.get
    for node, task in enumerate(draft.tasks):
        for use in task.uses:
            if use.type == "input" and (made_by := maker(use.lfn, node)) != node:
                yield node, use.lfn, made_by
        if task.stdin is not None and (made_by := maker(task.stdin, node)) != node:
            yield node, task.stdin, made_by


def _note_races(draft: Draft, context: Context) -> None:
    """Note each task that may start before a file that it reads is made."""
    for node, lfn, made_by in _made_inputs(draft):
        if not _waits_for(draft, node, made_by):
            reader, maker = draft.tasks[node].id, draft.tasks[made_by].id
            context.problem(
                "race",
                f"task {reader!r} reads {lfn!r}, which task {maker!r} makes, and does not wait for it: "
                f"{_INFER} is false",
                f"add {reader!r} to the children of {maker!r} in jobDependencies, or remove {_INFER}",
            )


def _waits_for(draft: Draft, node: int, ancestor: int) -> bool:
    lowest, seen, stack = draft.levels[ancestor], {node}, [node]
    while stack:
        for parent in draft.parents[stack.pop()]:
            if parent == ancestor:
                return True
            if parent not in seen and draft.levels[parent] > lowest:
                seen.add(parent)
                stack.append(parent)
    return False
