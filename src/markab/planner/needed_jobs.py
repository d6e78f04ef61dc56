"""Targets: only what is needed for what `--until` names is planned.

Needed are the jobs that are named or make a named file, and all that these wait for, by files
and by `jobDependencies`. What the jobs that stay make is delivered as the document says; what is named is
delivered also if its `stageOut` is false, and so is all that named jobs make.

After the dependencies, which it walks; before the reuse of results, which may leave out more: with targets,
only they are results for whose sake a job runs. Guarantees to it: `targets` says what is wanted, and each
job has all its parents.
"""

from __future__ import annotations

from markab.errors import Problem
from markab.planner.draft import Context, Draft
from markab.planner.targets import UNKNOWN, Names, find_targets


def keep_needed(draft: Draft, context: Context) -> None:
    """Remove the jobs that no target needs, and set `targets`, if there are any.

    A target that means nothing, or several things, is a problem; of jobs that only it may need nothing is checked.
    """
    words = context.options.until
    if not words:
        return
    wrong: list[Problem] = []
    targets = find_targets(words, Names(draft.tasks, draft.producer, context.prefix), wrong)
    context.problems += [each for each in wrong if each.kind != UNKNOWN or not context.doubts.tasks]
    draft.targets = targets
    needed, stack = set(targets.jobs), [*targets.jobs]
    while stack:
        fresh = [parent for parent in draft.parents[stack.pop()] if parent not in needed]
        needed.update(fresh)
        stack += fresh
    why = f"not needed for {', '.join(map(repr, targets.words))}"
    for job in range(len(draft.tasks)):
        if job not in needed:
            draft.remove(job, "keep_needed", why)
