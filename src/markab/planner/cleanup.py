"""Cleaning up: jobs that remove files from scratch after their last user, and the directory at the end.

`none` removes nothing; `leaf` removes the scratch directories when everything
is done; `inplace` also removes each file once its last user is done. Only
copies that the run made are ever removed, and results only if they are
delivered somewhere else.

After all passes that add jobs, because it has to know every user of a file.
Guarantees: only what no remaining job reads is removed. Cleanup jobs are grouped level by
level: one for at most five of the jobs that use files last, dealt evenly.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from markab.plan.model import Kind, PlannedJob
from markab.planner import job_names
from markab.planner.draft import Context, Draft
from markab.planner.graph import levels_of, sorted_unique

PRIORITY = 1000
JOBS_PER_CLEANUP_JOB = 5
CATEGORY = "cleanup"


def clean_up(draft: Draft, context: Context) -> None:
    """Add cleanup jobs, as `--cleanup` asks."""
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
    made = draft.producer if context.reuse is not None else {}
    for site, users_of in draft.scratch.items():
        # Level by level, the files whose deepest user is there, by that user.
        by_level: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
        for lfn, users in users_of.items():
            if lfn not in keep:
                deepest = max(users, key=lambda user: (levels[user], user))
                by_level[levels[deepest]][deepest].append(lfn)
        for level in sorted(by_level):
            last_users = sorted(by_level[level])
            for number, group in enumerate(_even_groups(last_users)):
                removes = [lfn for user in group for lfn in by_level[level][user]]
                planned = _cleanup_job(
                    job_names.cleanup_name(context.prefix, site, level + 1, number), site, context
                )
                planned.removes, planned.level, planned.category = removes, level, CATEGORY
                planned.keeps = [lfn for lfn in removes if lfn in made]
                draft.add(
                    planned,
                    sorted_unique(user for lfn in removes for user in users_of[lfn]),
                    "clean_up",
                    f"{len(removes)} file(s) that no remaining job reads",
                )


def _even_groups(users: list[int]) -> Iterator[list[int]]:
    number = math.ceil(len(users) / JOBS_PER_CLEANUP_JOB)
    for group in range(number):
        yield users[group * len(users) // number : (group + 1) * len(users) // number]


def _remove_directories(draft: Draft, context: Context) -> None:
    """Add a job for each scratch directory; it waits for everything else."""
    has_child = bytearray(len(draft.jobs))
    for its_parents in draft.parents:
        for parent in its_parents:
            has_child[parent] = 1
    ends = [job for job, planned in enumerate(draft.jobs) if planned is not None and not has_child[job]]
    created = [planned.staging for _, planned in draft.auxiliary_jobs() if planned.kind is Kind.CREATE_DIR]
    for site in created:
        planned = _cleanup_job(
            job_names.scratch_removal_name(context.prefix, draft.workflow.name, site), site, context
        )
        planned.removes_scratch = True
        if context.reuse is not None and context.cleanup == "leaf":
            planned.keeps = [lfn for lfn in draft.scratch.get(site, {}) if lfn in draft.producer]
        why = f"scratch directory at {site}"
        draft.add(planned, ends, "clean_up", why, f"{why}, at the end")


def _cleanup_job(name: str, site: str, context: Context) -> PlannedJob:
    return PlannedJob(
        id=name,
        kind=Kind.CLEANUP,
        site="local",
        staging=site,
        priority=PRIORITY,
        retries=context.retries,
    )
