"""Tasks that are not to run: the profile `dagman.NOOP`."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.planned_workflow import Bench, task
from markab.engine.run import RunOptions, run
from markab.errors import PlanningError
from markab.planner.planning import plan

NOOP = {"dagman": {"NOOP": "true"}}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.transformations[0]["sites"][0]["name"] = "local"
    return bench


def test_a_noop_task_succeeds_without_running_its_program_and_its_scripts_run(bench: Bench) -> None:
    (bench.path / "bin" / "tool").write_text("#!/bin/sh\nexit 3\n")
    script = bench.path / "pre.sh"
    script.write_text(f"#!/bin/sh\ntouch {bench.path}/seen\n")
    script.chmod(0o755)
    entry = task("a", reads="nowhere", profiles={"dagman": {"NOOP": "True", "PRE": str(script)}})

    planned = plan(bench.options(entry, sites=["local"]))
    assert planned.submit_dir is not None

    assert "success" == run(planned.submit_dir, RunOptions(cores=1)).state
    assert (bench.path / "seen").exists()


def test_a_file_that_only_a_noop_task_would_make_is_missing_and_the_warning_says_why(bench: Bench) -> None:
    with pytest.raises(PlanningError) as caught:
        bench.plan(task("a", makes="x", profiles=NOOP), task("b", reads="x"), sites=["local"])

    assert ["missing-input"] == [problem.kind for problem in caught.value.problems]
    assert "its profile dagman.NOOP is true: it makes no 'x'" in caught.value.warnings[0].message


def test_noop_is_true_or_false(bench: Bench) -> None:
    with pytest.raises(PlanningError, match=r"profile dagman.NOOP of task 'a' is 'yes'; it must be true or"):
        bench.plan(task("a", profiles={"dagman": {"noop": "yes"}}), sites=["local"])
