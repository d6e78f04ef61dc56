"""From a workflow file to a submit directory: read, check, run the passes, write.

Nothing is written before everything is decided, so a planning run that fails
leaves nothing behind, and reports all problems at once.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from markab.catalogs.replica_properties import with_absolute_output
from markab.errors import DocumentError, PlanningError, Problem, StorageError
from markab.formatting import titled
from markab.plan.braindump import Braindump
from markab.plan.model import INTEGRITY_CHECKS, ContentReuse, GivenSlots, PlannedJob
from markab.plan.task_alone import task_alone
from markab.planner import plan_writer as writing
from markab.planner.child_plans import name_documents
from markab.planner.dagman_engine import check_dag, check_dag_directory
from markab.planner.directory_names import check_delivered_directories, name_directories
from markab.planner.draft import (
    Cleanup,
    Context,
    Draft,
    Progress,
    Reason,
    RecordedSizes,
    UpdateIndex,
    no_recorded_sizes,
    no_update,
)
from markab.planner.executable_jobs import executable_jobs, job_of_tasks, linking_sites
from markab.planner.given_slots import given_slots
from markab.planner.handed_up_results import mark_handed_up
from markab.planner.input_documents import InputDocuments, read_documents
from markab.planner.machine_needs import NO_NEEDS, Needs, needs_of
from markab.planner.modes import MODES
from markab.planner.noop_tasks import empty_noop_tasks
from markab.planner.option_checks import wrong_options
from markab.planner.options import PlanOptions
from markab.planner.output_map import read_mapper
from markab.planner.passes import PASSES, Pass
from markab.planner.path_lengths import check_path_lengths
from markab.planner.places import local_path
from markab.planner.plan_header import (
    make_header,
    results_directory,
    run_places,
    scratch_directory,
    staging_sites,
)
from markab.planner.property_directories import with_property_directories
from markab.planner.property_support import warn_of_unsupported_properties
from markab.planner.property_values import submit_directory_mode
from markab.planner.replica_order import replica_order, selector_warnings
from markab.planner.request_key import request_key
from markab.planner.request_record import make_request
from markab.planner.request_trace import RequestTrace
from markab.planner.result_places import check_result_places
from markab.planner.reuse_policy import content_reuse
from markab.planner.scratch_bound import bound_warnings
from markab.planner.scratch_owners import check_scratch_owners
from markab.planner.site_directories import all_sites, check_directories, default_sites
from markab.planner.site_profiles import with_property_profiles
from markab.planner.summary import PlanSummary, summarise
from markab.planner.task_files import command_line
from markab.planner.transfer_groups import LITE_ARGUMENTS
from markab.planner.unmet_requests import warn_of_unmet_requests
from markab.reuse.request_file import write_request_file
from markab.spec.gc_pause import without_garbage_collection
from markab.spec.model import Task, Workflow
from markab.spec.transfer_arguments import transfer_arguments


class KeptJob(NamedTuple):
    """A job that is in the plan because no earlier run made its outputs of what it is made of now."""

    job: PlannedJob
    paths: dict[str, str]
    """Lfn → path of this machine from which an input is staged in."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The result of planning."""

    workflow: str
    summary: PlanSummary
    submit_dir: Path | None = None
    """None after a dry run."""
    braindump: Braindump = field(default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    needs: Needs = NO_NEEDS
    kept: dict[str, KeptJob] = field(default_factory=dict)
    """Name → job, of those whose key is known and was not found; if it was to be explained."""
    reuse: ContentReuse | None = None
    """How it reuses results by content."""
    slots: GivenSlots = field(default_factory=GivenSlots)
    """What jobs on the submit host may use, as far as documents and options say."""


def plan(
    options: PlanOptions,
    progress: Progress | None = None,
    passes: Sequence[tuple[str, Pass]] = PASSES,
    update_index: UpdateIndex = no_update,
    *,
    recorded_sizes: RecordedSizes = no_recorded_sizes,
    explain: bool = False,
) -> Planned:
    """Plan a workflow into a new submit directory.

    `update_index` is called with the index of results before that is read, if results are reused by content;
    `recorded_sizes` when sizes of files are predicted. With `explain`, the result has what is needed to tell what
    changed since earlier runs.

    Raises:
        DocumentError: documents are wrong; the error has every problem of all of them.
        PlanningError: no plan can be made; the error has every reason.
        StorageError: something cannot be read or written.
    """
    with without_garbage_collection():
        draft, context = _make_draft(
            options, progress or _silent, passes, update_index, recorded_sizes, dry_run=False
        )
        return _plan(options, progress or _silent, draft, context, explain=explain)


def _plan(
    options: PlanOptions, progress: Progress, draft: Draft, context: Context, *, explain: bool
) -> Planned:
    workflow = draft.workflow
    now = time.time()
    stamp = _stamp(context, now)
    mode = submit_directory_mode(context.properties)
    with writing.reserved(options, workflow.name, stamp, mode) as (submit_dir, relative):
        braindump = writing.make_braindump(
            options,
            workflow.name,
            workflow.pegasus,
            submit_dir,
            relative,
            now,
        )
        places = run_places(draft, context, relative)
        check_scratch_owners(places, submit_dir.path, context)
        context.raise_problems()
        header = make_header(draft, context, places, braindump["pegasus_wf_name"])
        progress("writing the plan", 0, header.jobs)
        if (request := make_request(draft, context, header)) is not None:
            write_request_file(submit_dir.request, request)
        writing.write_run(
            submit_dir,
            header,
            executable_jobs(draft, context, places),
            braindump,
            context.properties,
            options.directory,
            [
                options.directory / options.workflow,
                *(options.script.files if options.script else ()),
                *context.documents,
            ],
            options.script.words if options.script else (),
            context.passwords,
            draft.reused_tasks,
            workflow.replica_catalog,
        )
    progress("writing the plan", header.jobs, header.jobs)
    return _planned(draft, context, header.slots, submit_dir.path, braindump, explain=explain)


def _planned(
    draft: Draft,
    context: Context,
    slots: GivenSlots,
    submit_dir: Path | None = None,
    braindump: Braindump | None = None,
    *,
    explain: bool,
) -> Planned:
    return Planned(
        draft.workflow.name,
        summarise(draft),
        submit_dir,
        braindump or {},
        context.warnings,
        draft.reasons,
        needs_of(draft, context),
        _kept_jobs(draft, context) if explain else {},
        context.reuse,
        slots,
    )


def dry_run(
    options: PlanOptions,
    progress: Progress | None = None,
    *,
    recorded_sizes: RecordedSizes = no_recorded_sizes,
    explain: bool = False,
) -> Planned:
    """Plan a workflow and write nothing: the same checks, the same numbers. Arguments and errors as those of `plan`."""
    with without_garbage_collection():
        draft, context = _make_draft(
            options, progress or _silent, PASSES, no_update, recorded_sizes, dry_run=True
        )
    return _planned(draft, context, context.slots, explain=explain)


def _kept_jobs(draft: Draft, context: Context) -> dict[str, KeptJob]:
    """Return the jobs that have a key which no earlier run had, by their names in reasons."""
    found = {}
    linking = linking_sites(context)
    jobs = {task: job for job, tasks in draft.task_jobs() for task in tasks}
    planned_jobs: dict[int, PlannedJob] = {}  # the last one: tasks of a cluster mostly follow each other
    for task in sorted(draft.unmatched):
        job, name = jobs[task], draft.tasks[task].id
        if job not in planned_jobs:
            planned_jobs = {job: job_of_tasks(draft, context, job, [], linking)}
        planned = task_alone(planned_jobs[job], name)
        raw = ((one.lfn, draft.raw_input(job, one.lfn)) for one in planned.inputs)
        nearest = {lfn: it.places[0].pfn for lfn, it in raw if it is not None and it.places}
        paths = {lfn: path for lfn, pfn in nearest.items() if (path := local_path(pfn)) is not None}
        found[name] = KeptJob(planned, paths)
    return found


def _silent(_step: str, _done: int, _total: int | None) -> None:
    """Report no progress."""


def _make_draft(
    options: PlanOptions,
    progress: Progress,
    passes: Sequence[tuple[str, Pass]],
    update_index: UpdateIndex,
    recorded_sizes: RecordedSizes,
    *,
    dry_run: bool,
) -> tuple[Draft, Context]:
    progress("reading documents", 0, None)
    trace = RequestTrace(request_key(options))  # now: reading changes options
    given = read_documents(options, trace)
    name_directories(given.workflow)
    context = _context(options, given, progress, dry_run=dry_run)
    context.trace = trace
    if options.parent is not None:
        context.passwords = {**options.parent.passwords, **context.passwords}
    context.update_index, context.recorded_sizes = update_index, recorded_sizes
    empty_noop_tasks(given.workflow.jobs, context)
    name_documents(given.workflow)
    mark_handed_up(given.workflow, context)
    draft = Draft(given.workflow, given.workflow.jobs)
    _run_passes(passes, draft, context)
    progress("checking the plan", 0, None)
    tasks = [task for job, _ in draft.task_jobs() for task in draft.tasks_of(job)]
    _check_arguments(tasks, context)
    warn_of_unmet_requests(draft, context)
    check_directories(staging_sites(draft), context)
    check_delivered_directories(draft.results, context)
    _check_paths(draft, context)
    if options.is_for_dagman:
        check_dag(draft, context)
    context.slots = given_slots(draft, context)
    context.raise_problems()
    return draft, context


def _run_passes(passes: Sequence[tuple[str, Pass]], draft: Draft, context: Context) -> None:
    """Run the passes; what one of them finds that leaves nothing to the next ones ends them, and is noted."""
    try:
        for title, run_pass in passes:
            context.progress(title, 0, len(draft.tasks))
            run_pass(draft, context)
    except PlanningError as error:
        context.problems.extend(error.problems)


def _check_paths(draft: Draft, context: Context) -> None:
    """Check the places of results, and the lengths of paths, in the directories that the run will most likely have."""
    options, name = context.options, draft.workflow.name
    base = writing.base_directory(options)
    relative = writing.relative_run_dir(options, name, base, _stamp(context, time.time()))
    submit_dir = str(base / (options.relative_submit_dir or relative))
    results_dir = results_directory(context, relative)
    if options.is_for_dagman:
        check_dag_directory(submit_dir, context)
    check_result_places(draft.results, context, results_dir)
    check_path_lengths(
        draft,
        context,
        submit_dir,
        scratch_directory(options, name, relative),
        results_dir,
    )


def _stamp(context: Context, now: float) -> str | None:
    return writing.time_stamp(now) if context.properties.flag("pegasus.dir.useTimestamp", False) else None


def _context(options: PlanOptions, given: InputDocuments, progress: Progress, *, dry_run: bool) -> Context:
    properties, workflow, catalogs = given.properties, given.workflow, given.catalogs
    mode = MODES[properties.choice("pegasus.mode", list(MODES), "production")]
    strategy = options.cleanup or properties.get("pegasus.file.cleanup.strategy", "inplace")
    if (options.output_dir is not None or options.output_map is not None) and not options.output_sites:
        options.output_sites = ["local"]
    sites, warnings = with_property_profiles(all_sites(catalogs.sites, options.directory), properties)
    sites = with_property_directories(sites, properties)
    with_absolute_output(properties, options.directory)
    context = Context(
        options=options,
        properties=properties,
        sites=sites,
        default_sites=default_sites(catalogs.sites),
        replicas=catalogs.replicas,
        transformations={
            (t.namespace, t.name, t.version): t for t in catalogs.transformations.transformations
        },
        containers={container.name: container for container in catalogs.transformations.containers},
        documents=catalogs.files,
        passwords=catalogs.passwords,
        integrity=properties.choice("pegasus.integrity.checking", INTEGRITY_CHECKS, mode.integrity),
        retries=properties.integer("dagman.retry", mode.retries),
        transfer_attempts=mode.transfer_attempts,
        hold_limit_s=mode.hold_limit_s,
        progress=progress,
        prefix=options.job_prefix or "",
        links=properties.flag("pegasus.transfer.links", False),
        own_threads=transfer_arguments(properties.get(LITE_ARGUMENTS, "")).threads,
        replica_order=replica_order(properties),
        workflow_profiles=workflow.profiles,
        problems=[*given.problems, *wrong_options(options)],
        doubts=given.doubts,
        dry_run=dry_run,
    )
    context.warnings.extend(
        [*properties.unknown(), *warnings, *selector_warnings(properties, sites, catalogs.replicas)]
    )
    warn_of_unsupported_properties(context)
    _read_mapper(workflow, context)
    context.cleanup = _cleanup(strategy, context)
    context.warnings.extend(bound_warnings(properties, sites, context.cleanup))
    context.reuse = content_reuse(context)
    _warn_of_useless_flags(options, context)
    return context


def _read_mapper(workflow: Workflow, context: Context) -> None:
    try:
        read_mapper(workflow, context)
    except DocumentError as error:
        context.problems += error.problems
    except StorageError as error:
        context.problems.append(Problem(error.message, error.hint, kind="unreadable"))
        context.unreadable = error
    else:
        return
    context.doubts = replace(context.doubts, documents=True, results=True)


def _cleanup(strategy: str, context: Context) -> Cleanup:
    known: dict[str, Cleanup] = {
        "none": "none",
        "leaf": "leaf",
        "inplace": "inplace",
        "constraint": "constraint",
    }
    if found := known.get(strategy.strip().lower()):
        return found
    context.problem(
        "cleanup",
        f"cleanup strategy {strategy!r} is unknown",
        "choose one of 'none', 'leaf', 'inplace' and 'constraint'",
    )
    return "inplace"


def _warn_of_useless_flags(options: PlanOptions, context: Context) -> None:
    sites = options.output_sites
    if options.output_dir is not None and len(sites) > 1 and "local" not in sites:
        context.warn(
            "output-dir",
            f"--output-dir changes nothing: it is for one output site, or for 'local', "
            f"and {', '.join(sites)} are named",
        )


def _check_arguments(tasks: Sequence[Task], context: Context) -> None:
    """Note command lines that cannot be split into words where the job runs."""
    for task in tasks:
        line = " ".join(task.arguments)
        if "'" in line or '"' in line or "\\" in line:
            line = command_line(task)
            try:
                shlex.split(line)
            except ValueError:
                shown = line if len(line) < 200 else line[:200] + " …"
                context.problem(
                    "arguments",
                    f"the arguments of task {titled(repr(task.id), task.node_label or '')} have a quote that is never closed: {shown}",
                    "close it, or put a backslash before it",
                )
