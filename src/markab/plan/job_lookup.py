"""Finding the job of a plan that a user names."""

from __future__ import annotations

import shlex

from markab.errors import MarkabError
from markab.plan.plan_file import PlanFile
from markab.spec.suggestions import nearest


def find_job(plan: PlanFile, name: str) -> int:
    """Return the position of a job named by its id, or by the id of the user's task that it runs.

    Raises:
        MarkabError: there is none; the hint has names like it.
    """
    if (position := plan.positions.get(name)) is not None:
        return position
    ending = "_" + name.replace("/", "-")
    for known, position in plan.positions.items():
        # The ending alone may be that of a job the planner added: stage_in_local_local_0_0 is not task 0.
        if known.endswith(ending) and any(task.id == name for task in plan.job(position).tasks):
            return position
    names = {known.partition("_")[2]: known for known in plan.positions}
    names |= dict(zip(plan.positions, plan.positions, strict=True))
    close = list(dict.fromkeys(names[known] for known in nearest(name, names)))
    hint = (
        f"did you mean {' or '.join(close)}?"
        if close
        else f"`markab show {shlex.quote(str(plan.path.parent))}` lists the jobs"
    )
    raise MarkabError(f"the run has no job {name!r}", hint=hint)
