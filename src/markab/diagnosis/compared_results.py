"""The results of two runs of one workflow, compared by the checksums that both recorded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from markab.engine.recovery import Recovery
from markab.journal.reader import JournalReader
from markab.plan.model import Kind
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import SubmitDir

Verdict = Literal["same", "different", "missing", "new", "unknown"]


class RecordedResult(NamedTuple):
    """A result as a run recorded it."""

    sha256: str
    """"": not recorded."""
    size_bytes: int | None


class ComparedResult(NamedTuple):
    """A result of two runs."""

    lfn: str
    verdict: Verdict
    """`missing`: only the first run has it; `new`: only the second; `unknown`: a checksum was not recorded."""
    old: str
    """Its sha256 in the first run; "": not recorded."""
    new: str


def compared_results(
    old: Mapping[str, RecordedResult], new: Mapping[str, RecordedResult]
) -> list[ComparedResult]:
    """Return the results of both runs, in the order of their names. Pure."""
    return [_compared(lfn, old.get(lfn), new.get(lfn)) for lfn in sorted({*old, *new})]


def _compared(lfn: str, old: RecordedResult | None, new: RecordedResult | None) -> ComparedResult:
    verdict: Verdict
    if old is None or new is None:
        verdict = "missing" if new is None else "new"
    elif old.sha256 and new.sha256:
        verdict = "same" if old.sha256 == new.sha256 else "different"
    else:
        verdict = "different" if None not in (old[1], new[1]) and old[1] != new[1] else "unknown"
    return ComparedResult(lfn, verdict, old.sha256 if old else "", new.sha256 if new else "")


def read_results(submit_dir: Path) -> dict[str, RecordedResult]:
    """Return the results that a run made: what it delivers, or without an output site all that its tasks make.

    Raises:
        NotARun, CorruptPlan, CorruptJournal: it cannot be read.
    """
    place = SubmitDir(submit_dir)
    plan = PlanFile(place.plan)
    try:
        history = Recovery(plan.header)
        for body in JournalReader(place.journal).bodies():
            history.read(body)
        return {
            lfn: RecordedResult(history.checksums.get(lfn) or "", history.sizes[lfn])
            for lfn in _results(plan)
            if lfn in history.sizes
        }
    finally:
        plan.close()


def _results(plan: PlanFile) -> list[str]:
    if plan.header.outputs:
        return [
            file.lfn for job in plan.jobs_of(Kind.STAGE_OUT) for file in job.transfers if not file.checkpoint
        ]
    return [made.lfn for job in plan.jobs_of(Kind.COMPUTE) for made in job.outputs if not made.checkpoint]
