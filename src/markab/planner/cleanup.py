"""Cleaning up: jobs that remove files from scratch after their last user, and the directory at the end.

`none` removes nothing; `leaf` removes the scratch directories when everything
is done; `inplace` also removes each file once its last user is done, and `constraint` those whose room is needed, so
that scratch stays below a bound (`scratch_bound.py`). Only copies that the run made are ever removed, and results only
if they are delivered somewhere else.

After all passes that add jobs, because it has to know every user of a file.
Guarantees: only what no remaining job reads is removed. Cleanup jobs of `inplace` are grouped level by
level: one for at most five of the jobs that use files last, dealt evenly, unless a property says otherwise.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from markab.plan.model import JobSpace, Kind, PlannedJob
from markab.planner import job_names
from markab.planner.draft import Context, Draft
from markab.planner.graph import levels_of, sorted_unique
from markab.planner.scratch_bound import BoundedFiles, bounded_order
from markab.planner.scratch_order import NO_SITE, Order, Removal
from markab.spec.properties import Properties

PRIORITY = 1000
JOBS_PER_CLEANUP_JOB = 5
CATEGORY = "cleanup"
SCOPE = "pegasus.file.cleanup.scope"
CLUSTERS_NUM = "pegasus.file.cleanup.clusters.num"
CLUSTERS_SIZE = "pegasus.file.cleanup.clusters.size"


def clean_up(draft: Draft, context: Context) -> None:
    """Add cleanup jobs, as `--cleanup` asks."""
    keep = {lfn for lfn in draft.results if not context.is_delivered(lfn)}
    if keep:
        context.warn(
            "no-output-site",
            "no output site was named: results stay in the scratch directory, which is kept",
            "deliver them with `--output-sites local`, or name a directory with --output-dir",
        )
    if context.cleanup == "none":
        return
    images = _Images(draft)
    if context.cleanup == "constraint":
        if found := bounded_order(draft, context, keep):
            _remove_in_order(draft, context, images, *found)
    elif context.cleanup == "inplace" and not _is_left_to_leaf(draft, context):
        _remove_files(draft, context, images, keep)
    if not keep:
        _remove_directories(draft, context, images)


class _Images:
    """The images of Docker that jobs load on this machine, each until a cleanup job unloads it."""

    def __init__(self, draft: Draft) -> None:
        self._programs: dict[tuple[str, str], str] = {}
        """(Staging site, lfn) → the program that loads it."""
        for placement in {id(one): one for one in draft.placements}.values():
            for container in [program.container for program in placement.programs if program.container]:
                if container.type == "docker" and container.is_staged:
                    self._programs[placement.staging, container.image] = container.program

    def take(self, site: str, lfns: Iterable[str]) -> dict[str, str]:
        """Return those among these files that are still loaded; they count as unloaded from now on."""
        if not self._programs:
            return {}
        keys = [(site, lfn) for lfn in lfns if (site, lfn) in self._programs]
        return {key[1]: self._programs.pop(key) for key in keys}


def _is_left_to_leaf(draft: Draft, context: Context) -> bool:
    """Return whether sub-workflows may use files that only their own plans name."""
    has_sub_workflows = any(
        task.type != "job" for job, _ in draft.task_jobs() for task in draft.tasks_of(job)
    )
    return has_sub_workflows and context.properties.get(SCOPE, "fullahead").strip().lower() != "deferred"


def _remove_files(draft: Draft, context: Context, images: _Images, keep: set[str]) -> None:
    levels = levels_of(draft.parents)
    assert levels is not None
    depth = [level * len(levels) + job for job, level in enumerate(levels)].__getitem__
    """Orders jobs by level, and those of one level by number."""
    for site, users_of in draft.scratch.items():
        # Level by level, the files whose deepest user is there, by that user.
        by_level: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
        for lfn, users in users_of.items():
            if lfn not in keep:
                deepest = max(users, key=depth)
                by_level[levels[deepest]][deepest].append(lfn)
        for level in sorted(by_level):
            last_users = sorted(by_level[level])
            groups = _number_of_groups(len(last_users), context.properties)
            if groups > 1:  # by their files, as Pegasus deals them
                last_users.sort(key=lambda user: min(by_level[level][user]))
            for number, group in enumerate(_even_groups(last_users, groups)):
                removes = [lfn for user in group for lfn in by_level[level][user]]
                name = job_names.cleanup_name(context.prefix, site, level + 1, number)
                users = sorted_unique(chain.from_iterable([users_of[lfn] for lfn in removes]))
                _add(draft, _removal_job(draft, context, name, site, level, removes, images), users)


def _number_of_groups(jobs: int, properties: Properties) -> int:
    """Return how many cleanup jobs there are for jobs of one level that use files last."""
    if number := properties.integer(CLUSTERS_NUM, 0):
        return min(jobs, number)
    return math.ceil(jobs / properties.integer(CLUSTERS_SIZE, JOBS_PER_CLEANUP_JOB))


def _even_groups(users: list[int], number: int) -> Iterator[list[int]]:
    for group in range(number):
        yield users[group * len(users) // number : (group + 1) * len(users) // number]


def _remove_in_order(
    draft: Draft, context: Context, images: _Images, files: BoundedFiles, order: Order
) -> None:
    """Add a job for each removal of an order, and fill `space`."""
    levels = levels_of(draft.parents)
    assert levels is not None
    numbers: Counter[tuple[int, int]] = Counter()
    for place, step in enumerate(order.steps):
        if not isinstance(step, Removal):
            need = files.needs[step]
            if need.site != NO_SITE and (need.own_bytes or need.adds_bytes):
                draft.space[step] = JobSpace(
                    place, need.own_bytes, need.adds_bytes, kept_bytes=files.kept.get(step, {})
                )
            continue
        users = sorted_unique(user for number in step.files for user in files.files[number].users)
        level = max(levels[user] for user in users)
        name = job_names.cleanup_name(
            context.prefix, files.sites[step.site], level + 1, numbers[step.site, level]
        )
        numbers[step.site, level] += 1
        removes = [files.lfns[number] for number in step.files]
        added = _add(
            draft, _removal_job(draft, context, name, files.sites[step.site], level, removes, images), users
        )
        sizes = [files.files[number].size_bytes for number in step.files]
        draft.space[added] = JobSpace(place, frees_bytes=sizes)


def _removal_job(
    draft: Draft, context: Context, name: str, site: str, level: int, removes: list[str], images: _Images
) -> PlannedJob:
    planned = _cleanup_job(name, site, context)
    planned.removes, planned.level, planned.category = removes, level, CATEGORY
    planned.unloads = images.take(site, removes)
    if context.reuse is not None:
        planned.keeps = [lfn for lfn in removes if lfn in draft.producer]
    return planned


def _add(draft: Draft, planned: PlannedJob, users: Sequence[int]) -> int:
    return draft.add(
        planned, users, "clean_up", f"{len(planned.removes)} file(s) that no remaining job reads"
    )


def _remove_directories(draft: Draft, context: Context, images: _Images) -> None:
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
        planned.unloads = images.take(site, draft.scratch.get(site, {}))
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
