"""Shell hooks: from documents to the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.planned_workflow import Bench, task
from markab.errors import PlanningError
from markab.plan.model import Hook, RunHooks


def hooks(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"shell": [{"_on": on, "cmd": cmd} for on, cmd in pairs]}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_hooks_of_workflow_task_and_transformation_are_in_the_plan(bench: Bench) -> None:
    bench.transformations[0]["hooks"] = hooks(("error", "page me"))
    made = bench.plan(
        task("a", hooks=hooks(("end", "mail -s 'it is over' ada"), ("never", "no"))),
        workflow={"hooks": hooks(("all", "tell"))},
        properties={
            "pegasus.monitord.notifications.max": "3",
            "pegasus.monitord.notifications.timeout": "60",
        },
    )

    assert RunHooks([Hook("all", ["tell"])], 3, 60) == made.header.hooks
    assert [
        Hook("end", ["mail", "-s", "it is over", "ada"], "a"),
        Hook("error", ["page", "me"], "a"),
    ] == made["tool_a"].hooks
    assert not made.planned.warnings


def test_each_task_of_a_cluster_keeps_its_hooks(bench: Bench) -> None:
    made = bench.plan(
        task("a", hooks=hooks(("end", "x"))),
        task("b", hooks=hooks(("end", "y"))),
        cluster=["horizontal"],
        properties={"pegasus.clusters.num": "1"},
    )

    assert 1 == sum(len(job.tasks) == 2 for job in made.jobs)
    assert {("x", "a"), ("y", "b")} == {(hook.words[0], hook.task) for job in made.jobs for hook in job.hooks}


@pytest.mark.parametrize(
    "properties",
    [{}, {"pegasus.monitord.notifications": "false"}, {"pegasus.monitord.notifications.max": "0"}],
)
def test_a_plan_whose_hooks_are_not_run_says_nothing_of_them(
    bench: Bench, properties: dict[str, str]
) -> None:
    given = {"hooks": hooks(("end", "x"))} if properties else {}
    made = bench.plan(task("a", **given), workflow=given, properties=properties)

    assert made.header.hooks is None and not any(job.hooks for job in made.jobs)


def test_what_only_a_shell_understands_is_said_with_the_command_that_does_it(bench: Bench) -> None:
    planned = bench.plan(task("a", hooks=hooks(("end", "echo $PEGASUS_JOBID >> log")))).planned

    (warning,) = planned.warnings
    assert "started without a shell, so '>>' is one of its arguments" in warning.message
    assert "sh -c 'echo $PEGASUS_JOBID >> log'" in warning.hint
    assert not bench.plan(task("a", hooks=hooks(("end", "sh -c 'a; b' ';'")))).planned.warnings


@pytest.mark.parametrize("cmd", ["mail 'ada", "  ", "a\0b"])
def test_a_command_that_is_none_is_an_error_that_names_its_owner(bench: Bench, cmd: str) -> None:
    with pytest.raises(PlanningError, match="the shell hook of job 'a'"):
        bench.plan(task("a", hooks=hooks(("end", cmd))))


def test_a_wrong_number_of_hooks_is_found(bench: Bench) -> None:
    with pytest.raises(Exception, match=r"pegasus\.monitord\.notifications\.max"):
        bench.plan(task("a"), properties={"pegasus.monitord.notifications.max": "many"})
