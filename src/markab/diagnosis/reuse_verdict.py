"""Why a job ran with reuse by content, or which earlier job made its outputs."""

from __future__ import annotations

from pathlib import Path

from markab.diagnosis.earlier_jobs import earlier_jobs, facts_of, learn
from markab.diagnosis.job_changes import why_again
from markab.engine.recovery import Checksums, decode_products
from markab.formatting import shown_path
from markab.journal.reader import JournalReader
from markab.journal.records import AttemptEnd
from markab.journal.run_reader import RunReader
from markab.plan.model import ContentReuse
from markab.reuse.result_index import open_index


def origin_text(reuse: ContentReuse | None, run: str, job: str) -> str:
    """Return how a job of a run with this uuid is named: with its submit directory, if the index still has it."""
    found = None
    if reuse is not None:
        with open_index(reuse.index or None, create=False) as index:
            found = index.submit_dir_of(run)
    return f"job {job} of run {shown_path(Path(found)) if found else run}"


def reuse_verdict(run: RunReader, position: int) -> str:
    """Return why the task of a job was to be run, or which earlier job made its outputs; nothing without reuse by content."""
    job, reuse = run.plan.job(position), run.plan.header.reuse
    if reuse is None or job.content is None:
        return ""
    checksums = Checksums()
    for body in JournalReader(run.place.journal).bodies():
        entry = decode_products(body)
        if isinstance(entry, AttemptEnd) and entry.record.ok:
            if entry.job == position and (made := entry.record.reused) is not None:
                return f"its outputs were brought, as made by {origin_text(reuse, made.run, made.job)}"
            learn(checksums, entry.record)
    now = facts_of(run.plan, position, checksums, run.place.path)
    planned_s = run.place.plan.stat().st_mtime
    earlier = earlier_jobs(reuse, run.plan.header.workflow, but=run.place.path, before=planned_s)
    return why_again(earlier.of(job.tasks[0].id), now)
