"""The results that a run did not deliver, and why: the job whose failure kept each from being made, or the error of moving it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from markab.journal.lifecycle import State
from markab.plan.model import Kind, PlannedJob
from markab.plan.plan_file import PlanFile
from markab.transfers.tree_names import declared_name

Record = Mapping[str, Any]


class Undelivered(NamedTuple):
    """A result that is not at its output site."""

    lfn: str
    job: str
    """Id of the job that should have delivered it."""
    why: str


def undelivered_results(
    plan: PlanFile,
    states: Sequence[int],
    failed_records: Callable[[int], Sequence[Record]],
    *,
    is_over: bool,
) -> Iterator[Undelivered]:
    """Yield the results that were not delivered, in the order of the plan.

    Args:
        states: of all jobs, as in `History.states`.
        failed_records: position → the worker's records of the failed attempts of a job, oldest first.
        is_over: the run has failed; otherwise only jobs count that will not be tried again.
    """
    counted = (State.FAILED, State.INCOMPLETE)
    culprits = _culprits(plan, states)
    for position, outline in enumerate(plan.outline):
        if outline.kind is not Kind.STAGE_OUT or states[position] == State.SUCCEEDED:
            continue
        if is_over or states[position] in counted:
            yield from _not_delivered_by(plan.job(position), plan, culprits, failed_records(position))


NONE = -1
"""There is no failed job above."""
SUCCEEDED = -2


def _culprits(plan: PlanFile, states: Sequence[int]) -> array[int]:
    """Return, by job, the job that failed and without which it did not succeed: perhaps itself."""
    culprits = array("i", bytes(4 * len(states)))
    for position, outline in enumerate(plan.outline):
        if states[position] == State.SUCCEEDED:
            culprits[position] = SUCCEEDED
        elif states[position] == State.FAILED:
            culprits[position] = position
        else:
            culprits[position] = max((culprits[parent] for parent in outline.parents), default=NONE)
            culprits[position] = max(culprits[position], NONE)
    return culprits


def _not_delivered_by(
    job: PlannedJob, plan: PlanFile, culprits: Sequence[int], records: Sequence[Record]
) -> Iterator[Undelivered]:
    with_files = (record["transfers"] for record in reversed(records) if record.get("transfers"))
    arrived = {moved["lfn"] for moved in next(with_files, ())}
    errors = _errors_by_file(records[-1]) if records else {}
    makers = {
        output.lfn: parent
        for parent in job.parents
        if culprits[parent] != SUCCEEDED
        for output in plan.job(parent).outputs
    }
    for transfer in job.transfers:
        lfn = transfer.lfn
        if transfer.optional or lfn in arrived:
            continue
        if (maker := makers.get(lfn)) is not None:
            culprit = culprits[maker]
            why = f"{plan.title(culprit)} failed" if culprit >= 0 else f"{plan.title(maker)} was not run"
        else:
            why = errors.get(lfn) or f"{job.id} was not run"
        yield Undelivered(declared_name(lfn), job.id, why)


def _errors_by_file(record: Record) -> dict[str, str]:
    errors = [record.get("error") or {}, *record.get("also", ())]
    return {error["lfn"]: str(error["message"]) for error in errors if error.get("lfn")}
