"""The jobs of the plan, in the order in which they are written: what the draft becomes.

No pass: it changes nothing in the draft, and jobs come out one at a time, so that a
million of them never exist at once. Only here are the directories of this run
used: its scratch directories and those at the output sites.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from markab.plan.model import (
    SUB_WORKFLOWS,
    DirectoryPlace,
    Input,
    Kind,
    Output,
    Place,
    PlannedJob,
    PlannedTask,
    Transfer,
)
from markab.planner.child_plans import CATEGORY
from markab.planner.cloud_keys import IMAGE_KEYS
from markab.planner.draft import Context, Draft, ResultPlaces
from markab.planner.graph import sorted_unique, topological_order
from markab.planner.hashed_results import HashedResults
from markab.planner.noop_tasks import is_noop
from markab.planner.placement import Executable, Program
from markab.planner.places import local_path
from markab.planner.site_directories import shared_scratch
from markab.planner.software_environments import requested_environment
from markab.planner.task_files import command_line, outputs_of
from markab.planner.time_limits import checkpoint_limits
from markab.spec.model import Task, Use
from markab.transfers.base import quoted_path
from markab.transfers.tree_names import directory_name


@dataclass(frozen=True, slots=True)
class RunPlaces:
    """The directories of this run."""

    scratch: dict[str, DirectoryPlace]
    """By staging site."""
    outputs: dict[str, DirectoryPlace]
    """By output site, in the order in which the user named them."""
    output_map: ResultPlaces | None = None
    """Where each result goes instead."""
    hashed: HashedResults | None = None
    """Where it is below these directories. None: at its name."""
    handed_up: Mapping[str, str] = field(default_factory=dict)
    """Lfn → path in the scratch of the parent, of the results that go there instead."""
    directory: str = ""
    """The run's directory below each scratch."""

    def result_name(self, lfn: str) -> str:
        """Return the path of a result below the directory of an output site."""
        name = directory_name(lfn)
        return name if self.hashed is None else self.hashed.path(name)

    def of_result(self, lfn: str) -> list[Place]:
        """Return where a result goes."""
        if (path := self.handed_up.get(lfn)) is not None:
            return [Place("local", path)]
        if self.output_map is not None:
            return self.output_map.places(lfn)
        name = self.result_name(lfn)
        places = {place.url: place for place in (output.file(name) for output in self.outputs.values())}
        return list(places.values())

    def registrations(self, lfn: str, staging: str) -> list[tuple[str, str]]:
        """Return where a result goes as a replica catalog has it: URLs, each with its site.

        Args:
            staging: the site in whose scratch it stays; "" if it is delivered.
        """
        if staging:
            return [(self.scratch[staging].file_url(lfn), staging)]
        if self.output_map is None:
            name = self.result_name(lfn)
            return list({output.file_url(name): output.site for output in self.outputs.values()}.items())
        places = self.output_map.places(lfn)
        return [(f"file://{quoted_path(p.url)}" if p.url.startswith("/") else p.url, p.site) for p in places]


def executable_jobs(draft: Draft, context: Context, places: RunPlaces) -> Iterator[PlannedJob]:
    """Yield all jobs, parents above children; lower levels of the graph come first."""
    rank = [*draft.levels, *(planned.level for _, planned in draft.auxiliary_jobs())]
    order = [job for job in topological_order(draft.parents, rank) if draft.jobs[job] is not None]
    position = [0] * len(draft.jobs)
    for place, job in enumerate(order):
        position[job] = place
    linking = linking_sites(context)
    for job in order:
        parents = sorted_unique(position[parent] for parent in draft.parents[job])
        found = draft.jobs[job]
        if isinstance(found, PlannedJob):
            planned = _auxiliary_job(found, parents, places)
        else:
            planned = job_of_tasks(draft, context, job, parents, linking)
        planned.space = draft.space.get(job)
        yield planned


def _auxiliary_job(job: PlannedJob, parents: list[int], places: RunPlaces) -> PlannedJob:
    transfers, registrations = job.transfers, job.registrations
    scratch = places.scratch
    if job.kind is Kind.STAGE_IN:
        file = scratch[job.staging].file
        transfers = [_moved(t, t.sources, [file(t.lfn)]) for t in transfers]
    elif job.kind is Kind.STAGE_INTER:
        transfers = [
            _moved(
                t,
                [scratch[source.site].file(t.lfn) for source in t.sources],
                [scratch[job.staging].file(t.lfn)],
            )
            for t in transfers
        ]
    elif job.kind is Kind.STAGE_OUT:
        transfers = _deliveries(job, places)
    elif job.kind is Kind.REGISTER:
        registrations = [
            msgspec.structs.replace(each, pfn=url, site=site)
            for each in registrations
            for url, site in places.registrations(each.lfn, each.site)
        ]
    return msgspec.structs.replace(job, parents=parents, transfers=transfers, registrations=registrations)


