"""The program that the nodes of a DAG start: `step WHAT …`, with the submit directory before.

pre JOB RETRY MAX_RETRIES     before the job of a node
post JOB RETRY MAX_RETRIES    after it
end DAG_STATUS                at the end of the run
watch                         beside it
work                          the job itself, of a site that is the submit host
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from markab.dagman.dag_layout import RECORD, DagLayout
from markab.errors import MarkabError


def main(words: Sequence[str]) -> int:
    """Do one step; return its exit code. What goes wrong is said in a file: DAGMan does not keep what scripts print."""
    submit_dir, what, *numbers = Path(words[0]), *words[1:]
    try:
        return _step(submit_dir, what, [int(number) for number in numbers])
    except Exception as error:
        text = str(error) if isinstance(error, MarkabError) else traceback.format_exc()
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        with open(DagLayout(submit_dir).errors, "a") as file:
            file.write(f"{when} {' '.join(words[1:])}: {text.strip()}\n")
        return 1


def _step(submit_dir: Path, what: str, numbers: list[int]) -> int:
    if what == "work":
        from markab.worker.__main__ import main as work

        return work(["spec.json", "-o", RECORD])
    if what == "watch":
        from markab.dagman.watcher import watch

        return watch(submit_dir)
    from markab.dagman import node_steps

    if what == "end":
        return node_steps.end_run(submit_dir, *numbers)
    step = node_steps.before_job if what == "pre" else node_steps.after_job
    return step(submit_dir, *numbers)
