"""Rescue files, for users and tools that expect them; Markab itself continues from the journal.

`<workflow>-0.dag.rescueNNN` as HTCondor's DAGMan writes it: comments, then `DONE <job>`
for each job that succeeded, and `RETRY <job> <n>` for each other that has retries.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from pathlib import Path

from markab.journal.lifecycle import State
from markab.plan.atomic_file import replacing
from markab.plan.plan_file import JobOutline


def write_rescue(
    directory: Path,
    workflow: str,
    outline: Collection[JobOutline],
    states: bytes,
    now: float,
) -> Path:
    """Write the next rescue file of a run, and return its path; `states` has the state of every job.

    Raises:
        StorageError: it cannot be written.
    """
    path = directory / f"{workflow}-0.dag.rescue{_last_number(directory, workflow) + 1:03d}"
    failed = [job.id for job, state in zip(outline, states, strict=True) if state == State.FAILED]
    with replacing(path, durable=False) as file:
        file.write(
            f"# Rescue DAG file, created after running\n#   the {workflow}-0.dag DAG file\n"
            f"# Created {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(now))} UTC by Markab\n#\n"
            f"# Total number of Nodes: {len(outline)}\n"
            f"# Nodes premarked DONE: {states.count(State.SUCCEEDED)}\n"
            f"# Nodes that failed: {len(failed)}\n"
            f"#   {''.join(name + ',' for name in failed)}<ENDLIST>\n\n".encode()
        )
        for job, state in zip(outline, states, strict=True):
            if state == State.SUCCEEDED:
                file.write(f"DONE {job.id}\n".encode())
            elif job.retries > 0:
                file.write(f"RETRY {job.id} {job.retries}\n".encode())
    return path


def _last_number(directory: Path, workflow: str) -> int:
    pattern = re.compile(re.escape(f"{workflow}-0.dag.rescue") + r"(\d+)")
    numbers = [int(match.group(1)) for path in directory.iterdir() if (match := pattern.fullmatch(path.name))]
    return max(numbers, default=0)
