"""Scripts around jobs, and exit codes that end the run: from profiles to the plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.planned_workflow import Bench, task
from markab.errors import PlanningError
from markab.plan.model import AbortRule, JobScript, Kind, PlannedJob


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.has("in")
    return bench


def planned(bench: Bench, **dagman: str) -> PlannedJob:
    profiles = {"dagman": {key.replace("__", ".").replace("_", "-"): value for key, value in dagman.items()}}
    return bench.plan(task("t", "in", "out", profiles=profiles))["tool_t"]


def script(bench: Bench, name: str = "check") -> str:
    path = bench.options().directory / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_scripts_are_found_from_where_the_planner_was_called_or_in_path(bench: Bench) -> None:
    check = script(bench)
    job = planned(bench, PRE="./check", PRE__ARGUMENTS="a '$JOB'", POST="true")

    assert job.pre == JobScript(check, "a '$JOB'")
    assert job.post is not None and job.post.executable.endswith("/bin/true")


def test_a_script_can_be_named_and_its_path_given_apart(bench: Bench) -> None:
    check = script(bench)

    assert planned(bench, POST="mine", POST__PATH__mine=check).post == JobScript(check)


@pytest.mark.parametrize(
    "dagman", [{"POST": "none"}, {"POST": "pegasus-exitcode"}, {"POST": "true", "POST__SCOPE": "NONE"}]
)
def test_what_the_worker_does_in_any_case_is_no_script(bench: Bench, dagman: dict[str, str]) -> None:
    assert planned(bench, **dagman).post is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [("3", AbortRule(3)), ("3 RETURN 0", AbortRule(3, 0)), ("-9 return 7", AbortRule(-9, 7))],
)
def test_an_exit_code_can_end_the_run(bench: Bench, text: str, rule: AbortRule) -> None:
    assert planned(bench, ABORT_DAG_ON=text).abort == rule


def test_only_jobs_that_run_tasks_have_scripts(bench: Bench) -> None:
    made = bench.plan(task("t", "in", "out"), properties={"dagman.pre": "true"})

    assert {job.kind for job in made.jobs if job.pre} == {Kind.COMPUTE}


def test_the_last_task_of_a_cluster_with_a_profile_decides(bench: Bench) -> None:
    first, last = script(bench, "first"), script(bench, "last")
    tasks = [
        task("a", "in", "x", profiles={"dagman": {"PRE": first, "POST": first}, "pegasus": {"label": "c"}}),
        task("b", "in", "y", profiles={"dagman": {"PRE": last}, "pegasus": {"label": "c"}}),
    ]
    job = bench.plan(*tasks, cluster=["label"])["merge_c"]

    assert (job.pre, job.post) == (JobScript(last), JobScript(first))


@pytest.mark.parametrize(
    ("dagman", "said"),
    [
        ({"PRE": "/none"}, "dagman.PRE names the program '/none', which does not exist"),
        ({"POST": "no-such-program"}, "'no-such-program', which is not in PATH"),
        ({"POST": "./plain"}, "'./plain', which is not executable"),
        ({"PRE": "true", "PRE__ARGUMENTS": "'a"}, "dagman.PRE.ARGUMENTS cannot be split into words"),
        ({"POST": "true", "POST__SCOPE": "some"}, "'some'; it must be all, essential or none"),
        ({"ABORT_DAG_ON": "3 RETURN"}, "ABORT-DAG-ON is '3 RETURN'; it must be an exit code"),
        ({"ABORT_DAG_ON": "3 RETURN 300"}, "it must be an exit code, or '3 RETURN 1'"),
        ({"ABORT_DAG_ON": "no"}, "it must be an exit code"),
    ],
)
def test_what_is_wrong_is_named_with_the_job(bench: Bench, dagman: dict[str, str], said: str) -> None:
    (bench.options().directory / "plain").write_text("text")
    with pytest.raises(PlanningError) as caught:
        planned(bench, **dagman)

    (problem,) = caught.value.problems
    assert said in problem.message and "(job 't')" in problem.message and problem.hint


def test_arguments_of_a_script_that_is_not_given_are_a_warning(bench: Bench) -> None:
    profiles = {"dagman": {"POST.ARGUMENTS": "-x", "PRE": "true", "PRE.ARGUMENTS": "y"}}

    made = bench.plan(*(task(name, "in", profiles=profiles) for name in "ab"))

    assert ["profile dagman.POST.ARGUMENTS does nothing: there is no dagman.POST"] == [
        warning.message for warning in made.planned.warnings
    ]
