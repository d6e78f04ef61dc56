"""Tasks that are not to run: the profile `dagman.NOOP`. Their jobs are in the plan, with their scripts, and do nothing.

Before all passes. Guarantees to them: such a task neither reads nor makes a file.
"""

from __future__ import annotations

from markab.planner.draft import Context
from markab.planner.task_files import outputs_of
from markab.spec.model import Profiles, Task
from markab.spec.profiles import canonical


def is_noop(profiles: Profiles) -> bool:
    """Return whether profiles, in canonical spelling, say that a task is not to run."""
    return profiles.get("dagman", {}).get("NOOP", "").strip().lower() == "true"


def empty_noop_tasks(tasks: list[Task], context: Context) -> None:
    """Take their files and arguments from the tasks that are not to run."""
    for task in tasks:
        if "dagman" not in task.profiles:
            continue
        profiles = canonical(task.profiles)
        given = profiles["dagman"].get("NOOP", "")
        if given.strip().lower() not in ("", "true", "false"):
            context.problem(
                "bad-profile",
                f"profile dagman.NOOP of task {task.id!r} is {given!r}; it must be true or false",
                "correct the profile, or leave it out",
            )
        if is_noop(profiles) and task.type != "job":
            context.warn(
                "noop",
                f"profile dagman.NOOP does nothing for a sub-workflow: task {task.id!r} is run",
                "remove the task, or the profile",
            )
        elif is_noop(profiles):
            if made := [use.lfn for use in outputs_of(task)]:
                context.warn(
                    "noop",
                    f"task {task.id!r} is not run, because its profile dagman.NOOP is true: it makes no {made[0]!r}",
                    "leave the profile out if the file is needed",
                )
            task.uses, task.arguments = [], []
            task.stdin = task.stdout = task.stderr = None
