"""Finding dependencies: which job waits for which.

Edges come from `jobDependencies`, and from files: a job that reads a file waits
for the job that makes it (unless `pegasus.parser.dax.data.dependencies` is false).
Checkpoints make no edges: a job is its own producer of them.

Before all other passes, because they walk the graph. Guarantees to them: no cycle,
`parents` ascending without doubles, `levels` and `producer` are filled.
"""

from __future__ import annotations

from markab.errors import PlanningError
from markab.planner.draft import Context, Draft
from markab.planner.graph import find_cycle, levels_of, sorted_unique


def find_dependencies(draft: Draft, context: Context) -> None:
    """Fill `parents`, `producer` and `levels`.

    Raises:
        PlanningError: the workflow has a cycle; no other pass could work with it.
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
    if context.properties.flag("pegasus.parser.dax.data.dependencies", True):
        for node, task in enumerate(tasks):
            for use in task.uses:
                if use.type == "input" and (made_by := producer.get(use.lfn, node)) != node:
                    parents[node].append(made_by)
            if task.stdin is not None and (made_by := producer.get(task.stdin, node)) != node:
                parents[node].append(made_by)
    parents = [sorted_unique(p) if len(p) > 1 else p for p in parents]

    levels = levels_of(parents)
    if levels is None:
        cycle = find_cycle(parents)
        walk = " → ".join(repr(tasks[node].id) for node in [*cycle, cycle[0]])
        context.problem(
            "cycle",
            f"cyclic dependency detected: {walk}",
            "a workflow cannot loop: let one of these jobs write a file of another name, or drop a dependency",
        )
        raise PlanningError(*context.problems)
    draft.set_graph(parents, levels)
