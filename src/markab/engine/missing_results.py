"""Results of a run that are no longer where they were delivered, or have another size.

Users move and delete results, and disks lose them. This costs a check of the disk for each result on this
machine; what was delivered to a server is not checked. Contents are not read: `markab trace FILE` does that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from markab.engine.lost_results import IsThere, is_there
from markab.engine.recovery import Recovery
from markab.formatting import count
from markab.journal.reader import JournalReader
from markab.plan.model import Kind
from markab.plan.plan_file import PlanFile
from markab.plan.run_command import run_command
from markab.plan.submit_dir import SubmitDir
from markab.transfers.base import is_local, path_of
from markab.transfers.tree_names import is_tree

JOBS_CHECKED = 20_000
"""A plan with more jobs is not checked by a mere look at its status: that would take seconds."""


def missing_results(plan: PlanFile, history: Recovery, look: IsThere = is_there) -> dict[int, str]:
    """Return the jobs whose results are missing: position → path of the first.

    Results are what stage-out jobs delivered, also those that could deliver only a part; without an
    output site, the outputs of jobs that cleanup left in scratch.
    """
    missing: dict[int, str] = {}
    for position, site, path, size_bytes in _results(plan, history):
        if position not in missing and not look(site, path, size_bytes):
            missing[position] = path
    return missing


def _results(plan: PlanFile, history: Recovery) -> Iterator[tuple[int, str, str, int | None]]:
    """Yield position of the job, site, path and size in bytes of each result on this machine."""
    wanted = Kind.STAGE_OUT if plan.header.outputs else Kind.COMPUTE
    done = history.succeeded
    removed: set[str] = set()
    if wanted is Kind.COMPUTE:
        cleanups = [job for job, it in enumerate(plan.outline) if it.kind is Kind.CLEANUP and done[job]]
        for job in map(plan.job, cleanups):
            if job.removes_scratch:
                return
            removed.update(job.removes)
    for position, outline in enumerate(plan.outline):
        if outline.kind is not wanted or not (done[position] or position in history.arrived):
            continue
        job = plan.job(position)
        sizes = history.sizes if done[position] else history.arrived_sizes(position)
        for transfer in job.transfers:
            for end in transfer.destinations:
                if is_local(end.url) and transfer.lfn in sizes:
                    size_bytes = None if is_tree(transfer.lfn) else sizes[transfer.lfn]
                    yield position, end.site, path_of(end.url), size_bytes
        site = job.staging or job.site
        scratch = plan.header.sites[site].scratch
        if wanted is Kind.COMPUTE and scratch is not None and scratch.is_local:
            for made in job.outputs:
                if made.lfn not in removed and not made.checkpoint and made.lfn in sizes:
                    yield position, site, os.path.join(scratch.path, made.lfn), sizes[made.lfn]


def missing_text(missing: Mapping[int, str], submit_dir: Path) -> str:
    """Return the warning about missing results, with what makes them again; empty: none is missing."""
    if not missing:
        return ""
    is_gone = "are gone, or have another size" if len(missing) > 1 else "is gone, or has another size"
    command = run_command(submit_dir, "--restore")
    return f"{results_named(missing)} {is_gone}: `{command}` makes what is missing again"


def results_named(missing: Mapping[int, str]) -> str:
    """Return the first of the missing results, and how many jobs lack others."""
    _, path = min(missing.items())
    more = len(missing) - 1
    return f"the result {path!r}" + (f", and results of {count(more, 'more job')}," if more else "")


def read_missing_results(submit_dir: Path) -> str:
    """Return the warning about missing results of a run that no engine runs; empty: none, or it has too many jobs.

    Raises:
        CorruptPlan, CorruptJournal: it cannot be read.
    """
    place = SubmitDir(submit_dir)
    plan = PlanFile(place.plan)
    try:
        if plan.header.jobs > JOBS_CHECKED:
            return ""
        history = Recovery(plan.header)
        for body in JournalReader(place.journal).bodies():
            history.read(body)
        return missing_text(missing_results(plan, history), submit_dir)
    finally:
        plan.close()
