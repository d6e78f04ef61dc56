"""Shell hooks: commands of the user that are run at events of the workflow and of its jobs.

Each is split into words here; no shell is started, as Pegasus starts none. The hooks of a
task stand before those of its transformation. Without hooks, this pass looks at nothing
but the tasks.

After clustering, because the hooks of a task belong to the job that runs it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import zip_longest

from markab.plan.model import Hook, RunHooks
from markab.planner.draft import Context, Draft
from markab.planner.placement import Program
from markab.spec.model import Hooks, Task

ENABLED = "pegasus.monitord.notifications"
AT_ONCE = "pegasus.monitord.notifications.max"
LIMIT = "pegasus.monitord.notifications.timeout"

_OF_SHELLS = frozenset(["|", "||", "&&", "&", ";", ">", ">>", "<", "2>", "2>&1", "&>"])
"""Words that only a shell understands."""


def read_hooks(draft: Draft, context: Context) -> None:
    """Fill `run_hooks` and `job_hooks`, unless properties say that none are run."""
    properties = context.properties
    at_once = properties.integer(AT_ONCE, 10)
    if not properties.flag(ENABLED, True) or at_once <= 0:
        return
    workflow = list(_hooks(draft.workflow.hooks, "", "the workflow", context))
    if any(task.hooks for task in draft.tasks) or any(t.hooks for t in context.transformations.values()):
        for job, _ in draft.task_jobs():
            if found := list(_hooks_of_job(draft, job, context)):
                draft.job_hooks[job] = found
    if workflow or draft.job_hooks:
        draft.run_hooks = RunHooks(workflow, at_once, max(0, properties.integer(LIMIT, 0)))
    context.warnings[:] = dict.fromkeys(
        context.warnings
    )  # that of a transformation was said for each of its jobs


def _hooks_of_job(draft: Draft, job: int, context: Context) -> Iterator[Hook]:
    programs = draft.placements[job].programs
    pairs: Iterator[tuple[Task, Program | None]] = zip_longest(draft.tasks_of(job), programs)
    for task, program in pairs:
        yield from _hooks(task.hooks, task.id, f"job {task.id!r}", context)
        if program is not None:
            transformation = program.executable.transformation
            of = f"transformation {transformation.full_name!r}"
            yield from _hooks(transformation.hooks, task.id, of, context)


def _hooks(hooks: Hooks | None, task: str, of: str, context: Context) -> Iterator[Hook]:
    for hook in hooks.shell if hooks else ():
        if hook.on == "never":
            continue
        try:
            words = shlex.split(hook.cmd)
        except ValueError:
            _refuse(of, f"has a quote that is never closed: {hook.cmd}", "close it", context)
            continue
        if not words or "\0" in hook.cmd:
            _refuse(of, "is empty or has a zero byte", "give it a command, or remove it", context)
            continue
        if (found := next((word for word in words if word in _OF_SHELLS), "")) and words[0] not in (
            "sh",
            "bash",
        ):
            context.warn(
                "hook",
                f"the shell hook of {of} is started without a shell, so {found!r} is one of its arguments: {hook.cmd}",
                f"if a shell is meant to read it, write: {shlex.join(['sh', '-c', hook.cmd])}",
            )
        yield Hook(hook.on, words, task)


def _refuse(of: str, wrong: str, remedy: str, context: Context) -> None:
    context.problem("hook", f"the shell hook of {of} {wrong}", remedy)
