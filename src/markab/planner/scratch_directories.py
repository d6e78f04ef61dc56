"""Pass 4: make the run's scratch directory at each staging site, before anything uses it.

Edges go only where they are needed (Pegasus calls this Minimal): to a job that
uses the directory and has no parent that uses it too.

Stands after data movement, whose jobs use the directories; before cleanup, which
must not take part. Guarantees to the next pass: nothing touches a scratch
directory before it exists.
"""

from __future__ import annotations

from markab.plan.model import Kind, PlannedJob
from markab.planner import job_names
from markab.planner.draft import Context, Draft, Reason

PRIORITY = 800


def create_dirs(draft: Draft, context: Context) -> None:
    """Add a create_dir job for each staging site in use."""
    uses = [placement.staging for placement in draft.placements]
    uses += [chore.staging if chore.kind is not Kind.REGISTER else "" for chore in draft.chores]
    for site in dict.fromkeys(uses):
        if not site:
            continue
        name = job_names.create_dir(context.prefix, draft.workflow.name, site)
        first = [
            node
            for node, used in enumerate(uses)
            if used == site and not any(uses[parent] == site for parent in draft.parents[node])
        ]
        node = draft.add_chore(
            PlannedJob(
                id=name,
                kind=Kind.CREATE_DIR,
                site="local",
                staging=site,
                priority=PRIORITY,
                retries=context.retries,
                why=f"create_dirs: scratch directory at {site}",
            ),
            [],
        )
        for user in first:
            draft.parents[user].append(node)
        draft.reasons.append(Reason(name, "create_dirs", "added", f"scratch directory at {site}"))
