from __future__ import annotations

from pathlib import Path

from kit.planned_workflow import Bench, task
from markab import operations


def test_a_dry_run_has_the_summary_of_the_plan_and_writes_nothing(tmp_path: Path) -> None:
    options = Bench(tmp_path).options(task("a", tool="true"))

    dry = operations.dry_run(options)
    planned = operations.plan(options)

    assert dry.submit_dir is None and planned.submit_dir is not None
    assert dry.summary == planned.summary
