"""Where the submit directory of a sub-workflow is: inside that of its parent.

    00/00/pegasus-plan_ID1      planned when its job first started
    00/00/pegasus-plan_ID1.3    planned anew for the third attempt, which takes its place

Beside it stand `pegasus-plan_ID1.cache`, the files of the parent that it may read, and its outputs in the parent's
scratch are in its plan.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from markab.plan.braindump import read_braindump
from markab.plan.model import Kind, PlannedJob
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import PLAN, SubmitDir, job_directory


def child_directory(position: int, job: str, attempt: int = 1) -> str:
    """Return the directory, relative to that of its parent, of a sub-workflow that is planned for an attempt of its job."""
    name = f"{job_directory(position)}/{job}"
    return name if attempt == 1 else f"{name}.{attempt}"


def planned_directory(submit_dir: Path, position: int, job: str, attempts: int) -> str:
    """Return the newest directory of a sub-workflow that has a plan, of those for its first `attempts`; "": none has."""
    for attempt in range(attempts, 0, -1):
        name = child_directory(position, job, attempt)
        if os.path.exists(submit_dir / name / PLAN):
            return name
    return ""


def child_run(submit_dir: Path, position: int, job: PlannedJob, attempts: int) -> Path | None:
    """Return the submit directory of a job that is a sub-workflow; None: it has no plan yet."""
    if job.child is not None and job.child.run:
        return Path(job.child.run)
    name = planned_directory(submit_dir, position, job.id, attempts)
    return submit_dir / name if name else None


def sub_workflow_jobs(plan: PlanFile) -> Iterator[tuple[int, PlannedJob]]:
    """Yield the jobs of a plan that are sub-workflows; a plan without any is not searched."""
    if not plan.header.run_directory:
        return
    for position, outline in enumerate(plan.outline):
        if outline.kind is Kind.SUBWORKFLOW:
            yield position, plan.job(position)


def root_directory(directory: SubmitDir) -> Path:
    """Return the submit directory at the root of the tree to which a run belongs; its own if that cannot be found."""
    braindump = read_braindump(directory.braindump)
    root = braindump.get("root_wf_uuid")
    if not root or root == braindump.get("wf_uuid"):
        return directory.path
    for above in list(directory.path.parents)[2::3]:
        if not (above / PLAN).exists():
            break
        if read_braindump(SubmitDir(above).braindump).get("wf_uuid") == root:
            return above
    return directory.path
