"""Writing the DAG and the submit files of a plan, for `condor_submit_dag`.

The DAG is written last and at once: without it, there is nothing that could be submitted.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path

from markab.dagman.dag_layout import DagLayout
from markab.dagman.dag_text import config_text, dag_lines, job_text, step_text, watch_text
from markab.errors import StorageError
from markab.executors.htcondor.run_files import start_program
from markab.executors.remote.compiled_worker import compiled_worker
from markab.plan.atomic_file import flush_directory, replacing
from markab.plan.braindump import read_braindump
from markab.plan.plan_file import PlanFile
from markab.plan.submit_dir import SubmitDir


def write_dag(submit_dir: Path) -> Path:
    """Write the DAG of a planned run; return its path.

    Raises:
        StorageError: a file cannot be written.
        NotARun, CorruptPlan: there is no plan.
    """
    directory = SubmitDir(submit_dir.resolve())
    layout = DagLayout(directory.path)
    braindump = read_braindump(directory.braindump)
    try:
        with closing(PlanFile(directory.plan)) as plan:
            uuid, name = (
                braindump.get("wf_uuid") or "",
                braindump.get("dag") or f"{plan.header.workflow}-0.dag",
            )
            return _write(plan, directory, layout, uuid, name)
    except OSError as error:
        raise StorageError(f"cannot write the DAG in {str(submit_dir)!r}: {error.strerror}") from error


def _write(plan: PlanFile, directory: SubmitDir, layout: DagLayout, run: str, name: str) -> Path:
    layout.directory.mkdir(exist_ok=True)
    _put(layout.worker, compiled_worker())
    _put(layout.start, start_program(), mode=0o755)
    _put(layout.step, step_text(sys.executable, str(layout.submit_dir)).encode(), mode=0o755)
    _put(layout.config, config_text(plan.header).encode())
    _put(layout.watch, watch_text(layout).encode())
    numbers: dict[str, int] = {}
    has_passwords = directory.passwords.exists()
    for job in plan.jobs():
        text = job_text(job, plan.header, layout, run, has_passwords=has_passwords)
        if text not in numbers:
            numbers[text] = len(numbers) + 1
            _put(layout.submit_file(numbers[text]), text.encode())
    flush_directory(layout.directory)
    jobs = (
        (job, numbers[job_text(job, plan.header, layout, run, has_passwords=has_passwords)])
        for job in plan.jobs()
    )
    dag = layout.submit_dir / name
    with replacing(dag) as file:
        for line in dag_lines(plan.header, jobs, layout, plan.header.slots.cores or os.cpu_count() or 1):
            file.write(f"{line}\n".encode())
    return dag


def _put(path: Path, content: bytes, mode: int = 0o644) -> None:
    with replacing(path) as file:
        file.write(content)
    path.chmod(mode)
