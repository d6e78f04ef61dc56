"""Creating directories: a job that makes the run's scratch directory at each staging site.

Edges go only where they are needed: to a job that uses the directory and has no parent that uses it too. These
are the strategies Minimal and Tentacles of Pegasus, whose further edges follow from these. With HourGlass all of
these jobs wait for one job that does nothing, and that waits for all directories.

After the passes that move data, whose jobs use the directories; before cleanup,
whose jobs come after all users. Guarantees to it: nothing touches a scratch directory
before it exists.
"""

from __future__ import annotations

from itertools import chain

from markab.plan.model import Kind, PlannedJob
from markab.planner import job_names
from markab.planner.draft import Context, Draft

PRIORITY = 800
STRATEGY = "pegasus.dir.create.strategy"
STRATEGIES = ("Minimal", "HourGlass", "Tentacles")


def create_dirs(draft: Draft, context: Context) -> None:
    """Add a create_dir job for each staging site in use."""
    users = _users(draft)
    waiting: dict[int, list[int]] = {}
    """Job that makes a directory → the jobs that wait for it."""
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
        waiting[draft.add(planned, [], "create_dirs", f"scratch directory at {site}")] = first
    if context.properties.choice(STRATEGY, STRATEGIES, STRATEGIES[0]) == "HourGlass" and waiting:
        waiting = {_add_neck(draft, context, list(waiting)): list({*chain(*waiting.values())})}
    for made, jobs in waiting.items():
        for job in jobs:
            draft.parents[job].append(made)


def _add_neck(draft: Draft, context: Context, made: list[int]) -> int:
    """Add the job of an hourglass: it does nothing, and waits for all directories."""
    name = job_names.concat_name(context.prefix, draft.workflow.name)
    planned = PlannedJob(id=name, kind=Kind.NOOP, site="local", priority=PRIORITY)
    return draft.add(planned, made, "create_dirs", "all scratch directories")


def _users(draft: Draft) -> list[str]:
    """Return, by job, the site whose scratch directory it uses; "" for none."""
    users = [""] * len(draft.jobs)
    for job, _ in draft.task_jobs():
        users[job] = draft.placements[job].staging
    for job, planned in draft.auxiliary_jobs():
        users[job] = planned.staging
    return users