def _deliveries(job: PlannedJob, places: RunPlaces) -> list[Transfer]:
    """Return the transfers of results; what exists at an output site already is not moved there."""
    if job.staging:
        scratch = places.scratch[job.staging]
        return [_moved(t, [scratch.file(t.lfn)], places.of_result(t.lfn)) for t in job.transfers]
    found = []
    for transfer in job.transfers:
        there = {place.url for place in transfer.sources}
        if missing := [place for place in places.of_result(transfer.lfn) if place.url not in there]:
            found.append(_moved(transfer, transfer.sources, missing))
    return found


def _moved(transfer: Transfer, sources: list[Place], destinations: list[Place]) -> Transfer:
    return msgspec.structs.replace(transfer, sources=sources, destinations=destinations)


def job_of_tasks(
    draft: Draft, context: Context, job: int, parents: list[int], linking: frozenset[str]
) -> PlannedJob:
    """Return a job that runs tasks; all passes are done. `linking` are the `linking_sites`."""
    tasks, placement, level = draft.tasks_of(job), draft.placements[job], draft.levels[job]
    planned = PlannedJob(
        id=draft.job_name(job, context.prefix),
        kind=Kind.COMPUTE if tasks[0].type == "job" else Kind.SUBWORKFLOW,
        site=placement.site,
        staging=placement.staging,
        level=level,
        parents=parents,
        inputs=_inputs(draft, context, job, linking),
        why=merged.why if (merged := draft.merged.get(job)) else "",
        hooks=draft.job_hooks.get(job, []),
    )
    resources = placement.resources
    planned.priority = resources.priority if resources.priority is not None else 10 * (level + 1)
    planned.category = resources.category or ""
    planned.retries = resources.retries if resources.retries is not None else context.retries
    if planned.kind is Kind.SUBWORKFLOW:
        numbers = draft.jobs[job]
        assert isinstance(numbers, tuple)
        planned.site, planned.child = SUB_WORKFLOWS, draft.children[numbers[0]]
        planned.category = planned.category or CATEGORY
        planned.retries = resources.retries or 0  # the jobs in it have their retries
        planned.tasks = [_sub_workflow(task) for task in tasks]
        planned.outputs = [Output(use.lfn, metadata=use.metadata) for use in draft.outputs(job)]
        return planned
    planned.data, planned.batch = placement.data, placement.batch
    planned.cores, planned.gpus = resources.cores, resources.gpus
    planned.memory_mb, planned.disk_mb = resources.memory_mb, resources.disk_mb
    planned.runtime_s = resources.runtime_s or 0
    planned.threads = resources.own_transfer_threads or resources.transfer_threads or context.own_threads
    planned.max_wall_s = resources.max_wall_s or 0
    planned.success_messages = resources.success_messages
    planned.failure_messages = resources.failure_messages
    # A service of a cloud starts the container itself, and the worker runs in it.
    in_container = placement.batch is not None and not IMAGE_KEYS.isdisjoint(placement.batch.attributes)
    planned.tasks = [
        _planned_task(task, program, draft, in_container=in_container)
        for task, program in zip(tasks, placement.programs, strict=True)
    ]
    if draft.contents:
        _add_contents(draft, job, planned)
    planned.outputs = [Output(use.lfn, use.type == "checkpoint", use.metadata) for use in draft.outputs(job)]
    planned.checkpoint_s, planned.checkpoint_grace_s = checkpoint_limits(
        resources.checkpoint_s or 0,
        planned.max_wall_s,
        has_checkpoint=any(output.checkpoint for output in planned.outputs),
    )
    if requests := draft.dagman.get(job):
        planned.pre, planned.post, planned.abort = requests.pre, requests.post, requests.abort
    if placement.aggregation is not None:
        planned.keep_going = placement.aggregation.keep_going
        _relate_tasks(draft, job, planned.tasks)
        for task, needs in zip(planned.tasks, placement.aggregation.needs, strict=False):
            planned.tasks_at_once = True
            task.cores, task.memory_mb, task.priority = needs
    return planned


def _relate_tasks(draft: Draft, job: int, planned: Sequence[PlannedTask]) -> None:
    """Fill in what the tasks of a cluster make, and for which others of it they wait."""
    numbers = draft.jobs[job]
    assert isinstance(numbers, tuple)
    ids = {number: task.id for number, task in zip(numbers, planned, strict=True)}
    for number, task in zip(numbers, planned, strict=True):
        task.makes = [use.lfn for use in outputs_of(draft.tasks[number]) if use.type != "checkpoint"]
        task.after = [ids[parent] for parent in draft.task_parents[number] if parent in ids]


