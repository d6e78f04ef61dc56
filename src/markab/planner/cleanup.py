"""Pass 5: remove files from scratch as soon as nobody needs them, and the directory at the end.

`none` removes nothing; `leaf` removes the scratch directories when everything
is done; `inplace` also removes each file once its last user is done. Only
copies that the run made are ever removed, and results only if they are
delivered somewhere else.

Last of the passes that add jobs, because it has to know every user of a file.
Cleanup jobs follow data movement in this: one for about ten of the jobs that
use files last, level by level.
"""

from __future__ import annotations

from collections import defaultdict

from markab.plan.model import Kind, PlannedJob
from markab.planner import job_names
from markab.planner.draft import Context, Draft, Reason
from markab.planner.graph import levels_of, sorted_unique
from markab.planner.move_data import JOBS_PER_TRANSFER_JOB

PRIORITY = 1000
CATEGORY = "cleanup"


def clean_up(draft: Draft, context: Context) -> None:
    """Add cleanup jobs, as `--cleanup` says."""
    delivers = bool(context.options.output_sites)
    if draft.results and not delivers:
        context.warn(
            "no-output-site",
            "no output site was named: results stay in the scratch directory, which is kept",
            "deliver them with `--output-sites local`, or name a directory with --output-dir",
        )
    if context.cleanup == "none":
        return
    if context.cleanup == "inplace":
        _remove_files(draft, context, keep=set() if delivers else draft.results)
    if delivers or not draft.results:
        _remove_directories(draft, context)


def _remove_files(draft: Draft, context: Context, keep: set[str]) -> None:
    levels = levels_of(draft.parents)
    assert levels is not None
    for site, users_of in draft.scratch.items():
        # Level by level, the files whose deepest user is there, by that user.
        by_level: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
        for lfn, users in users_of.items():
            if lfn not in keep:
                deepest = max(users, key=lambda user: (levels[user], user))
                by_level[levels[deepest]][deepest].append(lfn)
        for level in sorted(by_level):
            last_users = sorted(by_level[level])
            for number, start in enumerate(range(0, len(last_users), JOBS_PER_TRANSFER_JOB)):
                group = last_users[start : start + JOBS_PER_TRANSFER_JOB]
                removes = [lfn for user in group for lfn in by_level[level][user]]
                name = job_names.clean_up(context.prefix, site, level, number)
                why = f"{len(removes)} file(s) nobody reads any more"
                draft.add_chore(
                    PlannedJob(
                        id=name,
                        kind=Kind.CLEANUP,
                        site="local",
                        staging=site,
                        level=level,
                        priority=PRIORITY,
                        category=CATEGORY,
                        retries=context.retries,
                        removes=removes,
                        why=f"clean_up: {why}",
                    ),
                    sorted_unique(user for lfn in removes for user in users_of[lfn]),
                )
                draft.reasons.append(Reason(name, "clean_up", "added", why))


def _remove_directories(draft: Draft, context: Context) -> None:
    """Add a job for each scratch directory; it waits for everything else."""
    has_child = bytearray(len(draft.parents))
    for its_parents in draft.parents:
        for parent in its_parents:
            has_child[parent] = 1
    ends = [node for node in range(len(draft.parents)) if not has_child[node]]
    created = [chore.staging for chore in draft.chores if chore.kind is Kind.CREATE_DIR]
    for site in created:
        name = job_names.remove_scratch(context.prefix, draft.workflow.name, site)
        draft.add_chore(
            PlannedJob(
                id=name,
                kind=Kind.CLEANUP,
                site="local",
                staging=site,
                priority=PRIORITY,
                category=CATEGORY,
                retries=context.retries,
                removes_scratch=True,
                why=f"clean_up: scratch directory at {site}",
            ),
            ends,
        )
        draft.reasons.append(Reason(name, "clean_up", "added", f"scratch directory at {site}, at the end"))
