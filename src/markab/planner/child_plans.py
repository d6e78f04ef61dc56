"""Sub-workflows: how each gets its plan when its job starts.

A sub-workflow is planned on the submit host, by the planner that planned its parent, with the options of
its task. What these leave open it takes over from its parent: sites, output sites, staging sites, cleanup, `--force`
and `--force-replan`, the policy of reuse; and its properties, if the task names no file of them with `--conf`. One
that is planned already is run as it is.

After the choice of sites, before staging in, which brings documents to the submit host. Guarantees: each task
that is a sub-workflow and stays has an entry in `children`, or a problem was noted.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from markab.plan.model import SUB_WORKFLOWS, ChildPlan
from markab.plan.submit_dir import PLAN
from markab.planner.dagman_profiles import script_of
from markab.planner.draft import Context, Draft
from markab.planner.options import OPTIONS, PlanOptions, WrongOption, from_flags, parsed_words, to_words
from markab.planner.places import local_path
from markab.spec.model import Task, Use, Workflow
from markab.spec.suggestions import did_you_mean
from markab.transfers.tree_names import declared_name, is_tree

CATEGORY = "subwf"
"""Of sub-workflows that are given none, as in Pegasus: `dagman.subwf.maxjobs` limits how many of a run are open at once."""
INHERITED = ("sites", "staging_sites", "cleanup", "force", "force_replan", "reuse_policy")
"""Options that a sub-workflow takes over, each unless its task gives it."""
_RESULTS = ("output_sites", "output_dir", "output_map")
"""Options that say where results go: the first two are taken over together."""
_OF_THE_PARENT = ("dir", "relative_dir", "relative_submit_dir", "random_dir", "until")
"""Options whose values are those of the parent, so that a task cannot give them."""


def name_documents(workflow: Workflow) -> None:
    """Let each task that is a sub-workflow read its document, as those that the API writes do; but not a plan, which stays where it is."""
    for task in workflow.jobs:
        if task.type == "condorWorkflow":
            task.uses = [use for use in task.uses if use.lfn != task.file]
        elif task.type != "job" and task.file and all(use.lfn != task.file for use in task.uses):
            task.uses.append(Use(lfn=task.file, type="input", for_planning=True))


def prepare_children(draft: Draft, context: Context) -> None:
    """Fill `children`."""
    found = {
        number: draft.tasks[number]
        for _, tasks in draft.task_jobs()
        for number in tasks
        if draft.tasks[number].type != "job"
    }
    if not found:
        return
    _warn_of_scripts(draft, context)
    if SUB_WORKFLOWS in context.sites:
        context.problem(
            "site-name",
            f"site {SUB_WORKFLOWS!r} has the name under which sub-workflows run",
            "rename it in the site catalog",
        )
    inherited = _inherited(context.options)
    for number, task in found.items():
        _check_files(task, context)
        if task.type == "condorWorkflow":
            draft.children[number] = _planned_child(task, context)
        else:
            draft.children[number] = _child(task, inherited, context)


def _warn_of_scripts(draft: Draft, context: Context) -> None:
    """Say once which requests of the namespace `dagman` sub-workflows do not get."""
    jobs = [
        job
        for job, (task, *_) in draft.task_jobs()
        if draft.tasks[task].type != "job"
        and _has_scripts(draft.placements[job].programs[0].profiles.get("dagman", {}))
    ]
    if jobs:
        more = f", and those of {len(jobs) - 1} more" if len(jobs) > 1 else ""
        context.warn(
            "unsupported",
            f"scripts and abort codes (dagman.PRE, POST, ABORT-DAG-ON) of sub-workflow {draft.title_of(jobs[0])}{more} "
            "do nothing: only those of plain jobs are carried out",
            "make them jobs of their own, before or after it",
        )


def _has_scripts(given: Mapping[str, str]) -> bool:
    return bool(script_of(given)) or "ABORT-DAG-ON" in given


def _inherited(options: PlanOptions) -> dict[str, Any]:
    """Return what sub-workflows take over, as values of options."""
    found = {name: getattr(options, name) for name in (*INHERITED, "output_sites")}
    if options.output_dir is not None:
        found["output_dir"] = Path(os.path.abspath(options.directory / options.output_dir))
    return {name: value for name, value in found.items() if value}


def child_arguments(task: Task, options: PlanOptions) -> list[str]:
    """Return the words of the command line with which a sub-workflow is planned: its own, and what it takes over.

    Raises:
        WrongOption: one of its own cannot be understood.
    """
    return _arguments(task, _inherited(options), options)[0]


def _arguments(
    task: Task, inherited: Mapping[str, Any], options: PlanOptions
) -> tuple[list[str], dict[str, Any]]:
    """Return these words, and the values that they give."""
    typed = parsed_words(_words(task))
    given = from_flags(Path(task.file or ""), typed, options.directory)
    names = {row.name for row in OPTIONS if row.name in typed}
    taken = {
        name: value
        for name, value in inherited.items()
        if name not in names and not (name in _RESULTS and not names.isdisjoint(_RESULTS))
    }
    values = {**taken, **{row.name: getattr(given, row.name) for row in OPTIONS if row.name in names}}
    return list(to_words(values)), values


def _child(task: Task, inherited: Mapping[str, Any], context: Context) -> ChildPlan:
    _check_words(task, _words(task), context)
    try:
        words, values = _arguments(task, inherited, context.options)
    except WrongOption as error:
        context.problem("planner-arguments", f"sub-workflow {task.id!r}: {error}", "correct its arguments")
        return ChildPlan(document=task.file or "")
    return ChildPlan(document=task.file or "", arguments=words, force_replan=bool(values.get("force_replan")))


def _words(task: Task) -> list[str]:
    try:
        return shlex.split(" ".join(task.arguments))
    except ValueError:
        return []  # a quote that is not closed is reported of all tasks


def _check_words(task: Task, words: Iterable[str], context: Context) -> None:
    """Note flags that the planner does not have, and those that only the parent can decide."""
    known = {flag: row for row in OPTIONS for flag in row.flags}
    for word in words:
        flag = word.partition("=")[0]
        if not flag.startswith("-") or flag.lstrip("-v") == "" or flag.lstrip("-q") == "":
            continue
        if flag not in known:
            if not flag.startswith(("-D", "-X")):
                context.warn(
                    "planner-arguments",
                    f"argument {flag!r} of sub-workflow {task.id!r} is no option of the planner, and does nothing",
                    did_you_mean(flag, sorted(known), "`markab plan --help` lists its options"),
                )
        elif known[flag].name in _OF_THE_PARENT:
            context.warn(
                "planner-arguments",
                f"argument {flag!r} of sub-workflow {task.id!r} does nothing: its directories are below those of its parent",
                "leave it out",
            )


def _check_files(task: Task, context: Context) -> None:
    """Note directories among the files of a sub-workflow: they are packed, and its jobs read plain files."""
    for use in task.uses:
        if is_tree(use.lfn):
            context.unsupported(
                "sub-workflow-directory",
                f"directory {declared_name(use.lfn)!r} is a file of sub-workflow {task.id!r}: "
                "only plain files go in and out",
                "name the files in it, or pack them into one",
            )


def _planned_child(task: Task, context: Context) -> ChildPlan:
    """Return the plan of a sub-workflow that has one already."""
    lfn = task.file or ""
    replica = context.replicas.lookup(lfn)
    paths = [path for pfn in (replica.pfns if replica else ()) if (path := local_path(pfn.pfn)) is not None]
    context.trace.saw_other()
    remedy = (
        "give it a place in the replica catalog: the submit directory that `markab plan` printed; or leave "
        "is_planned out, and name the document of the workflow"
    )
    if not paths:
        context.problem(
            "planned-workflow",
            f"sub-workflow {task.id!r} is planned already, and the replica catalog has no directory of this machine for {lfn!r}",
            remedy,
        )
        return ChildPlan(run="/")
    place = Path(paths[0])
    directory = place.parent if place.name == PLAN else place
    if not (directory / PLAN).is_file():
        what = "is a DAG of HTCondor" if place.suffix == ".dag" else f"has no {PLAN}"
        context.problem(
            "planned-workflow",
            f"sub-workflow {task.id!r} is planned already, and {str(place)!r} {what}: this version runs only plans of its own",
            remedy,
        )
    for use in task.uses:
        if use.type in ("output", "inout"):
            context.problem(
                "planned-workflow",
                f"sub-workflow {task.id!r} is planned already, so it cannot hand {use.lfn!r} up: its plan says where results go",
                "leave the output out, and give readers the place where it is delivered; or leave is_planned out",
            )
    return ChildPlan(run=os.path.abspath(directory))
