"""How full the bounded scratch directories of a run are when an engine opens it, from its plan and its history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from markab.engine.recovery import Recovery
from markab.engine.scratch_space import ScratchSpace, SpaceOfJob
from markab.executors.base import Record
from markab.plan.model import Kind, PlannedJob
from markab.plan.plan_file import PlanFile

_BRINGING = (Kind.STAGE_IN, Kind.STAGE_INTER)


def recovered_space(plan: PlanFile, history: Recovery, most_bytes: int | None = None) -> ScratchSpace | None:
    """Return the room that there is; None: the plan has no bounds.

    Args:
        most_bytes: the bound on each scratch, instead of that in the plan.
    """
    bounds = plan.header.scratch
    if not bounds:
        return None
    if most_bytes is not None:
        bounds = {site: msgspec.structs.replace(one, most_bytes=most_bytes) for site, one in bounds.items()}
    space = ScratchSpace(bounds, _spaces(plan))
    done = history.succeeded
    cleanups = []
    for position, is_done in enumerate(done):
        if is_done and space.knows(position):
            job = plan.job(position)
            if job.removes:
                cleanups.append((position, job.removes))
            else:
                space.succeeded(position, {lfn: history.sizes.get(lfn) for lfn in _files(job)})
    for position, removes in cleanups:
        space.removed(position, removes)
    for position, files in history.arrived.items():
        if not done[position]:
            space.arrived(position, {one.lfn: 0 if one.link else one.bytes for one in files})
    return space


def _spaces(plan: PlanFile) -> Iterator[SpaceOfJob]:
    for position, one in plan.spaces():
        assert one.space is not None
        reads = [file.lfn for file in one.inputs] if one.space.own_bytes else ()
        program = "+".join(dict.fromkeys(task.transformation for task in one.tasks))
        makes = [file.lfn for file in one.outputs]
        yield SpaceOfJob(position, one.staging or one.site, one.space, reads, one.removes, program, makes)


def _files(job: PlannedJob) -> list[str]:
    if job.kind in _BRINGING:
        return [transfer.lfn for transfer in job.transfers if not transfer.link]
    return [output.lfn for output in job.outputs]


def scratch_sizes(job: PlannedJob, record: Record) -> dict[str, int | None]:
    """Return lfn → bytes of the files that an attempt put into scratch, by its record; None: not known."""
    if job.kind in _BRINGING:
        moved: Iterable[Mapping[str, Any]] = record.get("transfers") or ()
        return {one["lfn"]: 0 if one.get("link") else one.get("bytes") for one in moved}
    return {made["lfn"]: made.get("size") for made in record.get("outputs") or ()}