def _add_contents(draft: Draft, job: int, planned: PlannedJob) -> None:
    """Add what makes the outputs of each task, with reuse by content."""
    numbers = draft.jobs[job]
    assert isinstance(numbers, tuple)
    for number, task in zip(numbers, planned.tasks, strict=True):
        content = draft.contents.get(number)
        if content is not None and len(numbers) == 1:
            content = msgspec.structs.replace(content, reads=[])
        task.content = content


def _sub_workflow(task: Task) -> PlannedTask:
    return PlannedTask(
        task.id,
        task.file or "",
        "",
        " ".join(task.arguments),
        node_label=task.node_label or "",
        metadata=task.metadata,
    )


def _planned_task(task: Task, program: Program, draft: Draft, *, in_container: bool) -> PlannedTask:
    executable = program.executable
    command, arguments = _command(executable), command_line(task)
    container = None if in_container else program.container
    of_program = executable.transformation.metadata | executable.at.metadata
    if is_noop(program.profiles):
        command, container = shutil.which("true") or "/bin/true", None
    elif program.launcher is not None:
        words = program.launcher.arguments, shlex.quote(command), arguments
        command, arguments = program.launcher.executable, " ".join(word for word in words if word)
    return PlannedTask(
        id=task.id,
        transformation=executable.transformation.full_name,
        executable=command,
        arguments=arguments,
        stdin=task.stdin,
        stdout=task.stdout,
        stderr=task.stderr,
        env=program.profiles.get("env", {}),
        node_label=task.node_label or "",
        metadata=of_program | task.metadata if of_program else task.metadata,
        environment=draft.environment_names.get(requested_environment(program), ""),
        container=container,
    )


def _command(executable: Executable) -> str:
    if executable.staged_as:
        return f"./{executable.staged_as}"
    return local_path(executable.at.pfn) or executable.at.pfn


def _inputs(draft: Draft, context: Context, job: int, linking: frozenset[str]) -> list[Input]:
    placement = draft.placements[job]
    may_link = placement.links if context.links else placement.staging in linking
    inputs = []
    own_images = placement.own_images
    raw_inputs, absent, bypassed = draft.raw_inputs(job), draft.absent, draft.bypassed
    for use in draft.inputs(job):
        lfn = use.lfn
        checkpoint = use.type == "checkpoint"
        if lfn in absent and not checkpoint:
            continue
        raw = raw_inputs.get(lfn)
        inputs.append(
            Input(
                lfn,
                sha256=raw.sha256 if raw and not checkpoint else None,
                sources=_sources(draft, job, lfn) if bypassed else [],
                executable=use.executable,
                image=lfn in own_images,
                link=raw is not None and may_link,
                optional=checkpoint or use.optional,
                metadata=use.metadata if raw is None else _metadata(draft, context, use),
            )
        )
    for executable in placement.staged:
        name = executable.staged_as
        assert name is not None
        raw = draft.raw_input(job, name)
        sha256 = raw.sha256 if raw else None
        inputs.append(
            Input(name, sha256=sha256, sources=_sources(draft, job, name), executable=True, link=may_link)
        )
    for image in placement.images:
        raw = draft.raw_input(job, image.lfn)
        sources = _sources(draft, job, image.lfn)
        sha256 = raw.sha256 if raw else None
        inputs.append(
            Input(image.lfn, sha256, sources, image=True, link=True, metadata=image.container.metadata)
        )
    return inputs


def _metadata(draft: Draft, context: Context, use: Use) -> dict[str, str]:
    """Return the metadata of a file that is brought in: that of its replica, below that of its use."""
    if use.lfn in draft.found or not (replica := context.replicas.lookup(use.lfn)) or not replica.metadata:
        return use.metadata
    return replica.metadata | use.metadata


def linking_sites(context: Context) -> frozenset[str]:
    """Return the sites whose scratch directories have links to the files that are brought there, as their URLs say."""
    scratches = {name: shared_scratch(site) for name, site in context.sites.items()}
    return frozenset(name for name, place in scratches.items() if place and place.url.startswith("symlink:"))


def _sources(draft: Draft, job: int, lfn: str) -> list[Place]:
    """Return where a job fetches a file itself; nothing if it comes through the staging site."""
    if not draft.bypassed or (job, lfn) not in draft.bypassed:
        return []
    raw = draft.raw_input(job, lfn)
    return [Place(pfn.site, pfn.pfn) for pfn in raw.direct] if raw else []
