"""Planning a small workflow takes mostly as long as its imports: what only few plans need is not imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from kit.planned_workflow import Bench, task

PROGRAM = """
import sys
from markab.cli.plan import plan
plan.main(args=["-q", "--output-dir", "out", "workflow.yml"], standalone_mode=False)
print(*sys.modules)
"""


def test_a_plain_plan_imports_no_readers_of_large_documents_and_secrets(tmp_path: Path) -> None:
    Bench(tmp_path).options(task("a", makes="x"))

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.split())
    assert "markab.planner.planning" in imported
    assert imported & {"configparser", "ryml", "markab.spec.fast_reader"} == set()
