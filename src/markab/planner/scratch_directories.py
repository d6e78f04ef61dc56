"""Creating directories: a job that makes the run's scratch directory at each staging site.

Edges go only where they are needed (Pegasus calls this Minimal): to a job that
uses the directory and has no parent that uses it too.

After the passes that move data, whose jobs use the directories; before cleanup,
whose jobs come after all users. Guarantees to it: nothing touches a scratch directory
before it exists.
"""

from __future__ import annotations

from markab.plan.model import Kind, PlannedJob
from markab.planner import job_names
from markab.planner.draft import Context, Draft

PRIORITY = 800


def create_dirs(draft: Draft, context: Context) -> None:
    """Add a create_dir job for each staging site in use."""
    users = _users(draft)
    for site in dict.fromkeys(users):
        if not site:
            continue
        first = [
            job
            for job, used in enumerate(users)
            if used == site and not any(users[parent] == site for parent in draft.parents[job])
        ]
        planned = PlannedJob(
            id=job_names.create_dir_name(context.prefix, draft.workflow.name, site),
            kind=Kind.CREATE_DIR,
            site="local",
            staging=site,
            priority=PRIORITY,
            retries=context.retries,
        )
        added = draft.add(planned, [], "create_dirs", f"scratch directory at {site}")
        for job in first:
            draft.parents[job].append(added)


def _users(draft: Draft) -> list[str]:
    """Return, by job, the site whose scratch directory it uses; "" for none."""
    users = [""] * len(draft.jobs)
    for job, _ in draft.task_jobs():
        users[job] = draft.placements[job].staging
    for job, planned in draft.auxiliary_jobs():
        users[job] = planned.staging
    return users
