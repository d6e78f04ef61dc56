"""What is left to do of a job that serves several others, when some of them failed; and who is served all the same. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from markab.formatting import count, titled
from markab.journal.lifecycle import State
from markab.plan.model import Kind, PlannedJob

SHOWN = 3

_LEFT_OUT = {
    Kind.STAGE_INTER: "not moved",
    Kind.STAGE_OUT: "not delivered",
    Kind.REGISTER: "not registered",
    Kind.CLEANUP: "kept",
}

_STATE_WORDS = {
    State.FAILED: "failed",
    State.SKIPPED: "was not run",
    State.INCOMPLETE: "is incomplete",
}


class FailedParent(NamedTuple):
    """A parent that failed or was skipped in this call of the engine."""

    job: PlannedJob
    state: State
    arrived: Collection[str]
    """Lfns of the files that it moved before it failed."""


class PartialJob(NamedTuple):
    """A job without the files that it cannot do now."""

    job: PlannedJob
    incomplete: str
    """What was left out, and why: the error with which its attempt ends."""


def partial_job(job: PlannedJob, parents: Sequence[FailedParent]) -> PartialJob:
    """Return what a divisible job can do without what these parents make.

    Nothing is moved that a failed job makes, nothing registered that was not delivered, and
    nothing removed that a failed job reads, makes or moves: it may run again.
    """
    held = {lfn for parent in parents for lfn in _held_back(job.kind, parent)}
    left_out = [lfn for lfn in _files(job) if lfn in held]
    kept = msgspec.structs.replace(
        job,
        transfers=[transfer for transfer in job.transfers if transfer.lfn not in held],
        registrations=[each for each in job.registrations if each.lfn not in held],
        removes=[lfn for lfn in job.removes if lfn not in held],
    )
    return PartialJob(kept, _message(job.kind, list(dict.fromkeys(left_out)), parents))


def served_children(
    job: PlannedJob, children: Iterable[tuple[int, PlannedJob]], arrived: Collection[str]
) -> list[int]:
    """Return the children that have something to do, of a job that moved only some of its files.

    A job that runs a task needs all the files that come by this job; a registration does each for itself.
    """
    missing = {transfer.lfn for transfer in job.transfers}.difference(arrived)
    served = []
    for position, child in children:
        if child.kind in (Kind.COMPUTE, Kind.SUBWORKFLOW):
            is_served = missing.isdisjoint(file.lfn for file in child.inputs)
        else:
            is_served = any(each.lfn in arrived for each in child.registrations)
        if is_served:
            served.append(position)
    return served


def _held_back(kind: Kind, parent: FailedParent) -> Iterator[str]:
    job = parent.job
    yield from (file.lfn for file in job.outputs)
    if kind is Kind.REGISTER:
        yield from (transfer.lfn for transfer in job.transfers if transfer.lfn not in parent.arrived)
    if kind is Kind.CLEANUP:
        yield from (file.lfn for file in job.inputs)
        yield from (transfer.lfn for transfer in job.transfers)


def _files(job: PlannedJob) -> list[str]:
    moved = (transfer.lfn for transfer in job.transfers)
    return [*moved, *(each.lfn for each in job.registrations), *job.removes]


def _message(kind: Kind, files: Sequence[str], parents: Sequence[FailedParent]) -> str:
    first = parents[0]
    because = f"{titled(first.job.id, first.job.label)} {_STATE_WORDS[first.state]}"
    if len(parents) > 1:
        because += f", and {count(len(parents) - 1, 'more job')}"
    if not files:
        return f"to be done again, because {because}"
    named = ", ".join(repr(lfn) for lfn in files[:SHOWN]) + (", …" if len(files) > SHOWN else "")
    return f"{count(len(files), 'file')} {_LEFT_OUT[kind]}, because {because}: {named}"
