"""The script that runs a job again by hand."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kit.made_run import make_run
from markab.plan.model import Kind, PlannedJob, PlannedTask
from markab.reports.debug_job import make_debug_directory


def test_arguments_that_cannot_be_split_are_given_word_by_word(tmp_path: Path) -> None:
    """The job failed because of them: its script is made all the same."""
    tasks = [PlannedTask("a", "t", "/bin/echo", "don't -n  x"), PlannedTask("b", "t", "/bin/echo", "'it is'")]
    run = make_run(tmp_path / "run", [PlannedJob("j", Kind.COMPUTE, "local", tasks=tasks)])

    made = make_debug_directory(run, "j", tmp_path / "debug")

    done = subprocess.run(["/bin/sh", str(made.script)], capture_output=True, text=True, check=False)
    assert done.stdout == "don't -n x\nit is\n", done.stderr
