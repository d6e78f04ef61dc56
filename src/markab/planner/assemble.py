"""Pass 6: from the draft to the jobs of the plan, in the order in which they are written.

Jobs come out one at a time. Only here do the places of this very run enter: the
scratch directories and the directories at the output sites.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from markab.plan.model import Input, Kind, Output, Place, PlannedJob, PlannedTask, Registration, Transfer
from markab.planner import job_names
from markab.planner.draft import Context, Draft
from markab.planner.executables import local_path
from markab.planner.graph import sorted_unique, topological_order
from markab.planner.move_data import inputs_of, outputs_of


@dataclass(frozen=True, slots=True)
class RunPlaces:
    """Where this run stands."""

    scratch: dict[str, str]
    """Staging site → directory of the run as a path or URL, without a slash at the end."""
    outputs: dict[str, str]
    """Output site → directory for results, likewise."""


def assemble(draft: Draft, context: Context, places: RunPlaces) -> Iterator[PlannedJob]:
    """Yield all jobs, parents above children; lower levels of the graph come first."""
    n = len(draft.tasks)
    rank = [*draft.levels, *(chore.level for chore in draft.chores)]
    order = topological_order(draft.parents, rank)
    position = [0] * len(order)
    for place, node in enumerate(order):
        position[node] = place
    for node in order:
        parents = sorted_unique(position[parent] for parent in draft.parents[node])
        if node < n:
            yield _compute_job(draft, context, node, parents)
        else:
            yield _chore(draft.chores[node - n], parents, places)


def _chore(chore: PlannedJob, parents: list[int], places: RunPlaces) -> PlannedJob:
    transfers, registrations = chore.transfers, chore.registrations
    if chore.kind is Kind.STAGE_IN:
        scratch = places.scratch[chore.staging]
        transfers = [
            _moved(t, t.sources, [Place(chore.staging, f"{scratch}/{t.lfn}")]) for t in chore.transfers
        ]
    elif chore.kind is Kind.STAGE_INTER:
        scratch = places.scratch[chore.staging]
        transfers = [
            _moved(
                t,
                [Place(place.site, f"{places.scratch[place.site]}/{t.lfn}") for place in t.sources],
                [Place(chore.staging, f"{scratch}/{t.lfn}")],
            )
            for t in chore.transfers
        ]
    elif chore.kind is Kind.STAGE_OUT:
        scratch = places.scratch[chore.staging]
        transfers = [
            _moved(
                t,
                [Place(chore.staging, f"{scratch}/{t.lfn}")],
                [Place(site, f"{directory}/{t.lfn}") for site, directory in places.outputs.items()],
            )
            for t in chore.transfers
        ]
    elif chore.kind is Kind.REGISTER:
        registrations = [
            Registration(each.lfn, _url(f"{directory}/{each.lfn}"), site, each.metadata)
            for each in chore.registrations
            for site, directory in places.outputs.items()
        ]
    return msgspec.structs.replace(chore, parents=parents, transfers=transfers, registrations=registrations)


def _moved(transfer: Transfer, sources: list[Place], destinations: list[Place]) -> Transfer:
    return msgspec.structs.replace(transfer, sources=sources, destinations=destinations)


def _url(place: str) -> str:
    """Return a path as a `file:` URL; other URLs as they are."""
    return place if "://" in place else "file://" + quote(place, safe="/~+,:@!$&'()*;=")


def _compute_job(draft: Draft, context: Context, node: int, parents: list[int]) -> PlannedJob:
    task, placement = draft.tasks[node], draft.placements[node]
    resources = placement.resources
    if task.type != "job":
        return PlannedJob(
            id=job_names.compute(task, context.prefix),
            kind=Kind.SUBWORKFLOW,
            site=placement.site,
            staging=placement.staging,
            level=draft.levels[node],
            parents=parents,
            tasks=[
                PlannedTask(task.id, task.file or "", "", " ".join(task.arguments), metadata=task.metadata)
            ],
            inputs=_inputs(draft, context, node),
            outputs=[Output(use.lfn, metadata=use.metadata) for use in outputs_of(task)],
        )
    executable = placement.executable
    return PlannedJob(
        id=job_names.compute(task, context.prefix),
        kind=Kind.COMPUTE,
        site=placement.site,
        staging=placement.staging,
        data=placement.data,
        level=draft.levels[node],
        priority=resources.priority if resources.priority is not None else 10 * (draft.levels[node] + 1),
        category=resources.category or "",
        retries=resources.retries if resources.retries is not None else context.retries,
        parents=parents,
        cores=resources.cores,
        memory_mb=resources.memory_mb,
        disk_mb=resources.disk_mb,
        gpus=resources.gpus,
        runtime_s=resources.runtime_s or 0,
        checkpoint_s=resources.checkpoint_s or 0,
        max_wall_s=resources.max_wall_s or 0,
        success_messages=resources.success_messages,
        failure_messages=resources.failure_messages,
        tasks=[
            PlannedTask(
                id=task.id,
                transformation=context.name_of(executable.transformation),
                executable=f"./{executable.staged_as}"
                if executable.staged_as
                else local_path(executable.at.pfn) or executable.at.pfn,
                arguments=" ".join(task.arguments),
                stdin=task.stdin,
                stdout=task.stdout,
                stderr=task.stderr,
                env=placement.profiles.get("env", {}),
                metadata=executable.transformation.metadata | executable.at.metadata | task.metadata,
            )
        ],
        inputs=_inputs(draft, context, node),
        outputs=[Output(use.lfn, use.type == "checkpoint", use.metadata) for use in outputs_of(task)],
    )


def _inputs(draft: Draft, context: Context, node: int) -> list[Input]:
    placement = draft.placements[node]
    inputs = []
    lookup = context.replicas.lookup
    for use in inputs_of(draft.tasks[node]):
        lfn = use.lfn
        checkpoint = use.type == "checkpoint"
        if lfn in draft.absent and not checkpoint:
            continue
        raw = draft.raw.get(lfn)
        sources = [pfn.pfn for pfn in raw.places] if raw and (node, lfn) in draft.bypassed else []
        metadata = use.metadata
        if raw and (replica := lookup(lfn)) and replica.metadata:
            metadata = replica.metadata | metadata
        inputs.append(
            Input(
                lfn,
                sha256=raw.sha256 if raw and not checkpoint else None,
                sources=sources,
                executable=use.executable,
                optional=checkpoint or use.optional,
                metadata=metadata,
            )
        )
    for executable in (placement.executable, *placement.requires):
        if name := executable.staged_as:
            raw = draft.raw[name]
            sources = [pfn.pfn for pfn in raw.places] if (node, name) in draft.bypassed else []
            inputs.append(Input(name, sha256=raw.sha256, sources=sources, executable=True))
    return inputs
