"""Why a job ran with reuse by content, or which earlier job made its outputs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from markab.diagnosis.earlier_jobs import earlier_jobs, facts_of, learn
from markab.diagnosis.job_changes import why_again
from markab.engine.recovery import Checksums, decode_products
from markab.formatting import moment, shown_path
from markab.journal.reader import JournalReader
from markab.journal.records import AttemptEnd
from markab.journal.run_reader import RunReader
from markab.plan.model import ContentReuse
from markab.reuse.result_index import open_index


class Origin(NamedTuple):
    """The job of an earlier run that made what is reused."""

    job: str
    run: str
    """UUID."""
    submit_dir: str = ""
    """"": the index no longer knows the run."""
    planned_s: float = 0.0

    @property
    def is_there(self) -> bool:
        """Its submit directory still exists."""
        return bool(self.submit_dir) and os.path.isdir(self.submit_dir)

    def text(self) -> str:
        """Return how reports name it: the job, the path of its run, and when that was planned."""
        if not self.submit_dir:
            return f"job {self.job} of run {self.run}"
        gone = "" if self.is_there else ", which was deleted since"
        return f"job {self.job} of run {shown_path(Path(self.submit_dir))}, planned {moment(self.planned_s)}{gone}"


def find_origin(reuse: ContentReuse | None, run: str, job: str) -> Origin:
    """Return what the index knows of the run with this uuid, and its job."""
    found = None
    if reuse is not None:
        with open_index(reuse.index or None, create=False) as index:
            found = index.origin_of(run)
    return Origin(job, run, *(found or ()))


def reuse_verdict(run: RunReader, position: int) -> str:
    """Return why the task of a job was to be run, or which earlier job made its outputs; nothing without reuse by content."""
    job, reuse = run.plan.job(position), run.plan.header.reuse
    if reuse is None or all(task.content is None for task in job.tasks):
        return ""
    checksums = Checksums()
    for body in JournalReader(run.place.journal).bodies():
        entry = decode_products(body)
        if isinstance(entry, AttemptEnd) and entry.record.ok:
            if entry.job == position and (made := entry.record.reused) is not None:
                return f"its outputs were brought, as made by {find_origin(reuse, made.run, made.job).text()}"
            learn(checksums, entry.record)
    if job.content is None:  # a cluster
        return ""
    now = facts_of(run.plan, position, checksums, run.place.path)
    planned_s = run.place.plan.stat().st_mtime
    earlier = earlier_jobs(reuse, run.plan.header.workflow, but=run.place.path, before=planned_s)
    return why_again(earlier.of(job.tasks[0].id), now)
