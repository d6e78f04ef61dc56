"""Reusing results: jobs whose results exist already are left out of the plan.

The rule is that of Pegasus: a file exists if the replica catalog has it, by its name or by a regular
expression. A job is left out if each of its outputs exists, or is neither a result nor read by a job that stays;
and so are then the jobs above it that only served it. What was to be delivered of theirs is delivered and
registered all the same, from where it is. The property `pegasus.data.reuse.scope` says which jobs may be left
out: all of them (`full`), those with the profile `enable_for_data_reuse` (`partial`), or none; and none with `--force`,
or if results are reused by content (`content_reuse.py`): the two are never mixed.

After the dependencies, whose graph it walks from the end; before the choice of sites, which is for the jobs that
stay. Guarantees to them: every file that a job reads or that the user wants is made by a job that stays, or
exists; `reused` names the results that exist.
"""

from __future__ import annotations

from collections.abc import Container

from markab.plan.run_command import run_command
from markab.plan.submit_dir import PLAN
from markab.planner.draft import Context, Draft
from markab.planner.replica_selection import why_unusable
from markab.spec.profiles import canonical

_SCOPE = "pegasus.data.reuse.scope"
_PROFILE = "enable_for_data_reuse"
_NAMED = 3


def reuse_data(draft: Draft, context: Context) -> None:
    """Remove jobs whose results exist, and fill `reused`."""
    if context.reuse is not None:
        return
    scope = context.properties.choice(_SCOPE, ("full", "partial", "none"), "full")
    if context.options.force or scope == "none":
        return
    existing = _Existing(draft, context)
    left_out = (
        _needless_jobs(draft, context, existing.names, every_job=scope == "full") if existing.names else {}
    )
    for job in sorted(left_out):
        if results := [
            use for use in draft.outputs(job) if draft.is_wanted(use) and use.lfn in existing.names
        ]:
            draft.reused[job] = results
        draft.remove(job, "reuse_data", left_out[job])
    existing.warn_of_unusable(draft.producer)


def _needless_jobs(draft: Draft, context: Context, existing: set[str], *, every_job: bool) -> dict[int, str]:
    """Return the jobs to leave out, each with the reason; `every_job` may be left out, or only enabled ones."""
    found: dict[int, str] = {}
    read: set[str] = set()
    named = draft.targets.named_jobs if draft.targets else ()
    waited_for = [0] * len(draft.jobs)
    in_vain = [0] * len(draft.jobs)
    parents_of = draft.parents
    for parents in parents_of:
        for parent in parents:
            waited_for[parent] += 1
    for job in sorted(range(len(draft.jobs)), key=draft.levels.__getitem__, reverse=True):
        if draft.jobs[job] is None:
            continue
        parents = parents_of[job]
        serves_none = 0 < waited_for[job] == in_vain[job] and job not in named
        why = (
            _why_needless(draft, job, existing, read, serves_none)
            if every_job or _is_enabled(draft, context, job)
            else ""
        )
        if why:
            found[job] = why
            for parent in parents:
                in_vain[parent] += 1
        else:
            read.update([use.lfn for use in draft.inputs(job)])
    return found


def _why_needless(draft: Draft, job: int, existing: set[str], read: set[str], serves_none: bool) -> str:
    """Return why a job can be left out, or nothing.

    Args:
        read: lfns that jobs which stay read.
        serves_none: others wait for it, and all of them are left out.
    """
    there = []
    for use in draft.outputs(job):
        if use.type == "checkpoint":
            continue
        if use.lfn in existing:
            there.append(use.lfn)
        elif use.lfn in read or draft.is_wanted(use):
            return ""
    if there:
        more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
        return f"the replica catalog has {', '.join(map(repr, there[:_NAMED]))}{more}"
    return "only jobs that are left out wait for it" if serves_none else ""


def _is_enabled(draft: Draft, context: Context, job: int) -> bool:
    profiles = [canonical(task.profiles) for task in draft.tasks_of(job)] + [
        canonical(context.workflow_profiles)
    ]
    given = [each["pegasus"][_PROFILE] for each in profiles if _PROFILE in each.get("pegasus", {})]
    return bool(given) and given[0].strip().lower() == "true"


def _remedy(context: Context) -> str:
    """Return what to do about results that are gone: those of earlier runs these can make again."""
    runs = [context.options.directory / run for run in context.options.reuse]
    again = " or ".join(f"`{run_command(run, '--restore')}`" for run in runs if (run / PLAN).exists())
    if not again:
        return "correct the replica catalog, or ignore this"
    return f"ignore this; or, to use what the earlier run made, let it make that again before: {again}"


class _Existing:
    """The outputs of jobs that have a replica which can be used."""

    def __init__(self, draft: Draft, context: Context) -> None:
        self._context = context
        self._unusable: dict[str, str] = {}
        self.names: set[str] = set()
        for job, _ in draft.task_jobs():
            for use in draft.outputs(job):
                if use.type == "output" and (replica := context.replicas.lookup(use.lfn)) is not None:
                    if not (fault := why_unusable(replica, context)):
                        self.names.add(use.lfn)
                    elif context.replicas.has_entry(use.lfn):
                        self._unusable[use.lfn] = fault

    def warn_of_unusable(self, made: Container[str]) -> None:
        """Warn of replicas that cannot be used: the jobs that make these files stay."""
        if again := [lfn for lfn in sorted(self._unusable) if lfn in made]:
            first = again[0]
            more = f", and so are {len(again) - 1:,} more" if len(again) > 1 else ""
            self._context.warn(
                "unusable-result",
                f"file {first!r} is made again{more}: its replica cannot be used: {self._unusable[first]}",
                _remedy(self._context),
            )
