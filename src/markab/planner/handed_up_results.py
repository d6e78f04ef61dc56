"""Results that a sub-workflow hands up to its parent: those that its job there declares as outputs.

They go into the scratch of the parent, and from there wherever the parent wants them: so its own plan neither
delivers them elsewhere nor registers them, whatever its document says of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from markab.planner.draft import Context
from markab.spec.model import Workflow
from markab.transfers.tree_names import declared_name


def mark_handed_up(workflow: Workflow, context: Context) -> None:
    """Mark the outputs that are handed up; note those that no job makes."""
    if not context.handed_up:
        return
    made: set[str] = set()
    for task in workflow.jobs:
        for use in task.uses:
            if use.lfn in context.handed_up and use.type in ("output", "inout"):
                use.stage_out, use.register_replica = True, False
                made.add(use.lfn)
        made.update(stream for stream in (task.stdout, task.stderr) if stream is not None)
    _note_unmade(sorted(context.handed_up.keys() - made), context)


def _note_unmade(lfns: Iterable[str], context: Context) -> None:
    for lfn in lfns:
        context.problem(
            "no-such-output",
            f"the workflow above declares {declared_name(lfn)!r} as an output of this one, and no job here makes it",
            "let a job of this workflow output it, or leave it out of the outputs of the sub-workflow",
        )
