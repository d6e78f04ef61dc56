"""A program that starts those of tasks, and a path of a program that a task names itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.planned_workflow import Bench, task
from markab.engine.run import RunOptions, run
from markab.errors import PlanningError
from markab.plan.model import PlannedTask


def planned(
    tmp_path: Path, properties: dict[str, str] | None = None, **profiles: dict[str, str]
) -> PlannedTask:
    tmp_path.mkdir(exist_ok=True)
    bench = Bench(tmp_path)
    bench.has("in")
    (found,) = bench.plan(
        task("t", "in", "out", arguments=["-v", "$X"], profiles=profiles), properties=properties or {}
    )["tool_t"].tasks
    return found


def test_a_launcher_starts_the_program_with_its_own_arguments_first(tmp_path: Path) -> None:
    launcher = {"gridstart.launcher": "env", "gridstart.launcher.arguments": "A=1"}
    found = planned(tmp_path, pegasus=launcher)

    assert found.executable.endswith("/bin/env")
    assert found.arguments == f"A=1 {tmp_path}/bin/tool -v $X"


def test_a_profile_wins_over_the_property(tmp_path: Path) -> None:
    properties = {"pegasus.gridstart.launcher": "nice", "pegasus.gridstart.launcher.arguments": "-n 3"}
    found = planned(tmp_path, properties, pegasus={"gridstart.launcher": "env"})

    assert found.executable.endswith("/bin/env") and found.arguments.startswith("-n 3 ")


def test_a_launcher_that_is_not_there_is_an_error_that_names_the_task(tmp_path: Path) -> None:
    with pytest.raises(
        PlanningError, match=r"launcher 'no-such' is no program of this machine \(needed by task 't'\)"
    ):
        planned(tmp_path / "a", pegasus={"gridstart.launcher": "no-such"})
    with pytest.raises(PlanningError, match="launcher 'env' cannot be split into words"):
        planned(tmp_path, pegasus={"gridstart.launcher": "env", "gridstart.launcher.arguments": "'"})


def test_a_task_can_name_the_path_of_its_program(tmp_path: Path) -> None:
    found = planned(tmp_path, selector={"pfn": "/bin/true"})

    assert (found.executable, found.transformation) == ("/bin/true", "tool")


def test_a_task_with_a_launcher_always_runs(tmp_path: Path) -> None:
    properties = {
        "markab.reuse.policy": "content",
        "markab.reuse.index": str(tmp_path / "index"),
        "markab.reuse.store": str(tmp_path / "store"),
    }

    assert planned(tmp_path / "with", properties, pegasus={"gridstart.launcher": "env"}).content is None
    assert planned(tmp_path / "without", properties, env={"X": "1"}).content is not None


def test_a_script_of_the_submit_host_sets_the_environment_of_a_task(tmp_path: Path) -> None:
    """Also of one that a launcher starts; a script that is not there is an error."""
    bench = Bench(tmp_path)
    bench.transformations[0]["sites"][0]["name"] = "local"
    (tmp_path / "bin" / "tool").write_text('#!/bin/sh\necho "$SEEN $1" > x\n')
    (tmp_path / "my env.sh").write_text('export SEEN="it is"\n')
    pegasus = {"gridstart.launcher": "env", "gridstart.launcher.arguments": "A=1"}
    entry = task("a", makes="x", arguments=["'one two'"], profiles={"pegasus": pegasus})
    pegasus["pegasus_lite_env_source"] = "my env.sh"

    made = bench.plan(entry, sites=["local"])
    assert made.planned.submit_dir is not None and [] == made.planned.warnings
    assert "success" == run(made.planned.submit_dir, RunOptions(cores=1)).state
    assert "it is one two\n" == (tmp_path / "wf-output" / "x").read_text()

    pegasus["pegasus_lite_env_source"] = "none"
    with pytest.raises(PlanningError, match="which sets the environment, is no file"):
        bench.plan(entry, sites=["local"])
